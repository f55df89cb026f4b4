"""Which program the terminal is, and what is known of each."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from sdtui.tui.terminal import environment

_NAMES = {
    "iterm2": "iterm2",
    "iterm": "iterm2",
    "wezterm": "wezterm",
    "kitty": "kitty",
    "ghostty": "ghostty",
    "konsole": "konsole",
    "mintty": "mintty",
    "foot": "foot",
    "vscode": "vscode",
    "xterm.js": "vscode",
    "warp": "warp",
    "tabby": "tabby",
    "rio": "rio",
    "vte": "vte",
    "windows terminal": "windows-terminal",
}
"""Words in what terminals and variables say, and the terminal's name here."""
_BY_VARIABLE = {
    "KITTY_WINDOW_ID": "kitty",
    "WT_SESSION": "windows-terminal",
    "KONSOLE_VERSION": "konsole",
    "VTE_VERSION": "vte",
}
"""Variables that only one terminal sets."""
_WORD = re.compile(rf"(?<![a-z])(?:xterm-)?({'|'.join(map(re.escape, _NAMES))})")
_NUMBER = re.compile(r"\d+(?:\.\d+)*")

_INLINE_IMAGES = {"iterm2", "wezterm", "vscode", "warp", "tabby", "mintty", "konsole", "rio"}
_DOWNLOADS = {"iterm2", "wezterm"}
_CLAIM_PLACEHOLDERS = {"warp"}
_NOTIFY_9 = {"iterm2", "wezterm", "ghostty", "warp", "mintty", "rio"}
_NOTIFY_777 = {"foot", "konsole", "vte"}
_PROGRESS_SINCE = {
    "iterm2": (3, 6, 6),
    "ghostty": (1, 2),
    "vte": (8000,),
    "wezterm": (),
    "windows-terminal": (),
    "konsole": (),
    "mintty": (),
    "vscode": (),
}
"""The first version with progress in a tab or taskbar (ConEmu's OSC 9;4). An older iTerm2 takes it
for a notification; the others ignore it."""


@dataclass(frozen=True)
class TerminalProgram:
    """A terminal, by name and version."""

    name: str = ""
    version: tuple[int, ...] = ()
    """Empty if unknown."""

    @property
    def has_inline_images(self) -> bool:
        """True if it draws iTerm2's inline images (OSC 1337)."""
        return self.name in _INLINE_IMAGES

    @property
    def saves_files(self) -> bool:
        """True if it saves files that are sent to it (OSC 1337, inline=0)."""
        return self.name in _DOWNLOADS

    @property
    def takes_parts(self) -> bool:
        """True if it takes files in parts (OSC 1337, MultipartFile)."""
        return self.name == "iterm2" and self.version >= (3, 5)

    @property
    def only_claims_placeholders(self) -> bool:
        """True if it says that it knows Kitty's protocol, but knows no placeholders."""
        return self.name in _CLAIM_PLACEHOLDERS

    @property
    def takes_images_to_clipboard(self) -> bool:
        """True if its clipboard takes more than text (Kitty's OSC 5522)."""
        return self.name == "kitty"

    @property
    def notification(self) -> int | None:
        """The number of the OSC for its notifications; None if it has none."""
        if self.name == "kitty":
            return 99
        if self.name in _NOTIFY_9:
            return 9
        return 777 if self.name in _NOTIFY_777 else None

    @property
    def shows_progress(self) -> bool:
        """True if it shows progress in its tab or the taskbar (OSC 9;4)."""
        since = _PROGRESS_SINCE.get(self.name)
        if since is None:
            return False
        return self.version >= since


def terminal_program(reported: str = "") -> TerminalProgram:
    """Return the terminal, by what it reported of itself (XTVERSION), else by the environment."""
    if found := _WORD.search(reported.lower()):
        number = _NUMBER.search(reported, found.end())
        version = tuple(map(int, number.group().split("."))) if number else ()
        return TerminalProgram(_NAMES[found[1]], version)
    return _by_environment()


def _by_environment() -> TerminalProgram:
    """Inside tmux only the variables that SSH passes on are the terminal's."""
    version = os.environ.get("LC_TERMINAL_VERSION", "")
    named = [(os.environ.get("LC_TERMINAL", ""), version)]
    if not environment.in_tmux():
        version = os.environ.get("TERM_PROGRAM_VERSION", "")
        named += [(os.environ.get("TERM_PROGRAM", ""), version), (environment.name(), "")]
    for name, version in named:
        if found := _WORD.search(name.lower()):
            parts = _NUMBER.match(version)
            numbers = tuple(map(int, parts.group().split("."))) if parts else ()
            return TerminalProgram(_NAMES[found[1]], numbers)
    if not environment.in_tmux():
        for variable, name in _BY_VARIABLE.items():
            if environment.has(variable):
                return TerminalProgram(name, _vte_version() if name == "vte" else ())
    return TerminalProgram()


def _vte_version() -> tuple[int, ...]:
    number = os.environ["VTE_VERSION"]
    return (int(number),) if number.isdecimal() else ()
