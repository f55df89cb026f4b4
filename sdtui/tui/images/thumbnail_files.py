"""Thumbnails on disk, in the cache folder: one small file for each picture, the least used deleted
when they take too much room."""

from __future__ import annotations

import os
import time
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from sdtui.core.file_cache import FileCache
from sdtui.tui.images.loader import PictureLoader, ShownPicture

if TYPE_CHECKING:
    from PIL.Image import Image

LARGEST = 96
"""Pixels of the longer side. The largest cells have 64, and a little more costs nothing."""
_QUALITY = 80
_MOST_BYTES = 128 * 2**20
"""About 50,000 thumbnails."""
_CHECK_EVERY = 1000
"""See FileCache."""
_UNUSED_SECONDS = 24 * 3600
"""The time of a file says when it was used, to within a day."""


class ThumbnailFiles:
    """Reads thumbnails, and makes and saves those that are missing. For several threads."""

    def __init__(self, folder: Path, loader: PictureLoader, most_bytes: int = _MOST_BYTES) -> None:
        self._cache = FileCache(folder, most_bytes, _CHECK_EVERY)
        self._loader = loader

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
        return self._cache.file_of(f"{picture.path}\0{version}", ".webp")

    def _save(self, file: Path, image: Image) -> None:
        data = BytesIO()
        image.save(data, "webp", quality=_QUALITY, method=2)
        self._cache.write(file, data.getvalue())


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
