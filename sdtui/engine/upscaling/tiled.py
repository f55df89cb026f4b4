"""Running a model over a picture, tile by tile."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sdtui.engine.memory.oom import OOM_CANDIDATES, is_out_of_memory
from sdtui.engine.upscaling.tiles import SMALLEST_TILE, Tile, blend, overlap_of, split, tiles_of
from sdtui.engine.upscaling.upscaler import UpscalingContext

Pixels = NDArray[np.uint8]
"""H x W x C."""


@dataclass
class TiledUpscaling:
    """Enlarges pictures with a model. When memory runs out, the tile that failed and all later ones
    are halved, and the finished ones are kept."""

    apply: Callable[[Pixels], NDArray[np.float32]]
    """Enlarges a tile, h x w x C, to `scale` times its size, in 0 to 255."""
    scale: int
    side: int
    """The largest side of a tile in pixels; it shrinks when memory runs out."""
    multiple: int
    """The sides of tiles are multiples of this."""
    can_split: bool
    """False if the model needs to see the whole picture."""
    context: UpscalingContext

    def run(self, pixels: Pixels) -> Pixels:
        """Return the picture in `scale` times its size. Raises CancelledError, and MemoryError if
        memory runs out in the smallest tiles too."""
        height, width, channels = pixels.shape
        canvas = np.empty((height * self.scale, width * self.scale, channels), np.uint8)
        pending = deque(tiles_of(Tile(0, 0, width, height), self.side, self.multiple))
        done = 0
        while pending:
            self.context.cancellation.check()
            tile = pending[0]
            part, failure = self._try(pixels, tile)
            if part is None:
                self._shrink(tile, failure)
                pending = deque(split(list(pending), self.side, self.multiple))
                continue
            pending.popleft()
            overlap = overlap_of(self.side) * self.scale
            blend(canvas, part, tile.left * self.scale, tile.top * self.scale, overlap)
            done += 1
            self.context.on_tile(done, done + len(pending))
        return canvas

    def _try(self, pixels: Pixels, tile: Tile) -> tuple[NDArray[np.float32] | None, str]:
        """Return the enlarged tile, or None and the error's text if memory ran out. The error and
        its frames are released on return."""
        try:
            part = self.apply(pixels[tile.top : tile.bottom, tile.left : tile.right])
        except OOM_CANDIDATES as error:
            if not is_out_of_memory(error):
                raise
            return None, str(error).strip().partition("\n")[0] or type(error).__name__
        return part, ""

    def _shrink(self, tile: Tile, failure: str) -> None:
        """Halve the tiles, or raise MemoryError if they can't get smaller."""
        self.context.device.release()
        side = min(self.side, max(tile.width, tile.height)) // 2 // 8 * 8
        if not self.can_split or side < SMALLEST_TILE:
            raise MemoryError(failure)
        self.side = side
        self.context.notice(f"memory ran out: upscaling in tiles of {side} px")
