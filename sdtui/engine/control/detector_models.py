"""The transformers models that make control maps: found in the folders of preprocessors, and loaded
without a network."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sdtui.core.errors import ModelNotFoundError, UnsafeModelError, UnsupportedModelError
from sdtui.core.settings import Settings
from sdtui.core.text import one_line
from sdtui.models.component_files import read_json, weight_files
from sdtui.models.files_by_kind import FileKind, files_of_kind

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DetectorModels:
    """Finds and loads models onto a device. They are loaded for one picture: they are small, and
    maps are kept."""

    settings: Settings
    device: torch.device
    wanted: str
    """What the user should have, in words."""

    def load(self, cls: Any, ending: str) -> tuple[Any, Path]:
        """Return a model whose class has a name with this end, and its folder. Raises
        ModelNotFoundError, UnsafeModelError or UnsupportedModelError."""
        folder = self._folder(ending)
        if not weight_files(folder):
            raise UnsafeModelError(
                f"{folder} has no .safetensors file, only such as could run code",
                "Get its .safetensors file",
            )
        try:
            model = cls.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, trust_remote_code=False
            )
        except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
            _log.warning("%s can't be loaded", folder, exc_info=error)
            raise UnsupportedModelError(
                f"{folder} can't be loaded: {one_line(str(error))[:300]}", "Use another model"
            ) from error
        return model.to(self.device).eval(), folder

    def check(self, endings: Sequence[str]) -> None:
        """Raise ModelNotFoundError if there is no model for a class name's end."""
        for each in endings:
            self._folder(each)

    def _folder(self, ending: str) -> Path:
        for found in files_of_kind(FileKind.PREPROCESSOR, self.settings):
            names = read_json(found.path / "config.json").get("architectures") or ()
            if any(str(name).endswith(ending) for name in names):
                return found.path
        raise ModelNotFoundError(
            f"there is no model for this preprocessor: it needs {self.wanted}",
            "Put its folder into one of the setting preprocessor_folders, or give a control map",
        )
