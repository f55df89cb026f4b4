"""Querying the terminal's capabilities while the app is being imported."""

from __future__ import annotations

import os
import re
import select
import sys
import termios
import time
import tty
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sdtui.tui.terminal import environment

if TYPE_CHECKING:
    from subprocess import Popen

_COLOURS = "\x1b[0m\x1b[48;2;1;2;3m\x1bP$qm\x1b\\\x1b[0m\x1bP+q524742;5463\x1b\\"
"""Which background is set (DECRQSS) after one of 24 bits, and are the capabilities RGB and Tc known
(XTGETTCAP, names in hexadecimal)?"""
_KITTY = "\x1b_Gi=31,s=1,v=1,a=q,U=1,t=d,f=24;AAAA\x1b\\"
"""Kitty's protocol, with placeholders (U; Kitty itself has them since 0.28)?"""
_CELL_AND_LAST = "\x1b[16t\x1b[c"
"""How large is a cell? And what every terminal answers (DA1), so that its answer says that no other
will come."""
_LAST = re.compile(rb"(?:\x1b\[|\x9b)\?([\d;]*)c")
_CELL = re.compile(rb"\x1b\[6;(\d+);(\d+)t")
_TRUE_COLOUR = re.compile(
    rb"\x1bP1\$r[^\x1b]*48[:;]2[:;]+(?:0:)?1[:;]2[:;]3|\x1bP1\+r[^\x1b]*(?:524742|5463)"
)
_SIXEL = b"4"
"""The attribute in DA1 (VT220 and later: sixel graphics)."""
_TMUX_FEATURES = ("tmux", "display-message", "-p", "#{client_termfeatures}")
_TMUX_SECONDS = 0.5


@dataclass(frozen=True)
class TerminalCapabilities:
    """What a terminal can draw."""

    kitty: bool = False
    sixel: bool = False
    cell: tuple[int, int] = (10, 20)
    """Width and height of a cell in pixels; without an answer, those of a VT340."""
    true_colour: bool = False
    """True if it says that it has colours of 24 bits."""


def questions() -> str:
    """Return the queries for this terminal. Multiplexers take Kitty's query for a title, and don't
    answer themselves which colours they pass on."""
    colours = environment.through_tmux(_COLOURS)
    if not environment.takes_strings() or environment.in_screen():
        return _CELL_AND_LAST
    kitty = "" if environment.in_tmux() else _KITTY
    return f"{colours}{kitty}\r\x1b[K{_CELL_AND_LAST}"  # in case some of it was printed


def capabilities_in(answers: bytes) -> TerminalCapabilities:
    """Return the capabilities in the replies, which may have keys between them."""
    last, cell = _LAST.search(answers), _CELL.search(answers)
    height, width = map(int, cell.groups()) if cell else (0, 0)
    return TerminalCapabilities(
        kitty=b"\x1b_Gi=31;OK" in answers,
        sixel=last is not None and _SIXEL in last.group(1).split(b";"),
        cell=(width, height) if width and height else TerminalCapabilities.cell,
        true_colour=_TRUE_COLOUR.search(answers) is not None,
    )


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
        received = b""
        try:
            while not _LAST.search(received):
                remaining = self._asked_at + patience - time.monotonic()
                if not select.select([self._terminal], [], [], max(0.0, remaining))[0]:
                    break
                received += os.read(self._terminal, 4096)
        finally:
            termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._before)
        found = capabilities_in(received)
        if self._tmux is not None and _has_rgb(self._tmux):
            found = replace(found, true_colour=True)
        return found, received


def _ask_tmux() -> Popen[bytes] | None:
    """Ask tmux, if this is a window of its own, for the features of the terminal around it."""
    if not environment.has("TMUX"):
        return None
    from subprocess import DEVNULL, PIPE, Popen  # not in most terminals

    with suppress(OSError):
        return Popen(_TMUX_FEATURES, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL)
    return None


def _has_rgb(tmux: Popen[bytes]) -> bool:
    from subprocess import TimeoutExpired

    try:
        features, _ = tmux.communicate(timeout=_TMUX_SECONDS)
    except TimeoutExpired:
        tmux.kill()
        tmux.communicate()
        return False
    return b"RGB" in features.strip().split(b",")
