"""FileCache: files that can be made again, of which the least used are deleted when they take too
much room."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from contextlib import suppress
from pathlib import Path

from sdtui.core.files import write_atomic

_AFTER_DELETING = 0.8
"""The share of the most bytes that is left when some are deleted."""
_log = logging.getLogger(__name__)


class FileCache:
    """Files named by what they are. The time of a file says when it was used: who reads it sets it.
    For several threads and processes."""

    def __init__(self, folder: Path, most_bytes: int, check_every: int) -> None:
        """The size is checked after `check_every` new files, and once at the first one."""
        self._folder = folder
        self._most_bytes = most_bytes
        self._check_every = check_every
        self._lock = threading.Lock()
        self._until_check = 1

    def file_of(self, name: str, suffix: str = "") -> Path:
        """Return the file of a name, whether it is there or not."""
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
        return self._folder / digest[:2] / f"{digest[2:32]}{suffix}"

    def write(self, file: Path, data: bytes) -> None:
        """Write a file that `file_of` returned. A disk without space is no error."""
        try:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomic(file, data, mode=0o600, durable=False)
        except OSError as error:
            _log.warning("%s can't be kept: %s", file, error)
        with self._lock:
            self._until_check -= 1
            is_due = self._until_check == 0
        if is_due:
            self._delete_least_used()
            with self._lock:
                self._until_check = self._check_every

    def _delete_least_used(self) -> None:
        files = sorted(_files_in(self._folder))
        size = sum(each_size for _, each_size, _ in files)
        if size <= self._most_bytes:
            return
        for _, each_size, path in files:
            if size <= self._most_bytes * _AFTER_DELETING:
                break
            with suppress(OSError):
                path.unlink()
            size -= each_size


def _files_in(folder: Path) -> list[tuple[float, int, Path]]:
    """Return time, size and path of each file, also of those that a killed process left."""
    found = []
    for inner in _entries_of(folder):
        for file in _entries_of(Path(inner.path)):
            with suppress(OSError):
                status = file.stat(follow_symlinks=False)
                found.append((status.st_mtime, status.st_size, Path(file.path)))
    return found


def _entries_of(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []
