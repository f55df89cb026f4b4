"""Undoing changes of a mask and of its borders."""

from __future__ import annotations

import zlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdtui.tui.mask_editor.borders import Borders
from sdtui.tui.mask_editor.strokes import Box

if TYPE_CHECKING:
    from PIL.Image import Image

_MOST_BYTES = 64 * 2**20
"""Of all changes together, compressed. A stroke takes some hundred bytes."""
NOWHERE: Box = (0, 0, 0, 0)


@dataclass(frozen=True)
class _Before:
    """The borders, and a part of the mask, before a change."""

    borders: Borders
    box: Box
    data: bytes

    @classmethod
    def of(cls, mask: Image, box: Box, borders: Borders) -> _Before:
        return cls(borders, box, zlib.compress(mask.crop(box).tobytes(), 1))


@dataclass(frozen=True)
class Restored:
    """What was brought back."""

    borders: Borders
    box: Box
    """Of the mask; empty if only borders have changed."""


class UndoStack:
    """Remembers what was before changes."""

    def __init__(self) -> None:
        self._undo: deque[_Before] = deque()
        self._redo: deque[_Before] = deque()
        self._bytes = 0
        """Of what can be undone."""

    def remember(self, before: Image, borders: Borders, box: Box = NOWHERE) -> None:
        """Add a change. `before` is the mask before it, of which `box` was changed, and `borders`
        are those before it. The oldest changes are forgotten when all of them take too much
        memory."""
        self._redo.clear()
        self._push(_Before.of(before, box, borders))
        while len(self._undo) > 1 and self._bytes > _MOST_BYTES:
            self._bytes -= len(self._undo.popleft().data)

    def undo(self, mask: Image, borders: Borders) -> Restored | None:
        """Take the last change back. Returns None if there is nothing to undo."""
        if not self._undo:
            return None
        change = self._undo.pop()
        self._bytes -= len(change.data)
        self._redo.append(_Before.of(mask, change.box, borders))
        return _restore(mask, change)

    def redo(self, mask: Image, borders: Borders) -> Restored | None:
        """Repeat the change that was undone last. Returns None if there is none."""
        if not self._redo:
            return None
        change = self._redo.pop()
        self._push(_Before.of(mask, change.box, borders))
        return _restore(mask, change)

    def _push(self, change: _Before) -> None:
        self._undo.append(change)
        self._bytes += len(change.data)


def _restore(mask: Image, before: _Before) -> Restored:
    from PIL import Image

    left, top, right, bottom = before.box
    if left < right and top < bottom:
        part = Image.frombytes("L", (right - left, bottom - top), zlib.decompress(before.data))
        mask.paste(part, (left, top))
    return Restored(before.borders, before.box)
