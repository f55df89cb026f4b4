"""A picture drawn by terminals that know Sixel."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from rich.control import Control
from rich.segment import Segment
from rich.style import Style
from textual.app import ComposeResult
from textual_image.widget.sixel import Image, _ImageSixelImpl, _NoopRenderable

_HEAD = re.compile(r'\x1bP[^q]*q"[\d;]*')
_COLOUR = re.compile(r"(#\d+);2;\d+;\d+;\d+")
"""The definition of a colour, which also selects it."""


class SixelPicture(Image, Renderable=_NoopRenderable):
    """textual-image's widget, with two fixes for its last version for Python 3.11."""

    def compose(self) -> ComposeResult:
        yield _Sixels(self.image, self._sixel_options)


class _Sixels(_ImageSixelImpl, inherit_css=False):
    def _image_to_sixels(self, *arguments: Any, **options: Any) -> str:
        return with_colours_first(super()._image_to_sixels(*arguments, **options))

    def _get_sixel_segments(self, sixel_data: str) -> Iterable[Segment]:
        """Leave the cursor in the picture's last line. One below, Textual would write what follows
        the picture into the next line, and at the end of the screen everything would scroll."""
        *drawn, _ = super()._get_sixel_segments(sixel_data)
        region = self.screen.find_widget(self).visible_region
        end = Control.move_to(region.right, region.bottom - 1)
        return [*drawn, Segment(end.segment.text, Style())]


def with_colours_first(sixels: str) -> str:
    """Define every colour before the first is used: in xterm and WezTerm, definitions between two
    lines of a picture leave holes in it."""
    head = _HEAD.match(sixels)
    assert head is not None
    body = sixels[head.end() :]
    definitions = "".join(found.group() for found in _COLOUR.finditer(body))
    return head.group() + definitions + _COLOUR.sub(r"\1", body)
