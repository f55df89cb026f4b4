"""What all parts of a training work with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sdtui.engine.loaded import LoadedModel
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.requests.training.events import ReportTraining
from sdtui.requests.training.request import TrainingRequest
from sdtui.training.control import TrainingControl


@dataclass(frozen=True)
class TrainingSession:
    """A training whose model is loaded."""

    request: TrainingRequest
    engine: StableDiffusionEngine
    folder: Path
    """That of the training: states, latents and samples."""
    report: ReportTraining
    control: TrainingControl

    @property
    def model(self) -> LoadedModel:
        """The model that learns."""
        assert self.engine.loaded is not None
        return self.engine.loaded
