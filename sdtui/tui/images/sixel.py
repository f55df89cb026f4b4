"""A picture drawn by terminals that know Sixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdtui.tui.images.raster_picture import RasterPicture, cut
from sdtui.tui.images.sixel_encoding import sixels, with_palette
from sdtui.tui.terminal.raster import Area, Raster

if TYPE_CHECKING:
    from PIL.Image import Image


class SixelPicture(RasterPicture):
    """Has one palette for all its areas."""

    def raster(self, image: Image) -> Raster:
        indexed, cell = with_palette(image), self.cell

        def encode(area: Area) -> tuple[str, ...]:
            return (sixels(cut(indexed, area, cell)),)

        return Raster(encode)
