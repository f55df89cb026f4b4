"""A picture drawn by terminals that know Kitty's graphics protocol."""

from __future__ import annotations

import asyncio
import base64
import io
from itertools import count
from random import randrange
from typing import TYPE_CHECKING, ClassVar

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual import work
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from sdtui.tui.images.halfcell import fit
from sdtui.tui.terminal.environment import through_tmux
from sdtui.tui.textual_internals import write_to_terminal

if TYPE_CHECKING:
    from PIL.Image import Image

_PLACEHOLDER = "\U0010eeee"
_CHUNK = 4096
"""Letters of base64 that one command may carry, says the protocol."""
_RUNS = """
305 30d-30e 310 312 33d-33f 346 34a-34c 350-352 357 35b 363-36f 483-487 592-595 597-599
59c-5a1 5a8-5a9 5ab-5ac 5af 5c4 610-617 657-65b 65d-65e 6d6-6dc 6df-6e2 6e4 6e7-6e8 6eb-6ec
730 732-733 735-736 73a 73d 73f-741 743 745 747 749-74a 7eb-7f1 7f3 816-819 81b-823 825-827
829-82d 951 953-954 f82-f83 f86-f87 135d-135f 17dd 193a 1a17 1a75-1a7c 1b6b 1b6d-1b73
1cd0-1cd2 1cda-1cdb 1ce0 1dc0-1dc1 1dc3-1dc9 1dcb-1dcc 1dd1-1de6 1dfe 20d0-20d1 20d4-20d7
20db-20dc 20e1 20e7 20e9 20f0 2cef-2cf1 2de0-2dff a66f a67c-a67d a6f0-a6f1 a8e0-a8f1 aab0
aab2-aab3 aab7-aab8 aabe-aabf aac1 fe20-fe26 10a0f 10a38 1d185-1d189 1d1aa-1d1ad 1d242-1d244
"""
_PLACES = [
    chr(code)
    for first, _, last in (run.partition("-") for run in _RUNS.split())
    for code in range(int(first, 16), int(last or first, 16) + 1)
]
"""The diacritics that number rows and columns of placeholders: Kitty's
rowcolumn-diacritics.txt, in runs."""
_ids = count(randrange(1, 2**23))
"""The terminal knows a picture by a number of at most 24 bits, which is written as the colour of
its placeholders. Begins anywhere: other programs may have pictures there too."""


class KittyPicture(Widget):
    """Sends its picture once for each size, through the writer of all else, and then only draws
    placeholders, which cost as much as text."""

    DEFAULT_CSS = "KittyPicture { width: 1fr; height: 1fr; }"
    cell: ClassVar[tuple[int, int]]
    """Pixels of a cell: width, height. To be set by a subclass for the terminal."""

    def __init__(self, image: Image, *, classes: str | None = None) -> None:
        super().__init__(classes=classes)
        self._image = image
        self._number = 0
        self._placed = (0, 0)

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """Take the whole width: the picture is centred."""
        return container.width

    def on_mount(self) -> None:
        self.app.app_resume_signal.subscribe(self, self._send_again)

    def _send_again(self, _: object) -> None:
        """Send the picture again: meanwhile the terminal may have forgotten it, or be another."""
        if self._number:
            self._send(*self._placed)

    def on_resize(self) -> None:
        width, height = self.cell
        most = min(self.size.width, len(_PLACES)), min(self.size.height, len(_PLACES))
        columns, rows = fit(self._image, *most, height / width)
        if (columns, rows) != self._placed:
            self._send(columns, rows)

    def on_unmount(self) -> None:
        self._forget()

    @work(exclusive=True)
    async def _send(self, columns: int, rows: int) -> None:
        size = (columns * self.cell[0], rows * self.cell[1])
        data = await asyncio.to_thread(_png, self._image, size)
        self._forget()
        self._number = next(_ids)
        self._placed = (columns, rows)
        chunks = [data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK)]
        place = f"a=T,U=1,f=100,q=2,i={self._number},c={columns},r={rows},"
        commands = [
            _command(f"{'' if index else place}m={int(index < len(chunks) - 1)}", chunk)
            for index, chunk in enumerate(chunks)
        ]
        write_to_terminal(self.app, "".join(commands))
        self.refresh()

    def _forget(self) -> None:
        if self._number:
            write_to_terminal(self.app, _command(f"a=d,d=I,q=2,i={self._number}"))
        self._number = 0

    def render_line(self, y: int) -> Strip:
        """Return a line of placeholders. Each has its row and column: some may be covered."""
        width, height = self.size
        columns, rows = self._placed
        row = y - (height - rows) // 2
        if not self._number or not 0 <= row < rows or columns > width:
            return Strip.blank(width, self.rich_style)
        left = (width - columns) // 2
        number = Color.from_rgb(self._number >> 16, self._number >> 8 & 255, self._number & 255)
        text = "".join(f"{_PLACEHOLDER}{_PLACES[row]}{place}" for place in _PLACES[:columns])
        segments = [
            Segment(" " * left, self.rich_style),
            Segment(text, self.rich_style + Style(color=number)),
            Segment(" " * (width - left - columns), self.rich_style),
        ]
        return Strip(segments, width)


def _png(image: Image, largest: tuple[int, int]) -> str:
    """Return a picture as PNG in base64, no larger than `largest` pixels."""
    smaller = image.copy()
    smaller.thumbnail(largest)
    file = io.BytesIO()
    smaller.save(file, "PNG", compress_level=3)
    return base64.standard_b64encode(file.getvalue()).decode()


def _command(control: str, payload: str = "") -> str:
    return through_tmux(f"\x1b_G{control};{payload}\x1b\\")
