"""Bringing the index up to what lies in the pictures folder.

A folder whose modification time is the one remembered has had nothing added, removed or renamed
in it and is not read again. Hidden files, the trash and symbolic links are left alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sdtui.core.errors import ImageError
from sdtui.core.locks import exclusive
from sdtui.core.text import visible
from sdtui.history.containers import is_whole
from sdtui.history.entry import Changes
from sdtui.history.index import Index, Listing
from sdtui.history.names import PICTURE_SUFFIXES, TRASH, split
from sdtui.history.sidecar import UnreadableError, parse_summary, read_bytes
from sdtui.history.writing import is_leftover, mend, restore_json

Progress = Callable[[int], None]
"""Told how many files have been read so far."""

_BATCH = 2_000  # files in one transaction: another process waits no longer than these take
_TOO_FRESH = 2_000_000_000  # ns; a folder changed this lately may change again unseen
_MAX_DEPTH = 32


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

    def run(self, *, everything: bool = False) -> Changes:
        """Read the folders that changed; with `everything`, all of them.

        Raises OSError if a file can't be mended, sqlite3.Error if the index can't be written.
        """
        known = self._index.folders()
        inside_of = _by_parent(known)
        seen: set[str] = set()
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            path = self._pictures / folder
            try:
                stamp = path.stat().st_mtime_ns
                if stamp == known.get(folder) and not everything:
                    inside = inside_of.get(folder, [])
                else:
                    inside = self._folder(folder, stamp)
            except (FileNotFoundError, NotADirectoryError, PermissionError):
                continue  # gone since its parent was read, or closed to us
            seen.add(folder)
            waiting.extend(inside)
        for folder in known.keys() - seen:
            self._removed += self._index.forget_folder(folder)
        return Changes(self._added, self._removed)

    def _folder(self, folder: str, stamp: int) -> list[str]:
        """Read one folder; the folders inside it."""
        path = self._pictures / folder
        found = _scan(path, folder)
        if found.has_leftovers or self._was_trashed(folder, found):
            with exclusive(self._lock):
                mend(path, self._pictures)
            stamp = path.stat().st_mtime_ns
            found = _scan(path, folder)
        if self._restore_json(path, found):
            found = _scan(path, folder)
        pairs = _pairs(found)
        before = self._index.stamps(folder)
        changed = [
            (picture, sidecar, after)
            for picture, sidecar in pairs
            if (after := _stamp(sidecar, picture)) != before.get(picture.name)
        ]
        for start in range(0, len(changed), _BATCH):
            with self._index.writing():
                for picture, sidecar, after in changed[start : start + _BATCH]:
                    self._picture(folder, picture, sidecar, after, found)
        gone = before.keys() - {picture.name for picture, _ in pairs}
        fresh = time.time_ns() - stamp < _TOO_FRESH
        with self._index.writing():
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

    def _picture(
        self,
        folder: str,
        picture: os.DirEntry[str],
        sidecar: os.DirEntry[str],
        stamp: str,
        found: _Folder,
    ) -> None:
        try:
            summary = parse_summary(read_bytes(Path(sidecar.path)))
            problem = "" if is_whole(Path(picture.path)) else "the picture file is cut short"
        except UnreadableError as error:
            self._skip(folder, picture.name, str(error), found)
        except OSError as error:
            self._skip(folder, picture.name, error.strerror or str(error), found)
        else:
            self._index.add(folder, Listing(picture.name, stamp, summary, problem))
            self._added += 1
        self._read += 1
        if self._progress is not None and self._read % 100 == 0:
            self._progress(self._read)

    def _skip(self, folder: str, name: str, reason: str, found: _Folder) -> None:
        self._index.remove(folder, [name])
        found.skipped[name] = reason

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


def _pairs(found: _Folder) -> list[tuple[os.DirEntry[str], os.DirEntry[str]]]:
    """Every picture with its JSON; what is alone is skipped with the reason."""
    pairs = []
    alone = set(found.sidecars)
    for name, picture in sorted(found.pictures.items()):
        sidecar_name = f"{split(name)[0]}.json"
        if sidecar_name in alone:
            alone.remove(sidecar_name)
            pairs.append((picture, found.sidecars[sidecar_name]))
        else:
            found.skipped[name] = 'no JSON beside it: "sdtui history import" brings it in'
    for name in alone:
        found.skipped[name] = "its picture is missing"
    return pairs


def _stamp(sidecar: os.DirEntry[str], picture: os.DirEntry[str]) -> str:
    return stamp_of(sidecar.stat(follow_symlinks=False), picture.stat(follow_symlinks=False))


def stamp_of(sidecar: os.stat_result, picture: os.stat_result) -> str:
    """Changes whenever a JSON file is written, and when a picture is cut short."""
    return f"{sidecar.st_mtime_ns}-{sidecar.st_size}-{picture.st_size}"
