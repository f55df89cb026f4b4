"""Files in iTerm2's control strings (OSC 1337): pictures that are drawn, and files that the
terminal saves. https://iterm2.com/documentation-images.html"""

from __future__ import annotations

import base64
from collections.abc import Iterator

from sdtui.tui.terminal.environment import in_tmux

_PART = 2**16
"""Letters of base64 in a part of a file; tmux hands on at most a million."""
_END = "\x07"


def inline_image(data: bytes, columns: int, rows: int, *, parts: bool) -> tuple[str, ...]:
    """Return the control strings that draw a picture over cells; the cursor has to be in the first
    cell before the last of them. `parts` is True for terminals that take files in parts."""
    arguments = f"inline=1;size={len(data)};width={columns};height={rows};preserveAspectRatio=0"
    return tuple(_strings(f"{arguments};doNotMoveCursor=1", data, parts=parts))


def saved_file(name: str, data: bytes, *, parts: bool) -> tuple[str, ...]:
    """Return the control strings that make the terminal save a file in its downloads."""
    encoded = base64.standard_b64encode(name.encode(errors="replace")).decode()
    arguments = f"name={encoded};size={len(data)};inline=0"
    return tuple(_strings(arguments, data, parts=parts))


def _strings(arguments: str, data: bytes, *, parts: bool) -> Iterator[str]:
    content = base64.standard_b64encode(data).decode()
    if not (parts and in_tmux() and len(content) > _PART):
        yield f"\x1b]1337;File={arguments}:{content}{_END}"
        return
    yield f"\x1b]1337;MultipartFile={arguments}{_END}"
    for start in range(0, len(content), _PART):
        yield f"\x1b]1337;FilePart={content[start : start + _PART]}{_END}"
    yield f"\x1b]1337;FileEnd{_END}"
