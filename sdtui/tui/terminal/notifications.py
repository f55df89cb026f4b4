"""Control sequences by which a terminal draws attention to itself: its bell, its notifications, its
title, and progress in its tab."""

from __future__ import annotations

from sdtui.core.text import one_line, shortened
from sdtui.tui.terminal.environment import through_tmux
from sdtui.tui.terminal.probe import TerminalCapabilities
from sdtui.tui.terminal.program import TerminalProgram

BELL = "\x07"
_LONGEST = 200
"""Characters of a text in a notification."""


def notification(program: TerminalProgram, title: str, text: str) -> str:
    """Return the terminal's own notification, "" if it has none: OSC 99 of Kitty, OSC 9 of iTerm2,
    or OSC 777 of urxvt."""
    title, text = one_line(title), one_line(text)[:_LONGEST]
    match program.notification:
        case 99:
            strings = f"\x1b]99;i=sdtui:d=0;{title}\x1b\\\x1b]99;i=sdtui:p=body;{text}\x1b\\"
        case 9:
            strings = f"\x1b]9;{title}: {text}\x07"
        case 777:
            strings = f"\x1b]777;notify;{title.replace(';', ',')};{text}\x07"
        case _:
            return ""
    return through_tmux(strings)


def window_title(text: str) -> str:
    """Return what sets the title of the window, inside tmux that of the pane."""
    return f"\x1b]2;{shortened(one_line(text))}\x07"


def progress(percent: int | None) -> str:
    """Return what shows progress in the terminal's tab (ConEmu's OSC 9;4); None if it is unknown
    how much there is to do."""
    state = "3;" if percent is None else f"1;{min(100, max(0, percent))}"
    return through_tmux(f"\x1b]9;4;{state}\x07")


def no_progress() -> str:
    """Return what removes the progress from the tab."""
    return through_tmux("\x1b]9;4;0;\x07")


def has_progress(terminal: TerminalCapabilities) -> bool:
    """True if the terminal can be made to show progress in its tab."""
    return terminal.is_reached and terminal.program.shows_progress


def at_end(terminal: TerminalCapabilities) -> str:
    """Return what removes all that may be left in the terminal when the app ends."""
    return no_progress() if has_progress(terminal) else ""
