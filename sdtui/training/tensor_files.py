"""Tensors that are made once and kept on disk while a training lasts: neither the models that make
them nor all of them at once need memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save

from sdtui.core.files import write_atomic
from sdtui.engine.loaded import LoadedModel


class TensorFiles:
    """A folder of files with tensors that a model has made."""

    def __init__(self, folder: Path, model: LoadedModel) -> None:
        self._folder = folder
        self._model = model

    def file(self, *source: object) -> Path:
        """Return the file of tensors that the model makes of a source."""
        parts = (*source, self._model.record.hash, self._model.dtype)
        key = "|".join(map(str, parts)).encode("utf-8", "surrogateescape")
        return self._folder / f"{hashlib.sha256(key).hexdigest()}.safetensors"

    def fill(self, file: Path, make: Callable[[], Mapping[str, torch.Tensor]]) -> None:
        """Make a file's tensors, unless an earlier training has left them. Raises OSError."""
        if not _is_whole(file):
            self._folder.mkdir(parents=True, exist_ok=True)
            tensors = {name: each.cpu().contiguous() for name, each in make().items()}
            write_atomic(file, save(tensors), durable=False)


def read_tensors(file: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a file, in main memory. Raises OSError and SafetensorError."""
    return load_file(file)


def _is_whole(file: Path) -> bool:
    """True if a file is as long as its header says."""
    try:
        with safe_open(file, framework="pt"):
            return True
    except (OSError, SafetensorError):
        return False
