"""Estimating the memory that an upscaler needs for a tile, without computing it."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_MEASURED_SIDE = 128
"""Pixels of the tile whose memory is counted. What a tile needs grows with its area."""

_USUAL_BYTES_PER_PIXEL = 16_000
"""In float32, where a model can't be traced: that of ESRGAN with its temporary buffers."""

_COPYING = (
    torch.ops.aten.convolution.default,
    torch.ops.aten.bmm.default,
    torch.ops.aten._softmax.default,
)
"""Operations that keep their inputs and outputs in another layout meanwhile (oneDNN, cuDNN)."""

MARGIN = 1.1
"""Factor for the fragmentation of the allocator."""


class _PeakOfTensors(TorchDispatchMode):
    """Counts the bytes of the tensors that live at the same time, at their peak."""

    def __init__(self, known: Sequence[torch.Tensor]) -> None:
        """`known` are tensors that don't count, such as weights."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._now = 0
        self._seen = weakref.WeakSet(each.untyped_storage() for each in known)

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        made = [each for each in tree_leaves(result) if isinstance(each, torch.Tensor)]
        for storage in (each.untyped_storage() for each in made):
            if storage not in self._seen:
                self._seen.add(storage)
                self._now += storage.nbytes()
                weakref.finalize(storage, self._free, storage.nbytes())
        copies = [*tree_leaves(args), *made] if func in _COPYING else []
        sizes = (each.nbytes for each in copies if isinstance(each, torch.Tensor))
        self.peak = max(self.peak, self._now + sum(sizes))
        return result

    def _free(self, size: int) -> None:
        self._now -= size


def bytes_per_pixel(descriptor: Any, dtype: torch.dtype) -> float:
    """Return the bytes that a model of spandrel needs for a pixel of a tile, besides its weights,
    by running it on tensors without data."""
    side = max(_MEASURED_SIDE, int(descriptor.size_requirements.minimum))
    try:
        model = copy.deepcopy(descriptor.model).to(device="meta", dtype=dtype).eval()
        known = [*model.parameters(), *model.buffers()]
        shape = (1, descriptor.input_channels, side, side)
        with torch.no_grad(), _PeakOfTensors(known) as counted:
            model(torch.empty(shape, device="meta", dtype=dtype))
    # Some models read values of tensors, or keep tensors where `to` doesn't find them.
    except (RuntimeError, NotImplementedError, ValueError, TypeError, AttributeError):
        return _USUAL_BYTES_PER_PIXEL * dtype.itemsize / 4
    return float(counted.peak / side**2)


def expected_bytes(
    per_pixel: float, tile: int, width: int, height: int, scale: int, weights: int
) -> int:
    """Return the peak for a picture of `width` x `height` pixels in tiles of `tile` pixels: the
    weights, a tile, and the picture before and after in 8 bits."""
    pixels = min(tile, width) * min(tile, height)
    pictures = 3 * width * height * (1 + 2 * scale**2)
    return int((weights + per_pixel * pixels) * MARGIN) + pictures
