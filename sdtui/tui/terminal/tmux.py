"""What tmux says of itself and of the terminal around it."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from subprocess import DEVNULL, PIPE, Popen, TimeoutExpired

_SECONDS = 0.5
"""How long tmux may take to answer."""
_SETTINGS = "#{client_termfeatures}|#{version}|#{allow-passthrough}|#{client_termtype}"
_VERSION = re.compile(r"(\d+)\.(\d+)")
_ASKS_SINCE = (3, 3)
"""The version that has `allow-passthrough`; those before pass everything on."""
_PLACE = "#{window_active_clients} #{pane_left} #{pane_top} #{status-position} #{status}"
_OFF = ("", "0", "off")
_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class TmuxSettings:
    """What tmux passes on."""

    true_colour: bool = False
    passthrough: bool = False
    """True if it passes sequences on that it doesn't know."""
    terminal: str = ""
    """Name and version of the terminal around it, as that reports them (XTVERSION)."""


@dataclass(frozen=True)
class PanePlace:
    """Where the pane is in the terminal around tmux: columns and rows before it."""

    column: int
    row: int
    is_visible: bool


class TmuxQuestion:
    """Asks tmux, if the process runs in a window of its own."""

    def __init__(self, text: str = _SETTINGS) -> None:
        """`text` is in tmux's format language."""
        self._process: Popen[bytes] | None = None
        if not os.environ.get("TMUX"):
            return
        pane = os.environ.get("TMUX_PANE")
        target = ("-t", pane) if pane else ()
        command = ("tmux", "display-message", "-p", *target, text)
        with suppress(OSError):
            self._process = Popen(command, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL)

    def answer(self) -> str:
        """Return the answer; "" without one."""
        if self._process is None:
            return ""
        try:
            answer, _ = self._process.communicate(timeout=_SECONDS)
        except TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return ""
        return answer.decode(errors="replace").strip()

    def settings(self) -> TmuxSettings:
        """Return the answer to the question for the settings."""
        features, version, allowed, terminal = (*self.answer().split("|", 3), "", "", "")[:4]
        numbers = _VERSION.search(version)
        is_old = numbers is not None and tuple(map(int, numbers.groups())) < _ASKS_SINCE
        return TmuxSettings(
            true_colour="RGB" in features.split(","),
            passthrough=is_old or allowed not in _OFF,
            terminal=terminal,
        )


def pane_place() -> PanePlace | None:
    """Return where the pane is; None if tmux doesn't say."""
    parts = TmuxQuestion(_PLACE).answer().split()
    if len(parts) != len(_PLACE.split()):
        return None
    clients, column, row, status_at, status = parts
    above = 0
    if status_at == "top" and status not in _OFF:
        above = int(status) if status.isdecimal() else 1
    return PanePlace(int(column), int(row) + above, is_visible=clients != "0")


def wait_until_visible() -> PanePlace | None:
    """Wait until the pane is visible: until then tmux drops what it should hand on. Returns where
    the pane is; None if this is no tmux, or it doesn't say."""
    while (place := pane_place()) is not None and not place.is_visible:
        time.sleep(_LOOK_SECONDS)
    return place
