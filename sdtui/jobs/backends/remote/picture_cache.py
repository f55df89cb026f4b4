"""Pictures of servers on this machine's disk, so that each is fetched once."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

from sdtui.core.files import write_atomic

_MOST_BYTES = 500 * 2**20
_AFTER_DELETING = 0.8
"""The share of the most bytes that is left when some are deleted."""
_CHECK_EVERY = 200
"""The size is checked after so many new files, and once at the first one."""
_log = logging.getLogger(__name__)


class PictureCache:
    """Files named by what they are. For several threads and processes."""

    def __init__(self, folder: Path, most_bytes: int = _MOST_BYTES) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._until_check = 1

    def get(self, name: str) -> bytes | None:
        """Return what was put under a name, if it is there."""
        file = self._file(name)
        try:
            data = file.read_bytes()
            os.utime(file)
        except OSError:
            return None
        return data or None

    def put(self, name: str, data: bytes) -> None:
        """Keep a picture. A disk without space is no error."""
        file = self._file(name)
        try:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomic(file, data, mode=0o600, durable=False)
        except OSError as error:
            _log.warning("a picture can't be kept: %s", error)
        with self._lock:
            self._until_check -= 1
            if self._until_check > 0:
                return
            self._until_check = _CHECK_EVERY
        self._delete_least_used()

    def _file(self, name: str) -> Path:
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
        return self._folder / digest[:2] / digest[2:34]

    def _delete_least_used(self) -> None:
        started = time.monotonic()
        files = []
        for file in self._folder.glob("??/*"):
            with suppress(OSError):
                status = file.stat()
                files.append((status.st_mtime, status.st_size, file))
        size = sum(each for _, each, _ in files)
        if size <= self._most_bytes:
            return
        for _, each, file in sorted(files):
            if size <= self._most_bytes * _AFTER_DELETING:
                break
            file.unlink(missing_ok=True)
            size -= each
        _log.info("the cache of pictures was reduced in %.1f s", time.monotonic() - started)
