"""Files of weights whose tensors are read from disk only when they are used."""

from __future__ import annotations

import mmap
from pathlib import Path

import torch

from sdtui.core.errors import UnsupportedModelError
from sdtui.models.gguf_header import GGUF, read_gguf_header
from sdtui.models.headers import TensorInfo, read_header

_DTYPES = {
    **{"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16},
    **{"F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2, "BOOL": torch.bool},
    **{"I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8},
    "U8": torch.uint8,
}
"""By the names of safetensors."""
_PLAIN_IN_GGUF = ("F32", "F16")
"""The formats of GGUF that are torch's own. Weights in BF16 stay in it as in packed formats."""


class WeightFile:
    """A .safetensors or GGUF file that is mapped into memory.

    The system reads a page of it when a tensor is used, and `release` drops the pages that were
    read, so that no more of the file is in memory than what is worked on.
    """

    def __init__(self, path: Path) -> None:
        """Raises the errors of `read_header` and `read_gguf_header`, or UnsupportedModelError for a
        tensor of another data type."""
        self._is_gguf = path.suffix.lower() == GGUF
        self.header = read_gguf_header(path) if self._is_gguf else read_header(path)
        with path.open("rb") as file:
            # Private, since torch wants memory that can be written.
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        self.tensors: dict[str, torch.Tensor] = {
            name: self._tensor(path, name, info) for name, info in self.header.tensors.items()
        }
        """By name; those in a packed format of GGUF as bytes, a row for each of theirs, or flat if
        rows don't consist of whole blocks."""

    def _tensor(self, path: Path, name: str, info: TensorInfo) -> torch.Tensor:
        if not self._is_gguf and info.dtype not in _DTYPES:
            raise UnsupportedModelError(
                f"{path} has weights in a number format that sdtui can't read ({name}: "
                f"{info.dtype})",
                "Get this model in bf16, fp8 or as GGUF",
            )
        label = self.packed_format(name)
        dtype = torch.uint8 if label else _DTYPES[info.dtype]
        rows = info.shape[:1]
        if rows and info.size % max(1, rows[0]):
            rows = ()
        shape = (*rows, -1) if label else info.shape
        if info.size == 0:
            return torch.empty(info.shape, dtype=dtype)
        count = info.size // dtype.itemsize
        tensor = torch.frombuffer(self._map, dtype=dtype, count=count, offset=info.start)
        return tensor.reshape(shape)

    def packed_format(self, name: str) -> str | None:
        """Return the packed format of GGUF that a tensor is in; None for an ordinary one."""
        label = self.header.tensors[name].dtype
        return label if self._is_gguf and label not in _PLAIN_IN_GGUF else None

    def release(self) -> None:
        """Drop what was read of the file from memory. Tensors that are still used are read
        again."""
        if hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
            self._map.madvise(mmap.MADV_DONTNEED)
