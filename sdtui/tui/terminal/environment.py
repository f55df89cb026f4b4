"""What the environment says of the terminal."""

from __future__ import annotations

import os

_WITHOUT_STRINGS = ("linux", "dumb", "vt", "ansi", "cons25", "pcansi", "sun", "unknown")
"""Beginnings of names (TERM) of terminals that may print control strings."""

_WITHOUT_ERASURE = ("dumb", "vt", "ansi", "cons25", "pcansi", "sun", "unknown")
"""Beginnings of names (TERM) of terminals that may not erase cells in a colour."""


def has(variable: str) -> bool:
    """True if a variable is set and not empty."""
    return bool(os.environ.get(variable))


def name() -> str:
    """Return the terminal's name."""
    return os.environ.get("TERM", "")


def takes_strings() -> bool:
    """True if the terminal takes control strings, such as titles and queries, or ignores them."""
    return bool(name()) and not name().startswith(_WITHOUT_STRINGS)


def erases_in_colour() -> bool:
    """True if the terminal erases cells in the current background colour."""
    return bool(name()) and not name().startswith(_WITHOUT_ERASURE) and not in_screen()


def over_ssh() -> bool:
    """True if the terminal is on another machine, reached by SSH."""
    return has("SSH_CONNECTION") or has("SSH_TTY")


def in_tmux() -> bool:
    """True inside tmux, perhaps of another machine, from which one came by SSH."""
    return has("TMUX") or name().startswith("tmux")


def in_screen() -> bool:
    """True inside GNU Screen, or what has its name (TERM)."""
    return not in_tmux() and (has("STY") or name().startswith("screen"))


def through_tmux(text: str) -> str:
    """Return sequences in tmux's wrapping, if needed: it hands them to the terminal around it, if
    `allow-passthrough` is on."""
    if not in_tmux():
        return text
    return "\x1bPtmux;" + text.replace("\x1b", "\x1b\x1b") + "\x1b\\"
