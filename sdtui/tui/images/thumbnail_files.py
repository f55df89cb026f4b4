"""Thumbnails on disk, in the cache folder: one small file for each picture, the least used deleted
when they take too much room."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import threading
import time
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from sdtui.core.files import write_atomic
from sdtui.tui.images.loader import PictureLoader, ShownPicture

if TYPE_CHECKING:
    from PIL.Image import Image

LARGEST = 96
"""Pixels of the longer side. The largest cells have 64, and a little more costs nothing."""
_QUALITY = 80
_MOST_BYTES = 128 * 2**20
"""About 50,000 thumbnails."""
_AFTER_DELETING = 0.8
"""The share of the most bytes that is left when some are deleted."""
_CHECK_EVERY = 1000
"""The size is checked after so many new files, and once at the first one."""
_UNUSED_SECONDS = 24 * 3600
"""The time of a file says when it was used, to within a day."""

_log = logging.getLogger(__name__)


class ThumbnailFiles:
    """Reads thumbnails, and makes and saves those that are missing. For several threads."""

    def __init__(self, folder: Path, loader: PictureLoader, most_bytes: int = _MOST_BYTES) -> None:
        self._folder = folder
        self._loader = loader
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._until_check = 1

    def load(self, picture: ShownPicture) -> Image:
        """Return a picture with no side longer than LARGEST. Raises ImageError."""
        file = self._file_of(picture)
        image = _read(file)
        if image is None:
            image = self._loader.load(picture, LARGEST)
            self._save(file, image)
        return image

    def _file_of(self, picture: ShownPicture) -> Path:
        """Return the file of a picture's thumbnail; a picture that was changed gets another."""
        try:
            status = picture.path.stat()
            version = f"{status.st_mtime_ns} {status.st_size}"
        except OSError:  # on another machine
            version = f"{picture.id}"
        name = f"{picture.path}\0{version}".encode("utf-8", "surrogateescape")
        digest = hashlib.sha256(name).hexdigest()
        return self._folder / digest[:2] / f"{digest[2:32]}.webp"

    def _save(self, file: Path, image: Image) -> None:
        data = BytesIO()
        image.save(data, "webp", quality=_QUALITY, method=2)
        try:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomic(file, data.getvalue(), mode=0o600, durable=False)
        except OSError as error:
            _log.warning("a thumbnail can't be saved: %s", error)
        with self._lock:
            self._until_check -= 1
            is_due = self._until_check == 0
        if is_due:
            self._delete_least_used()
            with self._lock:
                self._until_check = _CHECK_EVERY

    def _delete_least_used(self) -> None:
        files = sorted(_files_in(self._folder))
        size = sum(each_size for _, each_size, _ in files)
        if size <= self._most_bytes:
            return
        for _, each_size, path in files:
            if size <= self._most_bytes * _AFTER_DELETING:
                break
            with contextlib.suppress(OSError):
                path.unlink()
            size -= each_size


def _files_in(folder: Path) -> list[tuple[float, int, Path]]:
    """Return time, size and path of each thumbnail, also of those that a killed process left."""
    found = []
    for inner in _entries_of(folder):
        for file in _entries_of(Path(inner.path)):
            with contextlib.suppress(OSError):
                status = file.stat(follow_symlinks=False)
                found.append((status.st_mtime, status.st_size, Path(file.path)))
    return found


def _entries_of(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _read(file: Path) -> Image | None:
    """Return a saved thumbnail; None if there is none, or a damaged one."""
    from PIL import Image

    try:
        used = file.stat().st_mtime
        with Image.open(file) as image:
            loaded = image.convert("RGB")
        if time.time() - used > _UNUSED_SECONDS:
            os.utime(file)
    except (OSError, ValueError, SyntaxError):
        return None
    return loaded
