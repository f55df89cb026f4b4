"""Querying the terminal's capabilities while the app is being imported."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import sys
import termios
import time
import tty
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sdtui.tui.terminal import environment
from sdtui.tui.terminal.program import TerminalProgram, terminal_program

if TYPE_CHECKING:
    from sdtui.tui.terminal.tmux import TmuxQuestion, TmuxSettings

_COLOURS = "\x1b[0m\x1b[48;2;1;2;3m\x1bP$qm\x1b\\\x1b[0m\x1bP+q524742;5463\x1b\\"
"""Which background is set (DECRQSS) after one of 24 bits, and are the capabilities RGB and Tc known
(XTGETTCAP, names in hexadecimal)?"""
_KITTY = "\x1b_Gi=31,s=1,v=1,a=q,U=1,t=d,f=24;AAAA\x1b\\"
"""Kitty's protocol, with placeholders (U; Kitty itself has them since 0.28)?"""
_NAME = "\x1b[>q"
"""What is the terminal's name and version (XTVERSION)?"""
_CELL_AND_LAST = "\x1b[16t\x1b[c"
"""How large is a cell? And what every terminal answers (DA1), so that its answer says that no other
will come."""
_LAST = re.compile(rb"(?:\x1b\[|\x9b)\?([\d;]*)c")
_CELL = re.compile(rb"\x1b\[6;(\d+);(\d+)t")
_TRUE_COLOUR = re.compile(
    rb"\x1bP1\$r[^\x1b]*48[:;]2[:;]+(?:0:)?1[:;]2[:;]3|\x1bP1\+r[^\x1b]*(?:524742|5463)"
)
_NAME_REPLY = re.compile(rb"\x1bP>\|([ -~]{0,200})\x1b\\")
_FROM_AROUND_TMUX = re.compile(rb"\x1bP[01]\$r")
"""The last answer that tmux can't give itself. A terminal that has none answers it all the same."""
_KITTY_REPLY = b"\x1b_Gi=31;OK"
_SIXEL = b"4"
"""The attribute in DA1 (VT220 and later: sixel graphics)."""
_GRACE_SECONDS = 0.15
"""How long the terminal around a tmux that can't be asked may answer after tmux."""


@dataclass(frozen=True)
class TerminalCapabilities:
    """What a terminal can draw."""

    kitty: bool = False
    sixel: bool = False
    cell: tuple[int, int] = (10, 20)
    """Width and height of a cell in pixels; without an answer, those of a VT340."""
    true_colour: bool = False
    """True if it says that it has colours of 24 bits."""
    name: str = ""
    """Name and version, as the terminal reports them; inside tmux, those of the one around it."""
    passthrough: bool = False
    """True if tmux hands sequences on to the terminal around it."""

    @property
    def program(self) -> TerminalProgram:
        """Which program the terminal is, also around tmux."""
        return terminal_program(self.name)

    @property
    def is_reached(self) -> bool:
        """True if control strings reach the terminal, wrapped for tmux if need be."""
        if environment.in_screen() or not environment.takes_strings():
            return False
        return self.passthrough or not environment.in_tmux()


UNKNOWN_TERMINAL = TerminalCapabilities()
"""One that wasn't asked."""


def questions() -> str:
    """Return the queries for this terminal. GNU Screen takes Kitty's query for a title; tmux does
    so too if it isn't wrapped, and answers itself what its name is."""
    if not environment.takes_strings() or environment.in_screen():
        return _CELL_AND_LAST
    asked = environment.through_tmux(_KITTY + _COLOURS)
    name = "" if environment.in_tmux() else _NAME
    return f"{asked}\r\x1b[K{name}{_CELL_AND_LAST}"  # in case some of it was printed


def capabilities_in(answers: bytes) -> TerminalCapabilities:
    """Return the capabilities in the replies, which may have keys between them."""
    last, cell = _LAST.search(answers), _CELL.search(answers)
    height, width = map(int, cell.groups()) if cell else (0, 0)
    name = _NAME_REPLY.search(answers)
    return TerminalCapabilities(
        kitty=_KITTY_REPLY in answers,
        sixel=last is not None and _SIXEL in last.group(1).split(b";"),
        cell=(width, height) if width and height else TerminalCapabilities.cell,
        true_colour=_TRUE_COLOUR.search(answers) is not None,
        name=name.group(1).decode("ascii") if name else "",
        passthrough=_is_from_around_tmux(answers),
    )


def _is_from_around_tmux(answers: bytes) -> bool:
    """True if the terminal around tmux has answered."""
    found = _KITTY_REPLY in answers or _FROM_AROUND_TMUX.search(answers) is not None
    return found and environment.in_tmux()


class TerminalProbe:
    """Asks when it is constructed. `answers` must be called later: it restores the terminal."""

    def __init__(self) -> None:
        self._terminal = sys.stdin.fileno()
        self._before = termios.tcgetattr(self._terminal)
        # Otherwise the replies would be echoed and held back until a newline. Waiting keys are
        # kept.
        tty.setcbreak(self._terminal, termios.TCSANOW)
        self._tmux = _ask_tmux()
        sys.stdout.write(questions())
        sys.stdout.flush()
        self._asked_at = time.monotonic()

    def answers(self, patience: float) -> tuple[TerminalCapabilities, bytes]:
        """Return the capabilities from the replies so far, or within `patience` seconds of the
        query; and all that was received, which may have keys between the replies."""
        tmux = None if self._tmux is None else self._tmux.settings()
        end = self._asked_at + patience
        try:
            received = self._receive(end, _LAST)
            if environment.in_tmux() and (tmux is None or tmux.passthrough):
                if tmux is None:
                    end = min(end, time.monotonic() + _GRACE_SECONDS)
                received = self._receive(end, _FROM_AROUND_TMUX, received)
        finally:
            termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._before)
        found = capabilities_in(received)
        if not _CELL.search(received):
            found = replace(found, cell=_cell_by_window(self._terminal))
        return (found if tmux is None else _with_tmux(found, tmux)), received

    def _receive(self, end: float, last: re.Pattern[bytes], received: bytes = b"") -> bytes:
        """Return what was received, and what arrives until `last` does or the time is over."""
        while not last.search(received):
            remaining = end - time.monotonic()
            if not select.select([self._terminal], [], [], max(0.0, remaining))[0]:
                break
            received += os.read(self._terminal, 4096)
        return received


def _cell_by_window(terminal: int) -> tuple[int, int]:
    """Return the pixels of a cell by the size of the window, which some terminals set."""
    size = fcntl.ioctl(terminal, termios.TIOCGWINSZ, bytes(8))
    rows, columns, width, height = struct.unpack("4H", size)
    if rows and columns and width >= columns and height >= rows:
        return width // columns, height // rows
    return TerminalCapabilities.cell


def _ask_tmux() -> TmuxQuestion | None:
    """Ask tmux, if this is a window of its own, for its settings."""
    if not environment.has("TMUX"):
        return None
    from sdtui.tui.terminal.tmux import TmuxQuestion  # not in most terminals

    return TmuxQuestion()


def _with_tmux(found: TerminalCapabilities, tmux: TmuxSettings) -> TerminalCapabilities:
    """Return what the terminal can do, as far as tmux lets it."""
    return replace(
        found,
        kitty=found.kitty and tmux.passthrough,
        true_colour=found.true_colour or tmux.true_colour,
        name=tmux.terminal,
        passthrough=tmux.passthrough,
    )
