"""Describe a model before it is loaded."""

from __future__ import annotations

from pathlib import Path

from sdtui.core.errors import ModelDamagedError
from sdtui.models.checkpoint_file import describe_checkpoint
from sdtui.models.description import ModelDescription
from sdtui.models.diffusers_folder import describe_folder


def describe_model(path: Path, *, shown_prediction: str | None = None) -> ModelDescription:
    """Describe the model in a diffusers folder or a single .safetensors file.

    `shown_prediction` is the prediction type that a checkpoint's weights show, for checkpoints
    that don't say it.
    Raises ModelDamagedError, UnsafeModelError (weights only as pickles, or code in the folder)
    or UnsupportedModelError.
    """
    if not path.is_dir():
        return describe_checkpoint(path, shown_prediction)
    try:
        return describe_folder(path)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise ModelDamagedError(
            f"a config in {path} holds a wrong value: {error}", "Download or copy the model again"
        ) from error
