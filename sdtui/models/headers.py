"""Read the header of a safetensors file: names, dtypes and shapes, without the weights.

Format: 8 bytes little-endian length, that many bytes of JSON, then the tensors' bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, NonNegativeInt, TypeAdapter

from sdtui.core.errors import ModelDamagedError, ModelNotFoundError
from sdtui.models.other_files import recognised_beginning

_MAX_HEADER = 100_000_000
"""In bytes; the limit of the safetensors library."""

_BEGINNING = 64
"""Bytes that show what another kind of file is."""


@dataclass(frozen=True)
class TensorInfo:
    """Dtype and shape of a tensor."""

    dtype: str
    """As in the file: "F16", "BF16", "F32" …"""
    shape: tuple[int, ...]
    start: int = field(default=0, compare=False)
    size: int = field(default=0, compare=False)
    """Where its bytes begin in the file, and how many there are."""

    @property
    def elements(self) -> int:
        """Number of values."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Header:
    """The header of a safetensors file."""

    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, str]

    def elements(self, *prefixes: str) -> int:
        """Number of values in the tensors whose names start with one of `prefixes`, or in all."""
        return sum(
            info.elements
            for name, info in self.tensors.items()
            if not prefixes or name.startswith(prefixes)
        )


class _Tensor(BaseModel):
    dtype: str
    shape: tuple[NonNegativeInt, ...]
    data_offsets: tuple[NonNegativeInt, NonNegativeInt]

    def info(self, data_start: int) -> TensorInfo:
        start, end = self.data_offsets
        return TensorInfo(self.dtype, self.shape, data_start + start, end - start)


_TENSORS = TypeAdapter(dict[str, _Tensor])
_METADATA = TypeAdapter(dict[str, str])


def read_header(path: Path) -> Header:
    """Read the header of a file and check that the file is complete.

    Raises ModelNotFoundError if it can't be opened, ModelDamagedError if it is not a
    complete safetensors file.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            beginning = file.read(_BEGINNING)
            length = int.from_bytes(beginning[:8], "little")
            if size < 8 or length > min(size - 8, _MAX_HEADER):
                raise _not_safetensors(path, beginning)
            file.seek(8)
            text = file.read(length)
    except OSError as error:
        problem = f"{path} can't be read: {error.strerror or error}"
        raise ModelNotFoundError(problem, "Check the path and its rights") from error
    return _parse(path, text, 8 + length, size - 8 - length)


def _parse(path: Path, text: bytes, data_start: int, data_size: int) -> Header:
    try:
        entries = json.loads(text)
        metadata = _METADATA.validate_python(entries.pop("__metadata__", {}))
        tensors = _TENSORS.validate_python(entries)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(path, "its header can't be read") from error
    end = max((tensor.data_offsets[1] for tensor in tensors.values()), default=0)
    if end > data_size:
        missing = end - data_size
        raise _damaged(path, f"{missing:,} of {end:,} bytes of weights are missing")
    if end < data_size:  # the safetensors library refuses it
        raise _damaged(path, f"{data_size - end:,} bytes behind its weights belong to none of them")
    return Header(
        {name: tensor.info(data_start) for name, tensor in tensors.items()},
        metadata,
    )


def _not_safetensors(path: Path, beginning: bytes) -> ModelDamagedError:
    recognised = recognised_beginning(beginning)
    if recognised is None:
        return _damaged(path, "it is not a safetensors file, or it is cut short")
    what, hint = recognised
    return ModelDamagedError(f"{path} can't be used: {what}", hint)


def _damaged(path: Path, problem: str) -> ModelDamagedError:
    return ModelDamagedError(f"{path} is damaged: {problem}", "Download or copy it again")
