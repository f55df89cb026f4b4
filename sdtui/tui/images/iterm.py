"""A picture drawn by terminals that know iTerm2's inline images."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, ClassVar

from sdtui.tui.images.raster_picture import RasterPicture, cut
from sdtui.tui.terminal.environment import in_tmux, over_ssh
from sdtui.tui.terminal.inline_files import inline_image
from sdtui.tui.terminal.raster import Area, Raster
from sdtui.tui.textual_internals.driver import redraw_terminal

if TYPE_CHECKING:
    from PIL.Image import Image

_QUALITY = 90


class ItermPicture(RasterPicture):
    """Is sent as PNG, or as JPEG where that takes too long: over SSH and through tmux."""

    takes_parts: ClassVar[bool] = False
    """True if the terminal takes a file in parts. To be set by a subclass for the terminal."""

    def on_mount(self) -> None:
        if in_tmux():
            self.watch(self.app, "app_focus", self._draw_again, init=False)

    def _draw_again(self) -> None:
        """Draw everything again when the pane gets the focus: tmux has drawn other windows, and
        doesn't know of the picture."""
        redraw_terminal(self.app)

    def raster(self, image: Image) -> Raster:
        cell, parts = self.cell, self.takes_parts

        def encode(area: Area) -> tuple[str, ...]:
            data = _encoded(cut(image, area, cell))
            columns, rows = area.right - area.left, area.bottom - area.top
            return inline_image(data, columns, rows, parts=parts)

        return Raster(encode, around_tmux=in_tmux())


def _encoded(image: Image) -> bytes:
    file = io.BytesIO()
    if over_ssh() or in_tmux():
        image.convert("RGB").save(file, "JPEG", quality=_QUALITY)
    else:
        image.save(file, "PNG", compress_level=3)
    return file.getvalue()
