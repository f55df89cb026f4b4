"""What comes of a mask that was drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdtui.tui.mask_editor.borders import Borders

if TYPE_CHECKING:
    from PIL.Image import Image

    from sdtui.tui.mask_editor.editor import MaskEditor


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
