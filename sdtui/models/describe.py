"""Describe a model before it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sdtui.core.errors import ModelDamagedError
from sdtui.core.settings import Settings
from sdtui.models.base_models import find_base
from sdtui.models.checkpoint_file import PICKLES, check_file_kind, describe_checkpoint
from sdtui.models.description import ModelDescription
from sdtui.models.diffusers_folder import describe_folder
from sdtui.models.other_files import check_not_split
from sdtui.models.part_files import PartFile
from sdtui.models.transformer_file import TransformerFile, read_transformer_file


def describe_model(
    path: Path, settings: Settings | None = None, *, shown_prediction: str | None = None
) -> ModelDescription:
    """Describe the model in a diffusers folder, a checkpoint, or a file of a transformer alone,
    whose other parts come from another model on this machine, as the settings say.

    `shown_prediction` is the prediction type that a checkpoint's weights show, for checkpoints
    that don't say it.
    Raises ModelDamagedError, UnsafeModelError (weights only as pickles, or code in the folder)
    or UnsupportedModelError.
    """
    if path.is_dir():
        return _of_folder(path)
    if path.suffix.lower() in PICKLES:
        check_file_kind(path)
    check_not_split(path)
    transformer = read_transformer_file(path)
    if transformer is None:
        return describe_checkpoint(path, shown_prediction)
    base = find_base(transformer, settings or Settings())
    return _of_folder(base.folder, transformer, base.parts)


def _of_folder(
    folder: Path,
    transformer: TransformerFile | None = None,
    parts: Mapping[str, PartFile] | None = None,
) -> ModelDescription:
    try:
        return describe_folder(folder, transformer, parts or {})
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise ModelDamagedError(
            f"a config in {folder} holds a wrong value: {error}",
            "Download or copy the model again",
        ) from error
