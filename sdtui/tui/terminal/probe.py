"""Querying the terminal's capabilities while the app is being imported."""

from __future__ import annotations

import os
import re
import select
import sys
import termios
import time
import tty
from dataclasses import dataclass

_QUESTIONS = "\x1b_Gi=31,s=1,v=1,a=q,U=1,t=d,f=24;AAAA\x1b\\\x1b[16t\x1b[c"
"""Kitty's protocol, with placeholders (U; Kitty itself has them since 0.28)? How large is a cell?
And what every terminal answers (DA1), so that its answer says that no other will come."""
_LAST = re.compile(rb"\x1b\[\?([\d;]*)c")
_CELL = re.compile(rb"\x1b\[6;(\d+);(\d+)t")
_SIXEL = b"4"
"""The attribute in DA1 (VT220 and later: sixel graphics)."""


@dataclass(frozen=True)
class TerminalCapabilities:
    """What a terminal can draw."""

    kitty: bool = False
    sixel: bool = False
    cell: tuple[int, int] = (10, 20)
    """Width and height of a cell in pixels; without an answer, those of a VT340."""


def capabilities_in(answers: bytes) -> TerminalCapabilities:
    """Return the capabilities in the replies, which may have keys between them."""
    last, cell = _LAST.search(answers), _CELL.search(answers)
    height, width = map(int, cell.groups()) if cell else (0, 0)
    return TerminalCapabilities(
        kitty=b"\x1b_Gi=31;OK" in answers,
        sixel=last is not None and _SIXEL in last.group(1).split(b";"),
        cell=(width, height) if width and height else TerminalCapabilities.cell,
    )


class TerminalProbe:
    """Asks when it is constructed. `answers` must be called later: it restores the terminal."""

    def __init__(self) -> None:
        self._terminal = sys.stdin.fileno()
        self._before = termios.tcgetattr(self._terminal)
        # Otherwise the replies would be echoed and held back until a newline. Waiting keys are
        # kept.
        tty.setcbreak(self._terminal, termios.TCSANOW)
        sys.stdout.write(_QUESTIONS)
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
        return capabilities_in(received), received
