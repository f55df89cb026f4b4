"""Read the header of a GGUF file: names, number formats and shapes, without the weights.

Format: github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3.
"""

from __future__ import annotations

import math
import os
import struct
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from sdtui.core.errors import ModelDamagedError, ModelNotFoundError, UnsupportedModelError
from sdtui.models.headers import Header, TensorInfo

GGUF = ".gguf"
"""The suffix of these files."""
MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_TEXT, _ARRAY = 8, 9
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of the other types of metadata, by their numbers."""
_LONGEST_NAME = 65535
_MOST_DIMENSIONS = 4
_ALIGNMENT = 32
"""The usual one, unless the metadata has another."""
_ORIGINAL_SHAPE = "comfy.gguf.orig_shape."
"""Begins the names of metadata with the shapes of tensors that were stored in another one, so that
their rows divide into blocks: those of convolutions (city96's ComfyUI-GGUF, tools/convert.py)."""

_FORMATS = {
    # Number: name, values in a block, bytes of a block (gguf-py/gguf/constants.py).
    **{0: ("F32", 1, 4), 1: ("F16", 1, 2), 30: ("BF16", 1, 2)},
    **{2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22), 7: ("Q5_1", 32, 24)},
    **{8: ("Q8_0", 32, 34), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110)},
    **{12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210)},
    **{20: ("IQ4_NL", 32, 18), 23: ("IQ4_XS", 256, 136)},
}
"""Those that diffusers reads."""
_OTHER_FORMATS = {
    **{9: "Q8_1", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S"},
    **{21: "IQ3_S", 22: "IQ2_S", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4"},
}


def read_gguf_header(path: Path) -> Header:
    """Read the header of a file and check that the file is complete.

    Raises ModelNotFoundError if it can't be opened, ModelDamagedError if it isn't a complete GGUF
    file, UnsupportedModelError for other versions and unknown number formats.
    """
    try:
        with path.open("rb") as file:
            return _Reader(path, file).header()
    except OSError as error:
        problem = f"{path} can't be read: {error.strerror or error}"
        raise ModelNotFoundError(problem, "Check the path and its rights") from error
    except (struct.error, UnicodeDecodeError) as error:
        raise _damaged(path, "its header can't be read") from error


def _damaged(path: Path, problem: str) -> ModelDamagedError:
    return ModelDamagedError(f"{path} is damaged: {problem}", "Download or copy it again")


class _Reader:
    """Reads one file from its beginning."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        self._alignment = _ALIGNMENT
        self._original_shapes: dict[str, tuple[int, ...]] = {}

    def header(self) -> Header:
        if self._bytes(4) != MAGIC:
            raise _damaged(self._path, "it is not a GGUF file, or it is cut short")
        version, tensors, entries = self._numbers("<IQQ")
        if version not in _VERSIONS:
            raise UnsupportedModelError(
                f"{self._path} is a GGUF file of version {version}",
                "Get one of version 2 or 3",
            )
        if tensors + entries > self._size:
            raise _damaged(self._path, "its header can't be read")
        metadata = dict(self._entry() for _ in range(entries))
        found: dict[str, TensorInfo] = {}
        end = 0
        for _ in range(tensors):
            name, info = self._tensor()
            found[name] = info
            end = max(end, info.start + info.size)
        data = -(-self._file.tell() // self._alignment) * self._alignment
        if data + end > self._size:
            missing = data + end - self._size
            raise _damaged(self._path, f"{missing:,} of {end:,} bytes of weights are missing")
        return Header(
            {name: replace(info, start=data + info.start) for name, info in found.items()},
            {name: text for name, text in metadata.items() if text is not None},
        )

    def _bytes(self, count: int) -> bytes:
        if count > self._size - self._file.tell():
            raise _damaged(self._path, "it is cut short")
        return self._file.read(count)

    def _numbers(self, layout: str) -> tuple[int, ...]:
        return struct.unpack(layout, self._bytes(struct.calcsize(layout)))

    def _text(self) -> str:
        (length,) = self._numbers("<Q")
        return self._bytes(length).decode("utf-8")

    def _entry(self) -> tuple[str, str | None]:
        """Return a name and its text; None for what isn't a text."""
        name = self._text()
        (kind,) = self._numbers("<I")
        if kind == _TEXT:
            return name, self._text()
        if name == "general.alignment" and _SIZES.get(kind) == 4:
            (self._alignment,) = self._numbers("<I")
            self._alignment = max(1, self._alignment)
        elif name.startswith(_ORIGINAL_SHAPE) and kind == _ARRAY:
            self._original_shapes[name.removeprefix(_ORIGINAL_SHAPE)] = self._small_numbers()
        else:
            self._skip(kind)
        return name, None

    def _small_numbers(self) -> tuple[int, ...]:
        """Return a list of 32-bit numbers."""
        kind, count = self._numbers("<IQ")
        if _SIZES.get(kind) != 4 or count > _MOST_DIMENSIONS:
            raise _damaged(self._path, "its header can't be read")
        return self._numbers(f"<{count}I")

    def _skip(self, kind: int) -> None:
        if kind == _TEXT:
            self._text()
        elif kind == _ARRAY:
            inner, count = self._numbers("<IQ")
            if inner in _SIZES:
                self._bytes(_SIZES[inner] * count)
                return
            if count > self._size:
                raise _damaged(self._path, "its header can't be read")
            for _ in range(count):
                self._skip(inner)
        elif kind in _SIZES:
            self._bytes(_SIZES[kind])
        else:
            raise _damaged(self._path, "its header can't be read")

    def _tensor(self) -> tuple[str, TensorInfo]:
        """Return a tensor, which starts as many bytes behind the beginning of the weights as is
        said there."""
        name = self._text()
        (dimensions,) = self._numbers("<I")
        if len(name) > _LONGEST_NAME or dimensions > _MOST_DIMENSIONS:
            raise _damaged(self._path, "its header can't be read")
        # The innermost dimension comes first.
        shape = self._numbers(f"<{dimensions}Q")[::-1]
        number, offset = self._numbers("<IQ")
        if number not in _FORMATS:
            raise UnsupportedModelError(
                f"{self._path} has weights in a number format of GGUF that diffusers doesn't read "
                f"({_OTHER_FORMATS.get(number, f'its number is {number}')})",
                "Get this model as Q8_0, Q6_K, Q5_K or Q4_K",
            )
        label, values, size = _FORMATS[number]
        if shape and shape[-1] % values:
            raise _damaged(self._path, f"{name} doesn't consist of whole blocks of {label}")
        original = self._original_shapes.get(name, shape)
        if math.prod(original) != math.prod(shape):
            raise _damaged(self._path, f"{name} has two shapes")
        return name, TensorInfo(label, original, offset, math.prod(shape) // values * size)
