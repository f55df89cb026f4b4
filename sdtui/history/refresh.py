"""Bringing the index up to what lies in the pictures folder.

A folder whose modification time is the one remembered has had nothing added, removed or renamed
in it and is not read again. Hidden files, the trash and symbolic links are left alone.
"""

from __future__ import annotations

import collections
import itertools
import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from sdtui.core.errors import ImageError
from sdtui.core.locks import exclusive
from sdtui.core.text import visible
from sdtui.history.entry import Changes
from sdtui.history.index import Index, Listing
from sdtui.history.names import PICTURE_SUFFIXES, TRASH, split
from sdtui.history.reading import Pair, Skip, read_all
from sdtui.history.writing import hint, is_leftover, restore_json

Progress = Callable[[int], None]
"""Told how many files have been read so far."""

_BATCH = 2_000  # files in one transaction: another process waits no longer than these take
_TOO_FRESH = 2_000_000_000  # ns; a folder changed this lately may change again unseen
_MAX_DEPTH = 32
_THREADS = 2
_END = object()


@dataclass
class _Folder:
    """What lies in a folder, by file name."""

    pictures: dict[str, os.DirEntry[str]] = field(default_factory=dict)
    sidecars: dict[str, os.DirEntry[str]] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    has_leftovers: bool = False


class Refresh:
    """One look at the whole pictures folder."""

    def __init__(self, pictures: Path, index: Index, lock: Path, progress: Progress | None) -> None:
        self._pictures = pictures
        self._index = index
        self._lock = lock
        self._progress = progress
        self._read = self._added = self._removed = 0

    def run(self) -> Changes:
        """Read the folders that changed.

        Raises OSError if a file can't be mended, HistoryError if the index can't be written.
        """
        with ThreadPoolExecutor(_THREADS) as self._threads:
            steps = self._steps()
            while next(steps, _END) is not _END:  # not in a transaction if nothing changed
                with self._index.writing():
                    collections.deque(itertools.islice(steps, _BATCH), maxlen=0)
        return Changes(self._added, self._removed)

    def _steps(self) -> Iterator[None]:
        """The whole walk, with a pause before each folder that changed and after each file."""
        known = self._index.folders()
        inside_of = _by_parent(known)
        seen: set[str] = set()
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            try:
                stamp = (self._pictures / folder).stat().st_mtime_ns
                if stamp == known.get(folder):
                    waiting += inside_of.get(folder, [])
                else:
                    yield
                    waiting += yield from self._folder(folder, stamp)
            except (FileNotFoundError, NotADirectoryError, PermissionError):
                if not (self._pictures / folder).is_dir():
                    continue  # gone since its parent was read
            seen.add(folder)
        for folder in known.keys() - seen:
            yield
            self._removed += self._index.forget_folder(folder)

    def _folder(self, folder: str, stamp: int) -> Generator[None, None, list[str]]:
        """Read one folder; the folders inside it."""
        path = self._pictures / folder
        found = _scan(path, folder)
        if found.has_leftovers or self._was_trashed(folder, found):
            with exclusive(self._lock):
                hint(path, self._pictures)
            stamp = path.stat().st_mtime_ns
            found = _scan(path, folder)
        if self._restore_json(path, found):
            found = _scan(path, folder)
        pairs = _pairs(found)
        before = self._index.stamps(folder)
        changed = [pair for pair in pairs if _stamp(pair) != before.get(pair.picture.name)]
        for read in read_all(changed, self._threads):
            self._take(folder, read, found)
            yield
        gone = before.keys() - {pair.picture.name for pair in pairs}
        fresh = time.time_ns() - stamp < _TOO_FRESH
        self._index.remove(folder, gone)
        self._index.set_skipped(folder, found.skipped)
        self._index.stamp_folder(folder, 0 if fresh else stamp)
        self._removed += len(gone)
        return found.folders

    def _was_trashed(self, folder: str, found: _Folder) -> bool:
        """Whether a move to the trash was cut off, so that a JSON is here and there."""
        pictured = {split(name)[0] for name in found.pictures}
        trash = self._pictures / TRASH / folder
        lone = [name for name in found.sidecars if split(name)[0] not in pictured]
        return any((trash / name).exists() for name in lone)

    def _take(self, folder: str, read: Listing | Skip, found: _Folder) -> None:
        if isinstance(read, Skip):
            self._index.remove(folder, [read.name])
            found.skipped[read.name] = read.reason
        else:
            self._index.add(folder, read)
            self._added += 1
        self._read += 1
        if self._progress is not None and self._read % 100 == 0:
            self._progress(self._read)

    def _restore_json(self, path: Path, found: _Folder) -> bool:
        """Write the JSON of our own pictures that came without it, from the copy inside them."""
        written = False
        stems = {split(name)[0] for name in found.sidecars}
        for name in found.pictures:
            if split(name)[0] not in stems:
                try:
                    with exclusive(self._lock):
                        written |= restore_json(path / name)
                except (ImageError, OSError):
                    continue  # it is listed as skipped, without its JSON
        return written


def _by_parent(folders: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for folder in folders:
        if folder:
            found.setdefault(folder.rpartition("/")[0], []).append(folder)
    return found


def _scan(path: Path, folder: str) -> _Folder:
    found = _Folder()
    with os.scandir(path) as entries:
        for entry in entries:
            name = entry.name
            if is_leftover(name):
                found.has_leftovers = True
            elif not name.startswith(".") and not (folder == "" and name == TRASH):
                _sort_in(entry, folder, found)
    return found


def _sort_in(entry: os.DirEntry[str], folder: str, found: _Folder) -> None:
    name = entry.name
    suffix = split(name)[1].lower()
    if not _is_text(name):
        found.skipped[visible(name)] = "its name is not valid text"
    elif entry.is_symlink():
        found.skipped[name] = "a symbolic link"
    elif entry.is_dir(follow_symlinks=False):
        if folder.count("/") < _MAX_DEPTH:
            found.folders.append(f"{folder}/{name}" if folder else name)
        else:
            found.skipped[name] = f"more than {_MAX_DEPTH} folders deep"
    elif suffix in PICTURE_SUFFIXES or name.endswith(".json"):
        if not entry.is_file(follow_symlinks=False):
            found.skipped[name] = "not an ordinary file"
        elif suffix in PICTURE_SUFFIXES:
            found.pictures[name] = entry
        else:
            found.sidecars[name] = entry


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _pairs(found: _Folder) -> list[Pair]:
    """Every picture with its JSON; what is alone is skipped with the reason."""
    pairs = []
    alone = set(found.sidecars)
    for name, picture in sorted(found.pictures.items()):
        sidecar_name = f"{split(name)[0]}.json"
        if sidecar_name in alone:
            alone.remove(sidecar_name)
            pairs.append(Pair(picture, found.sidecars[sidecar_name]))
        else:
            found.skipped[name] = 'no JSON beside it: "sdtui history import" brings it in'
    for name in alone:
        found.skipped[name] = "its picture is missing"
    return pairs


def _stamp(pair: Pair) -> str | None:
    try:
        return pair.stamp()
    except OSError:  # gone, or closed to us: reading it will tell
        return None
