"""What comes of a mask that was drawn, and the files in which it is kept."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from sdtui.core import paths
from sdtui.core.errors import ImageError
from sdtui.core.files import write_atomic
from sdtui.tui.mask_editor.borders import Borders

if TYPE_CHECKING:
    from PIL.Image import Image

    from sdtui.tui.mask_editor.editor import MaskEditor

_HASH_DIGITS = 16


@dataclass(frozen=True)
class DrawnMask:
    """A mask with all that belongs to it."""

    picture: Image | None
    """What is left of a picture of which something was cut off, else None."""
    mask: Image | None
    """Of the size of what is left; None if nothing is masked."""
    borders: Borders
    """What is added to what is left."""
    blur: int
    share: float
    """How much is masked, from 0 to 1."""


def drawn_mask(editor: MaskEditor) -> DrawnMask:
    """Return what was drawn."""
    borders = editor.borders
    mask, picture = editor.mask.copy(), None
    if borders.cuts:
        kept = borders.kept(editor.size)
        mask, picture = mask.crop(kept), editor.picture.crop(kept)
    is_empty = mask.getbbox() is None
    return DrawnMask(picture, None if is_empty else mask, borders.added, editor.blur, editor.share)


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
        if not path.exists():
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
