"""The files of masks that were drawn."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Collection
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from sdtui.core import paths
from sdtui.core.errors import ImageError
from sdtui.core.files import write_atomic

if TYPE_CHECKING:
    from PIL.Image import Image

_HASH_DIGITS = 16
_KEPT_SECONDS = 30 * 24 * 3600
"""How long a mask is kept that nothing uses: changes of the recipe may be undone, and pictures come
back out of the trash."""

_log = logging.getLogger(__name__)


def masks_folder() -> Path:
    """Return the folder of masks and of pictures that were cut, which may not exist yet."""
    return paths.state_folder() / "masks"


def keep_picture(image: Image, folder: Path) -> Path:
    """Write a picture as a PNG that is named by its contents, unless it is there. Returns its path.
    Raises ImageError."""
    data = as_png(image)
    path = folder / f"{hashlib.sha256(data).hexdigest()[:_HASH_DIGITS]}.png"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if path.exists():
            path.touch()
        else:
            write_atomic(path, data)
    except OSError as error:
        raise ImageError(
            f"the mask can't be saved in {folder}: {error.strerror}",
            "Make space, or set XDG_STATE_HOME to a folder that can be written",
        ) from error
    return path


def as_png(image: Image) -> bytes:
    """Return a picture as PNG, always with the same bytes."""
    file = BytesIO()
    image.save(file, "PNG", compress_level=6)
    return file.getvalue()


def remove_unused(folder: Path, named: Collection[str], is_parent: Callable[[str], bool]) -> None:
    """Delete masks that nothing has used for a month: no picture was made with them (`is_parent`
    gets the SHA-256 of a file), and none of the texts in `named` names them."""
    try:
        for file in folder.glob("*.png"):
            is_old = time.time() - file.stat().st_mtime > _KEPT_SECONDS
            if not is_old or any(file.name in text for text in named):
                continue
            if not is_parent(hashlib.sha256(file.read_bytes()).hexdigest()):
                file.unlink(missing_ok=True)
    except OSError as error:
        _log.info("unused masks can't be deleted: %s", error)
