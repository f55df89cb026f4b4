"""Pictures of servers on this machine's disk, so that each is fetched once."""

from __future__ import annotations

import os
from pathlib import Path

from sdtui.core.file_cache import FileCache

_MOST_BYTES = 500 * 2**20
_CHECK_EVERY = 200
"""See FileCache."""


class PictureCache:
    """Files named by what they are. For several threads and processes."""

    def __init__(self, folder: Path, most_bytes: int = _MOST_BYTES) -> None:
        self._cache = FileCache(folder, most_bytes, _CHECK_EVERY)

    def get(self, name: str) -> bytes | None:
        """Return what was put under a name, if it is there."""
        file = self._cache.file_of(name)
        try:
            data = file.read_bytes()
            os.utime(file)
        except OSError:
            return None
        return data or None

    def put(self, name: str, data: bytes) -> None:
        """Keep a picture. A disk without space is no error."""
        self._cache.write(self._cache.file_of(name), data)
