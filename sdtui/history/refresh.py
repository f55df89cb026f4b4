"""Bring the index up to date with the files in the pictures folder.

A folder whose modification time has not changed since it was read has had nothing added, removed
or renamed, and is not read again. Hidden files, the trash and symbolic links are ignored.
"""

from __future__ import annotations

import collections
import itertools
import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from sdtui.core.errors import ImageError
from sdtui.core.locks import exclusive
from sdtui.core.text import is_text, visible
from sdtui.history.attachments import is_attachment
from sdtui.history.entry import Changes
from sdtui.history.image_metadata import is_whole
from sdtui.history.index import Index, Listing
from sdtui.history.names import PICTURE_SUFFIXES, TRASH, sidecar_name, split
from sdtui.history.sidecar import UnreadableError, parse_summary, read_bytes
from sdtui.history.writing import is_leftover, repair_folder, restore_json

OnFilesRead = Callable[[int], None]
"""Called now and then with the number of files read so far."""

_BATCH = 2_000  # files in one transaction: bounds how long another process waits
_RECENT_NS = 2_000_000_000  # a folder that changed this recently may change again unnoticed
_MAX_DEPTH = 32
_THREADS = 2
_CHUNK = 50  # pictures handed to a thread at once: fewer cost more than they gain
_CHUNKS_AHEAD = 4  # chunks that are read before they are needed
_END = object()


@dataclass(frozen=True)
class _Pair:
    """A picture and its JSON in one folder."""

    picture: os.DirEntry[str]
    sidecar: os.DirEntry[str]

    def stamp(self) -> str:
        """See `stamp_of`. Raises OSError."""
        return stamp_of(
            self.sidecar.stat(follow_symlinks=False), self.picture.stat(follow_symlinks=False)
        )


@dataclass(frozen=True)
class _Rejected:
    """A picture that can't be listed."""

    name: str
    reason: str


@dataclass
class _FolderScan:
    """The contents of a folder, by file name."""

    pictures: dict[str, os.DirEntry[str]] = field(default_factory=dict)
    sidecars: dict[str, os.DirEntry[str]] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    """The reason by file name."""
    has_leftovers: bool = False


class Refresh:
    """One pass over the whole pictures folder."""

    def __init__(
        self, pictures: Path, index: Index, lock: Path, on_files_read: OnFilesRead | None
    ) -> None:
        self._pictures = pictures
        self._index = index
        self._lock = lock
        self._on_files_read = on_files_read
        self._read = self._added = self._removed = 0

    def run(self) -> Changes:
        """Read the folders that changed.

        Raises OSError if a folder can't be repaired, HistoryError if the index can't be written.
        """
        with ThreadPoolExecutor(_THREADS) as self._threads:
            steps = self._steps()
            while next(steps, _END) is not _END:  # no transaction if nothing changed
                with self._index.writing():
                    collections.deque(itertools.islice(steps, _BATCH), maxlen=0)
        return Changes(self._added, self._removed)

    def _steps(self) -> Iterator[None]:
        """Walk all folders, with a pause before each changed folder and after each file."""
        known = self._index.folders()
        subfolders = _by_parent(known)
        visited: set[str] = set()
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            try:
                stamp = (self._pictures / folder).stat().st_mtime_ns
                if stamp == known.get(folder):
                    waiting += subfolders.get(folder, [])
                else:
                    yield
                    waiting += yield from self._read_folder(folder, stamp)
            except (FileNotFoundError, NotADirectoryError, PermissionError):
                if not (self._pictures / folder).is_dir():
                    continue  # removed since its parent was read
            visited.add(folder)
        for folder in known.keys() - visited:
            yield
            self._removed += self._index.forget_folder(folder)

    def _read_folder(self, folder: str, stamp: int) -> Generator[None, None, list[str]]:
        """Update the index for one folder; returns its subfolders."""
        path = self._pictures / folder
        scan = _scan(path, folder)
        if scan.has_leftovers or self._was_trashed(folder, scan):
            with exclusive(self._lock):
                repair_folder(path, self._pictures)
            stamp = path.stat().st_mtime_ns
            scan = _scan(path, folder)
        if self._restore_json(path, scan):
            scan = _scan(path, folder)
        pairs = _pairs(scan)
        before = self._index.stamps(folder)
        changed = [pair for pair in pairs if _stamp(pair) != before.get(pair.picture.name)]
        for result in _read_all(changed, self._threads):
            self._store(folder, result, scan)
            yield
        removed = before.keys() - {pair.picture.name for pair in pairs}
        is_recent = time.time_ns() - stamp < _RECENT_NS
        self._index.remove(folder, removed)
        self._index.set_skipped(folder, scan.skipped)
        self._index.stamp_folder(folder, 0 if is_recent else stamp)
        self._removed += len(removed)
        return scan.folders

    def _was_trashed(self, folder: str, scan: _FolderScan) -> bool:
        """True if a move to the trash was interrupted, so that a JSON is both here and there."""
        expected = {sidecar_name(name) for name in scan.pictures}
        trash = self._pictures / TRASH / folder
        alone = [name for name in scan.sidecars if name not in expected]
        return any((trash / name).exists() for name in alone)

    def _store(self, folder: str, result: Listing | _Rejected, scan: _FolderScan) -> None:
        if isinstance(result, _Rejected):
            self._index.remove(folder, [result.name])
            scan.skipped[result.name] = result.reason
        else:
            self._index.add(folder, result)
            self._added += 1
        self._read += 1
        if self._on_files_read is not None and self._read % 100 == 0:
            self._on_files_read(self._read)

    def _restore_json(self, path: Path, scan: _FolderScan) -> bool:
        """Write the missing JSON of pictures that contain their record; True if any did."""
        written = False
        for name in scan.pictures:
            if sidecar_name(name) not in scan.sidecars:
                try:
                    with exclusive(self._lock):
                        written |= restore_json(path / name)
                except (ImageError, OSError):
                    continue  # listed as skipped, for want of JSON
        return written


def stamp_of(sidecar: os.stat_result, picture: os.stat_result) -> str:
    """A text that changes whenever the JSON is written, and when the picture is truncated."""
    return f"{sidecar.st_mtime_ns}-{sidecar.st_size}-{picture.st_size}"


def _by_parent(folders: Iterable[str]) -> dict[str, list[str]]:
    subfolders: dict[str, list[str]] = {}
    for folder in folders:
        if folder:
            subfolders.setdefault(folder.rpartition("/")[0], []).append(folder)
    return subfolders


def _scan(path: Path, folder: str) -> _FolderScan:
    scan = _FolderScan()
    with os.scandir(path) as entries:
        for entry in entries:
            name = entry.name
            if is_leftover(name):
                scan.has_leftovers = True
            elif not (name.startswith(".") or is_attachment(name) or (folder, name) == ("", TRASH)):
                _classify(entry, folder, scan)
    return scan


def _classify(entry: os.DirEntry[str], folder: str, scan: _FolderScan) -> None:
    """Add a directory entry to the scan of its folder."""
    name = entry.name
    suffix = split(name)[1].lower()
    if not is_text(name):
        scan.skipped[visible(name)] = "its name is not valid text"
    elif entry.is_symlink():
        scan.skipped[name] = "a symbolic link"
    elif entry.is_dir(follow_symlinks=False):
        if folder.count("/") < _MAX_DEPTH:
            scan.folders.append(f"{folder}/{name}" if folder else name)
        else:
            scan.skipped[name] = f"more than {_MAX_DEPTH} folders deep"
    elif suffix in PICTURE_SUFFIXES or name.endswith(".json"):
        if not entry.is_file(follow_symlinks=False):
            scan.skipped[name] = "not an ordinary file"
        elif suffix in PICTURE_SUFFIXES:
            scan.pictures[name] = entry
        else:
            scan.sidecars[name] = entry


def _pairs(scan: _FolderScan) -> list[_Pair]:
    """Every picture with its JSON; pictures and JSON without the other are skipped."""
    pairs = []
    alone = set(scan.sidecars)
    for name, picture in sorted(scan.pictures.items()):
        sidecar = sidecar_name(name)
        if sidecar in alone:
            alone.remove(sidecar)
            pairs.append(_Pair(picture, scan.sidecars[sidecar]))
        else:
            scan.skipped[name] = 'no JSON beside it: "sdtui history import" brings it in'
    for name in alone:
        scan.skipped[name] = "its picture is missing"
    return pairs


def _stamp(pair: _Pair) -> str | None:
    try:
        return pair.stamp()
    except OSError:  # removed or unreadable: reading it reports that
        return None


def _read_all(pairs: Sequence[_Pair], threads: Executor) -> Iterator[Listing | _Rejected]:
    """Read pictures and their JSON in order, a few chunks ahead of the caller."""
    chunks = (pairs[start : start + _CHUNK] for start in range(0, len(pairs), _CHUNK))
    waiting: collections.deque[Future[list[Listing | _Rejected]]] = collections.deque(
        threads.submit(_read_chunk, chunk) for chunk in itertools.islice(chunks, _CHUNKS_AHEAD)
    )
    while waiting:
        results = waiting.popleft().result()
        waiting.extend(threads.submit(_read_chunk, chunk) for chunk in itertools.islice(chunks, 1))
        yield from results


def _read_chunk(pairs: Sequence[_Pair]) -> list[Listing | _Rejected]:
    return [_read_pair(pair) for pair in pairs]


def _read_pair(pair: _Pair) -> Listing | _Rejected:
    name = pair.picture.name
    try:
        stamp = pair.stamp()
        summary = parse_summary(read_bytes(Path(pair.sidecar.path)))
        problem = "" if is_whole(Path(pair.picture.path)) else "the picture file is cut short"
    except UnreadableError as error:
        return _Rejected(name, str(error))
    except OSError as error:
        return _Rejected(name, error.strerror or str(error))
    return Listing(name, stamp, summary, problem)
