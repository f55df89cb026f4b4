"""From a picture and a mask to what a model repaints, and back into the picture."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image, ImageOps

from sdtui.core.enums import ImageFit
from sdtui.core.pictures.crop import Box, expanded, padded
from sdtui.core.pictures.fit import fit_image, fit_mask
from sdtui.core.pictures.masks import amplified


@dataclass(frozen=True)
class Repainting:
    """A picture of which a part is repainted."""

    original: Image.Image
    """What the result is pasted into, of the finished picture's size."""
    overlay: Image.Image
    """Where the result shows, L, of the same size: 255 = the result alone, 0 = the original."""
    image: Image.Image
    """What the model starts from, of the size that it works in."""
    mask: Image.Image
    """What it repaints, of the same size."""
    box: Box | None = None
    """The part of `original` that `image` shows; None = all of it."""

    def pasted(self, result: Image.Image) -> Image.Image:
        """Return the finished picture for a model's result, which may have any size. Pixels where
        `overlay` is 0 are the original's, exactly."""
        if self.box is None:
            whole = result
            if whole.size != self.original.size:
                whole = whole.resize(self.original.size, Image.Resampling.LANCZOS)
        else:
            left, top, right, bottom = self.box
            part = ImageOps.fit(result, (right - left, bottom - top), Image.Resampling.LANCZOS)
            whole = self.original.copy()
            whole.paste(part, (left, top))
        return Image.composite(whole, self.original, self.overlay)


def whole_picture(
    image: Image.Image, mask: Image.Image, size: tuple[int, int], *, gain: int = 2
) -> Repainting:
    """Repaint in the whole picture, in which the model sees all of it stretched to `size`. `mask`
    has the picture's size and is blurred already; `gain` is how much more of the result shows than
    the mask says: with 2, all of the outer half of its blur, as in A1111."""
    seen, repainted = image, mask
    if image.size != size:
        seen = fit_image(image, *size, ImageFit.STRETCH)
        repainted = fit_mask(mask, *size, ImageFit.STRETCH)
    return Repainting(image, amplified(mask, gain), seen, repainted)


def only_masked(
    image: Image.Image,
    mask: Image.Image,
    size: tuple[int, int],
    *,
    padding: int,
    gain: int = 1,
) -> Repainting:
    """Repaint in the box around the mask alone, enlarged by `padding` pixels and to the aspect
    ratio of `size`, in which the model works. The finished picture has the size of `image`. The
    mask must not be empty."""
    box = mask.getbbox()
    assert box is not None
    box = expanded(padded(box, padding, mask.size), size, mask.size)
    return Repainting(
        original=image,
        overlay=amplified(mask, gain),
        image=fit_image(image.crop(box), *size, ImageFit.PAD),
        mask=fit_mask(mask.crop(box), *size, ImageFit.PAD),
        box=box,
    )
