"""Restoring the terminal when the app can't: killed because memory ran out, or crashed in a
driver."""

from __future__ import annotations

import os
import signal
import sys
import termios
import tty
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from sdtui.core.runtime import run_in_fork

_RESTORE = (
    "\x1b[?2026l"  # draw at once
    "\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1016l\x1b[?1006l\x1b[?1004l"  # no mouse, no focus
    "\x1b[?2004l\x1b[?2048l\x1b[<u"  # plain pastes and keys, no reports of the size
    "\x1b[23;2t"  # the title from before
    "\x1b[?1049l\x1b[?25h\x1b[?7h\x1b[0m"  # the screen from before, cursor, line wrap, colours
)
_CLEAN = b"\0"


def terminal_is_gone() -> bool:
    """Return True if the terminal that the process was started in has hung up."""
    try:
        termios.tcgetattr(sys.__stdin__.fileno() if sys.__stdin__ else 0)
    except termios.error:
        return True
    return False


class TerminalRestore:
    """While it is open, a second process waits for this one to end. If that happens before it is
    closed, the second process restores the terminal and prints `message`."""

    def __init__(self, message: str) -> None:
        self._message = message

    def __enter__(self) -> Self:
        """Begin to watch, and have ^Q and ^S be keys from now on. To be called while the process
        has only one thread."""
        terminal = sys.stdin.fileno()
        self._terminal, self._before = terminal, termios.tcgetattr(terminal)
        reading, self._writing = os.pipe()
        run_in_fork(lambda: self._watch(reading, terminal, self._before))
        os.close(reading)
        _without_flow_control(terminal, self._before)
        return self

    def add(self, text: str) -> None:
        """Send this too if the terminal has to be restored."""
        with suppress(BrokenPipeError):  # the second process was killed
            os.write(self._writing, text.encode())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """The terminal is as it was: let the other process go, if nobody has killed it."""
        with suppress(termios.error):  # it may have hung up
            termios.tcsetattr(self._terminal, termios.TCSANOW, self._before)
        with suppress(BrokenPipeError):
            os.write(self._writing, _CLEAN)
        os.close(self._writing)

    def _watch(self, reading: int, terminal: int, before: list[Any]) -> None:
        """Wait for the first process to end. Runs in the second process."""
        os.close(self._writing)
        added = b"".join(iter(lambda: os.read(reading, 4096), b""))
        if not added.endswith(_CLEAN):  # the kernel closed the other end
            _restore_modes(terminal, before)
            os.write(terminal, added + f"{_RESTORE}\r\n{self._message}\r\n".encode())


def _without_flow_control(terminal: int, modes: list[Any]) -> None:
    modes = [*modes]
    modes[tty.IFLAG] &= ~termios.IXON
    termios.tcsetattr(terminal, termios.TCSANOW, modes)


def _restore_modes(terminal: int, before: list[Any]) -> None:
    """Put the terminal's modes back, unless the shell has set its own already: only the app takes
    ^C as a plain key, and before it is imported nothing but flow control differs."""
    now = termios.tcgetattr(terminal)
    flow_only = now[tty.LFLAG] == before[tty.LFLAG] and now[tty.IFLAG] != before[tty.IFLAG]
    if flow_only or not now[tty.LFLAG] & termios.ISIG:
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # it may be the shell's terminal again
        termios.tcsetattr(terminal, termios.TCSANOW, before)
