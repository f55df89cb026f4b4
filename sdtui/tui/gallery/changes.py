"""Changes of pictures that can be undone: star, tags, trash. For other threads than the app's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sdtui.core.errors import HistoryError
from sdtui.core.text import counted

if TYPE_CHECKING:
    from sdtui.history import Entry
    from sdtui.jobs import Pictures

_Step = Callable[["Pictures"], object]


class PictureChanges:
    """Changes pictures and remembers how to take that back. Of a change that fails midway, what was
    done can be undone."""

    def __init__(self, open_pictures: Callable[[], Pictures]) -> None:
        self._open_pictures = open_pictures
        self._done: list[tuple[str, list[_Step]]] = []
        """What each change is called, and the steps that take it back."""
        self._lock = threading.Lock()

    def star(self, entries: Sequence[Entry]) -> None:
        """Star pictures, or take the stars away if all have one."""
        starred = not all(entry.starred for entry in entries)
        change = _star if starred else _unstar
        back = _unstar if starred else _star
        with self._change("starred" if starred else "unstarred", entries) as steps:
            for entry in entries:
                if entry.starred != starred:
                    change(self._open_pictures(), entry.id)
                    steps.append(_bound(back, entry.id))

    def tag(self, entries: Sequence[Entry], text: str) -> None:
        """Add the tags in a text, and remove those with a minus."""
        words = text.split()
        add = [word for word in words if not word.startswith("-")]
        remove = [word[1:] for word in words if word.startswith("-") and len(word) > 1]
        with self._change("tagged", entries) as steps:
            for entry in entries:
                pictures, before, after = self._open_pictures(), entry.tags, entry.tags
                if add:
                    after = pictures.tag(entry.id, *add).tags
                    steps.append(_retag(entry.id, before, after))
                if remove:
                    final = pictures.untag(entry.id, *remove).tags
                    steps.append(_retag(entry.id, after, final))

    def trash(self, entries: Sequence[Entry]) -> None:
        """Move pictures to the trash."""
        with self._change("trashed", entries) as steps:
            for entry in entries:
                path = self._open_pictures().trash(entry.id)
                steps.append(_restore(path))

    def restore(self, entries: Sequence[Entry]) -> None:
        """Restore pictures from the trash, given as they are listed there."""
        for entry in entries:
            self._open_pictures().restore(entry.path)

    def undo(self) -> str | None:
        """Take the last change back; return what it was, or None if there is none."""
        with self._lock:
            while self._done:
                name, steps = self._done[-1]
                did_something = bool(steps)
                while steps:
                    self._take_back(steps)
                self._done.pop()
                if did_something:
                    return name
        return None

    def _take_back(self, steps: list[_Step]) -> None:
        """Do the last step. One that a full disk prevents can be tried again; one whose picture is
        gone must not keep older changes from being undone."""
        try:
            steps[-1](self._open_pictures())
        except HistoryError:
            steps.pop()
            raise
        steps.pop()

    @contextmanager
    def _change(self, name: str, entries: Sequence[Entry]) -> Iterator[list[_Step]]:
        """Collect the steps that take a change back."""
        steps: list[_Step] = []
        with self._lock:
            self._done.append((f"{name} {counted(len(entries), 'picture')}", steps))
            yield steps


def _star(pictures: Pictures, entry: int) -> object:
    return pictures.star(entry)


def _unstar(pictures: Pictures, entry: int) -> object:
    return pictures.unstar(entry)


def _bound(change: Callable[[Pictures, int], object], entry: int) -> _Step:
    return lambda pictures: change(pictures, entry)


def _restore(path: Path) -> _Step:
    return lambda pictures: pictures.restore(path)


def _retag(entry: int, before: Sequence[str], after: Sequence[str]) -> _Step:
    """Return the step that gives a picture the tags back that it had."""
    added = [tag for tag in after if tag not in before]
    removed = [tag for tag in before if tag not in after]

    def step(pictures: Pictures) -> None:
        if added:
            pictures.untag(entry, *added)
        if removed:
            pictures.tag(entry, *removed)

    return step
