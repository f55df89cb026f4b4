"""A1111's fields about masks (modules/api/models.py), and the values of a request for them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from sdtui.core.enums import InpaintFill
from sdtui.server.dialects import BOOLS_AS_NUMBERS, limits_of

_FILLS = (InpaintFill.FILL, InpaintFill.ORIGINAL, InpaintFill.NOISE, InpaintFill.NOTHING)
"""By inpainting_fill."""
_Blur = Annotated[int | None, limits_of("mask_blur"), BOOLS_AS_NUMBERS]


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
    """The larger of the two counts for both directions."""
    mask_round: bool = True
    """False = soft inpainting: grey in the mask changes less."""
    inpainting_fill: int = Field(0, ge=0, le=3)
    """What the masked part holds at first: 0 = fill, 1 = original, 2 = noise, 3 = nothing."""
    inpaint_full_res: bool = True
    """Only masked: work on the part around the mask alone."""
    inpaint_full_res_padding: Annotated[int, limits_of("masked_padding"), BOOLS_AS_NUMBERS] = 0
    inpainting_mask_invert: bool = False

    def mask_values(self) -> dict[str, Any]:
        """Return the values of a GenerationRequest; none without a mask."""
        if not self.mask:
            return {}
        return {
            "mask_image": self.mask,
            "mask_blur": self._blur(),
            "mask_invert": self.inpainting_mask_invert,
            "only_masked": self.inpaint_full_res,
            "masked_padding": self.inpaint_full_res_padding,
            "inpaint_fill": _FILLS[self.inpainting_fill],
            "soft_inpainting": not self.mask_round,
            "keep_size": False,
        }

    def _blur(self) -> int | None:
        both = [each for each in (self.mask_blur_x, self.mask_blur_y) if each is not None]
        return max(both, default=self.mask_blur)

    def mask_not_applied(self) -> list[str]:
        """Return what of the mask's fields had no effect."""
        x, y = self.mask_blur_x, self.mask_blur_y
        if not self.mask or x is None or y is None or x == y:
            return []
        return [f"{'mask_blur_x' if x < y else 'mask_blur_y'} ({max(x, y)} for both)"]
