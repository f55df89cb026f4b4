"""The pocket model: a tiny bundled text-to-image model."""

from pathlib import Path

MODEL_FOLDER: Path = Path(__file__).parent / "model"
"""An ordinary StableDiffusionPipeline folder; its native size is 128×128 pixels."""

CONTROLNETS_FOLDER: Path = Path(__file__).parent / "controlnets"
"""The folder of the pocket model's ControlNets."""
