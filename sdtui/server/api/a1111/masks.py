"""A1111's fields about masks (modules/api/models.py), and the values of a request for them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from sdtui.core.enums import InpaintFill
from sdtui.core.pictures.masks import blurred, inverted, is_empty
from sdtui.requests.input_images import mask_in_bytes
from sdtui.server.dialects import BOOLS_AS_NUMBERS, limits_of
from sdtui.server.services.uploads import Uploads

_FILLS = (InpaintFill.FILL, InpaintFill.ORIGINAL, InpaintFill.NOISE, InpaintFill.NOTHING)
"""By inpainting_fill."""
_DEFAULT_BLUR = 4
_SWITCHED = 'Unable to perform "Inpaint Only mask" because mask is blank, switch to img2img mode.'
"""A1111's words."""
_Blur = Annotated[int | None, limits_of("mask_blur"), BOOLS_AS_NUMBERS]


@dataclass(frozen=True)
class _ReadMask:
    """What a mask holds."""

    blurred: bytes | None = None
    """A PNG that stands for it, if its blur isn't the same in both directions."""
    is_blank: bool = False
    """True if it repaints nothing."""


class MaskFields(BaseModel):
    """What is repainted of an init image. Missing fields have A1111's defaults, which aren't those
    of its window."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    mask: str | None = None
    """A picture as base64 or a data URL: white is repainted, or what is painted if it has
    transparency."""
    mask_blur: _Blur = None
    """Pixels; missing = 4."""
    mask_blur_x: _Blur = None
    mask_blur_y: _Blur = None
    """Pixels across and down, where mask_blur is missing."""
    mask_round: bool = True
    """False = soft inpainting: grey in the mask changes less."""
    inpainting_fill: int = Field(0, ge=0, le=3)
    """What the masked part holds at first: 0 = fill, 1 = original, 2 = noise, 3 = nothing."""
    inpaint_full_res: bool = True
    """Only masked: work on the part around the mask alone."""
    inpaint_full_res_padding: Annotated[int, limits_of("masked_padding"), BOOLS_AS_NUMBERS] = 0
    inpainting_mask_invert: bool = False

    _read: _ReadMask = PrivateAttr(default=_ReadMask())

    def read_mask(self, uploads: Uploads) -> None:
        """Look at the mask, whose content decides what A1111 does. Raises ImageError."""
        if not self.mask:
            return
        mask = mask_in_bytes(uploads.read(self.mask))
        is_blank = is_empty(inverted(mask) if self.inpainting_mask_invert else mask)
        across, down = self._blur()
        if across == down:
            self._read = _ReadMask(is_blank=is_blank)
            return
        encoded = io.BytesIO()
        blurred(mask, across, down).save(encoded, "PNG")
        self._read = _ReadMask(encoded.getvalue(), is_blank)

    def mask_values(self) -> dict[str, Any]:
        """Return the values of a GenerationRequest; none without a mask, and with one that repaints
        nothing as A1111 has it: image-to-image with only masked, else the picture as it is."""
        if not self.mask or (self._read.is_blank and self.inpaint_full_res):
            return {}
        values = {
            "mask_image": self._read.blurred or self.mask,
            "mask_blur": 0 if self._read.blurred else self._blur()[0],
            "mask_invert": self.inpainting_mask_invert,
            "only_masked": self.inpaint_full_res,
            "masked_padding": self.inpaint_full_res_padding,
            "inpaint_fill": _FILLS[self.inpainting_fill],
            "soft_inpainting": not self.mask_round,
            "keep_size": False,
        }
        return values | {"strength": 0.0} if self._read.is_blank else values

    def mask_comments(self) -> list[str]:
        """Return what A1111 says under a picture about its mask."""
        if not self._read.is_blank:
            return []
        if self.inpaint_full_res:
            return [_SWITCHED]
        return ["The mask is blank: the picture stays as it is."]

    def _blur(self) -> tuple[int, int]:
        """Return the pixels across and down."""
        if self.mask_blur is not None:
            return self.mask_blur, self.mask_blur
        across, down = self.mask_blur_x, self.mask_blur_y
        return (
            _DEFAULT_BLUR if across is None else across,
            _DEFAULT_BLUR if down is None else down,
        )
