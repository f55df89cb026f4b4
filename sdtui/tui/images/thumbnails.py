"""Thumbnails for the gallery: made on other threads, drawn once, and kept in memory as long as they
fit."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.segment import Segment

from sdtui.core.errors import SdtuiError
from sdtui.tui.images.dithering import dithered
from sdtui.tui.images.halfcell import Pixels, draw, fit, pixels_of
from sdtui.tui.images.loader import ShownPicture
from sdtui.tui.images.thumbnail_files import ThumbnailFiles

_THREADS = 2
_MOST_CELLS = 20_000
"""Of drawn thumbnails in memory: some 270 of 12×6. More would make each full garbage collection a
pause that is felt, and from the disk a thumbnail takes half a millisecond."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Frame:
    """The room for thumbnails, and the colours of the terminal."""

    columns: int
    rows: int
    colour_system: str | None
    """Rich's name."""


@dataclass(frozen=True)
class Drawn:
    """A thumbnail as lines of half-cells."""

    lines: tuple[tuple[Segment, ...], ...]
    """None if the picture can't be read. Not strips, which have half a dozen caches each."""
    columns: int


UNREADABLE = Drawn((), 0)
"""In place of a picture that can't be read."""


def drawn(pixels: Pixels, frame: Frame) -> Drawn:
    """Draw a picture as large as its frame allows."""
    columns, rows = fit(pixels, frame.columns, frame.rows)
    fewer = dithered(pixels, columns, rows, frame.colour_system)
    return Drawn(tuple(tuple(strip) for strip in draw(fewer, columns, rows)), columns)


_Key = tuple[ShownPicture, Frame]


class Thumbnails:
    """The thumbnails of what is visible. Each request replaces those before that weren't begun."""

    def __init__(self, files: Callable[[], ThumbnailFiles], on_drawn: Callable[[], object]) -> None:
        """`files` is called on another thread, when the first is made. `on_drawn` is called on
        other threads when there are new thumbnails, once until `take_new`."""
        self._open_files = files
        self._on_drawn = on_drawn
        self._drawn: dict[_Key, Drawn] = {}
        self._cells = 0
        self._pending: list[_Key] = []
        self._begun: set[_Key] = set()
        self._new: list[ShownPicture] = []
        self._threads: list[threading.Thread] = []
        self._changed = threading.Condition()
        self._files: ThumbnailFiles | None = None
        self._is_closed = False

    def get(self, picture: ShownPicture, frame: Frame) -> Drawn | None:
        """Return a thumbnail if it is in memory."""
        return self._drawn.get((picture, frame))

    def request(self, pictures: Sequence[ShownPicture], frame: Frame) -> None:
        """Make these thumbnails, in this order, and no others that were requested before."""
        with self._changed:
            wanted = [(picture, frame) for picture in pictures]
            self._use(wanted)
            self._pending = [
                key for key in wanted if key not in self._drawn and key not in self._begun
            ]
            if self._pending:
                self._start_threads()
                self._changed.notify_all()

    def take_new(self) -> list[ShownPicture]:
        """Return the pictures whose thumbnails were drawn since the last call."""
        with self._changed:
            new, self._new = self._new, []
            return new

    def close(self) -> None:
        """Make no more thumbnails."""
        with self._changed:
            self._is_closed, self._pending = True, []
            self._changed.notify_all()

    def _use(self, keys: Sequence[_Key]) -> None:
        """Move thumbnails to the end of the order in which they are dropped."""
        for key in keys:
            if (found := self._drawn.pop(key, None)) is not None:
                self._drawn[key] = found

    def _start_threads(self) -> None:
        while len(self._threads) < _THREADS and not self._is_closed:
            thread = threading.Thread(target=self._run, name="sdtui-thumbnails", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self) -> None:
        while (key := self._next()) is not None:
            self._add(key, self._make(*key))

    def _next(self) -> _Key | None:
        """Wait for the next thumbnail to make; return None once there will be none."""
        with self._changed:
            while not self._pending:
                if self._is_closed:
                    return None
                self._changed.wait()
            key = self._pending.pop(0)
            self._begun.add(key)
            return key

    def _make(self, picture: ShownPicture, frame: Frame) -> Drawn:
        try:
            if self._files is None:
                self._files = self._open_files()
            return drawn(pixels_of(self._files.load(picture)), frame)
        except SdtuiError as error:
            _log.info("no thumbnail: %s", error)
            return UNREADABLE

    def _add(self, key: _Key, made: Drawn) -> None:
        with self._changed:
            self._begun.discard(key)
            self._drawn[key] = made
            self._cells += _cells(made)
            while self._cells > _MOST_CELLS and len(self._drawn) > 1:
                self._cells -= _cells(self._drawn.pop(next(iter(self._drawn))))
            is_first = not self._new
            self._new.append(key[0])
        if is_first and not self._is_closed:
            self._on_drawn()


def _cells(thumbnail: Drawn) -> int:
    return thumbnail.columns * len(thumbnail.lines) + 1
