"""A picture drawn by terminals that know Kitty's graphics protocol."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import count
from random import randrange
from typing import TYPE_CHECKING

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.filter import LineFilter

from sdtui.tui.background import run_on_thread, start_worker
from sdtui.tui.images.terminal_picture import TerminalPicture
from sdtui.tui.terminal.environment import in_tmux, through_tmux
from sdtui.tui.terminal.tmux import wait_until_visible
from sdtui.tui.textual_internals.driver import write_to_terminal

if TYPE_CHECKING:
    from PIL.Image import Image

_PLACEHOLDER = "\U0010eeee"
_CHUNK = 1024
"""Letters of base64 in one command: on a slow line, keys are echoed between them. The protocol
allows 4096."""
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
"""Begins anywhere: other programs may have pictures in the terminal too."""
_CERTAIN = range(16, 256)
"""The numbers of colours that tmux hands on as they are, in every terminal."""


class PictureNumber:
    """The number by which the terminal knows a picture. Placeholders have it as their colour, of 24
    bits; inside tmux, which may have 256 colours, as one of these and a third diacritic."""

    def __init__(self) -> None:
        number = next(_ids)
        if in_tmux():
            high, low = divmod(number, len(_CERTAIN))
            high %= len(_PLACES)
            low = _CERTAIN[low]
            self.value = high << 24 | low
            self.colour = Color.from_ansi(low)
            self.diacritic = _PLACES[high]
        else:
            self.value = number
            self.colour = Color.from_rgb(number >> 16, number >> 8 & 255, number & 255)
            self.diacritic = ""


class KittyPicture(TerminalPicture):
    """Sends its picture once for each size, through the writer of all else, and then only draws
    placeholders, which cost as much as text."""

    largest = len(_PLACES)
    _number: PictureNumber | None = None

    def get_line_filters(self) -> Sequence[LineFilter]:
        """None: the colours are numbers."""
        return ()

    def on_mount(self) -> None:
        self.app.app_resume_signal.subscribe(self, self._send_again)

    def _send_again(self, _: object) -> None:
        """Send the picture again: meanwhile the terminal may have forgotten it, or be another."""
        if self._number is not None:
            start_worker(self, partial(self.make, *self.placed), exclusive=True)

    async def make(self, columns: int, rows: int) -> None:
        size = (columns * self.cell[0], rows * self.cell[1])
        data = await run_on_thread(partial(_ready_png, self.image, size))
        self.forget()
        self._number = number = PictureNumber()
        chunks = [data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK)]
        place = f"a=T,U=1,f=100,q=2,i={number.value},c={columns},r={rows},"
        commands = [
            _command(f"{'' if index else place}m={int(index < len(chunks) - 1)}", chunk)
            for index, chunk in enumerate(chunks)
        ]
        write_to_terminal(self.app, "".join(commands))
        self.refresh()

    def forget(self) -> None:
        if self._number is not None:
            write_to_terminal(self.app, _command(f"a=d,d=I,q=2,i={self._number.value}"))
        self._number = None

    def drawn_row(self, row: int) -> Segment | None:
        """Return placeholders. Each has its row and column: some may be covered."""
        number = self._number
        if number is None:
            return None
        places = _PLACES[: self.placed[0]]
        text = "".join(f"{_PLACEHOLDER}{_PLACES[row]}{place}{number.diacritic}" for place in places)
        return Segment(text, self.rich_style + Style(color=number.colour))


def _ready_png(image: Image, largest: tuple[int, int]) -> str:
    """Return the picture when the terminal can take it."""
    data = _png(image, largest)
    wait_until_visible()
    return data


def _png(image: Image, largest: tuple[int, int]) -> str:
    """Return a picture as PNG in base64, no larger than `largest` pixels."""
    from textual_image._pixeldata import PixelData  # its public modules ask the terminal

    data = PixelData(image)  # has a copy
    data.pil_image.thumbnail(largest)
    return data.to_base64()


def _command(control: str, payload: str = "") -> str:
    """Return a command. Each is wrapped on its own: tmux has a limit for what it hands on."""
    return through_tmux(f"\x1b_G{control};{payload}\x1b\\")
