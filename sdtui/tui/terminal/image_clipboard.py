"""An image for the clipboard: Kitty's control strings (OSC 5522), or a program of this machine.
https://sw.kovidgoyal.net/kitty/clipboard/"""

from __future__ import annotations

import base64
import shutil
import sys
from collections.abc import Mapping

from sdtui.tui.terminal.environment import through_tmux

_CHUNK = 3072
"""Bytes, which are 4096 letters of base64: the most in one control string."""
_PNG = "image/png"
_APPLE_SCRIPT = (
    "on run argv",
    "set the clipboard to (read (POSIX file (item 1 of argv)) as «class PNGf»)",
    "end run",
)


def clipboard_strings(png: bytes) -> str:
    """Return what puts a PNG on the clipboard of a terminal that takes images."""
    kind = base64.standard_b64encode(_PNG.encode()).decode()
    strings = ["\x1b]5522;type=write\x1b\\"]
    for start in range(0, len(png), _CHUNK):
        data = base64.standard_b64encode(png[start : start + _CHUNK]).decode()
        strings.append(f"\x1b]5522;type=wdata:mime={kind};{data}\x1b\\")
    strings.append("\x1b]5522;type=wdata\x1b\\")
    return "".join(map(through_tmux, strings))


def clipboard_command(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the command that puts a PNG, whose path is to be added, on this machine's clipboard;
    empty if there is none."""
    if sys.platform == "darwin":
        return ("osascript", *(part for line in _APPLE_SCRIPT for part in ("-e", line)))
    if environment.get("WAYLAND_DISPLAY") and shutil.which("wl-copy"):
        return ("sh", "-c", f'exec wl-copy --type {_PNG} < "$0"')
    if environment.get("DISPLAY") and shutil.which("xclip"):
        return ("xclip", "-selection", "clipboard", "-target", _PNG, "-in")
    return ()
