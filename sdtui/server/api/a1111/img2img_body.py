"""The body of img2img."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

from pydantic import ConfigDict, Field, PrivateAttr

from sdtui.core.enums import ImageFit
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.image_to_image import DEFAULT_STRENGTH
from sdtui.server.api.a1111.masks import MaskFields
from sdtui.server.api.a1111.schemas import MOST, Txt2ImgBody
from sdtui.server.api.a1111.scripts import Script
from sdtui.server.api.a1111.soft_inpainting import SCRIPT as SOFT_INPAINTING
from sdtui.server.api.a1111.soft_inpainting import SoftInpainting, parse_soft_inpainting
from sdtui.server.api.a1111.strength import fixed_steps, strength_of_steps
from sdtui.server.errors import ApiError
from sdtui.server.examples import EXAMPLE_PICTURE
from sdtui.server.services.uploads import Uploads

_FITS = (ImageFit.STRETCH, ImageFit.CROP, ImageFit.PAD, ImageFit.STRETCH)
"""By resize_mode."""

_FIX_STEPS = "img2img_fix_steps"
"""The option that runs as many steps as are asked for."""


class Img2ImgBody(MaskFields, Txt2ImgBody):
    """The pictures to generate from a picture."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"prompt": "a red apple", "init_images": [EXAMPLE_PICTURE], "seed": -1},
            ]
        }
    )

    init_images: list[str] = Field(min_length=1, max_length=MOST)
    """Pictures as base64 or data URLs. Of several, each iteration makes a picture of each; models
    that take several references make each picture of all."""
    resize_mode: int = Field(0, ge=0, le=3)
    """For a picture of another aspect ratio: 0 and 3 = stretch, 1 = crop, 2 = pad."""
    include_init_images: bool = False
    """True = `parameters` in the answer has the pictures that were sent."""

    _combined: bool = PrivateAttr(default=False)
    """True if each picture is made of all init images."""
    _input_images: ClassVar[tuple[str, ...]] = ("init_image",)
    _mode: ClassVar[str] = "img2img"

    @cached_property
    def soft_inpainting(self) -> SoftInpainting:
        """What is asked of the script of that name. Raises ApiError."""
        scripts = self.alwayson_scripts or {}
        given = [each for name, each in scripts.items() if name.lower() == SOFT_INPAINTING]
        return parse_soft_inpainting(given[-1]) if given else SoftInpainting()

    def _other_scripts(self) -> dict[str, Any]:
        scripts = super()._other_scripts()
        return {name: each for name, each in scripts.items() if name.lower() != SOFT_INPAINTING}

    def echoed(self) -> set[str]:
        """See Txt2ImgBody."""
        sent = {"init_images", "mask"} if self.include_init_images else set()
        return super().echoed() | sent

    def read_pictures(self, requests: Sequence[GenerationRequest]) -> None:
        """See Txt2ImgBody."""
        if not self.include_init_images:
            return
        files = [each.input_images() for each in requests[: len(self.init_images)]]
        starts = [each.get("init_image") or each["upscale_image"] for each in files]
        if self._combined:
            starts += requests[0].editing.references
        self.init_images = [base64.b64encode(each.read_bytes()).decode() for each in starts]
        mask = files[0].get("mask_image")
        self.mask = None if mask is None else base64.b64encode(mask.read_bytes()).decode()

    def script(self) -> Script | None:
        """See Txt2ImgBody."""
        script = super().script()
        if script is not None and len(self.init_images) > 1:
            message = f"init_images: the script {self.script_name} takes one picture"
            raise ApiError(422, "InvalidRequestError", f"{message}, not {len(self.init_images)}.")
        return script

    def at_once(self) -> int:
        """See Txt2ImgBody: as in A1111, several init images are a batch."""
        several = 1 + len(self.more_init_images())
        return self.batch_size if several == 1 else several

    def more_init_images(self) -> list[str]:
        """See Txt2ImgBody."""
        return [] if self._combined else self.init_images[1:]

    def combine_init_images(self) -> None:
        """See Txt2ImgBody."""
        self._combined = True

    def values(self) -> dict[str, Any]:
        """See Txt2ImgBody; the strength is that with which as many steps are run as by A1111, if
        the number of steps is given."""
        values = super().values()
        strength, steps = self.strength(), values.get("num_inference_steps")
        if steps is None:
            return values
        fixed = self._fixed_steps()
        if fixed is not None:
            values["num_inference_steps"], values["strength"] = fixed
        else:
            values["strength"] = strength_of_steps(strength, steps, values.get("sampler"))
        return values

    def _fixed_steps(self) -> tuple[int, float] | None:
        """The steps and the strength if all steps are to be run; None if not, or if they are too
        many for a request."""
        if not (self.override_settings or {}).get(_FIX_STEPS):
            return None
        values = super().values()
        steps = values.get("num_inference_steps")
        return None if steps is None else fixed_steps(self.strength(), steps, values.get("sampler"))

    def _supported_options(self) -> set[str]:
        own = {_FIX_STEPS} if self._fixed_steps() is not None else set()
        return super()._supported_options() | own

    def strength(self) -> float:
        """See Txt2ImgBody."""
        given: float | None = super().values().get("strength")
        return DEFAULT_STRENGTH if given is None else given

    def _hires_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Nothing: A1111 has no hires fix in img2img."""
        return dict.fromkeys(name for name in values if name.startswith("hires_"))

    def _image_values(self) -> dict[str, Any]:
        picture: dict[str, Any] = {"init_image": self.init_images[0]}
        if self._combined:
            picture["references"] = self.init_images[1:]
        else:
            picture["init_image_fit"] = _FITS[self.resize_mode]
        mask = self.mask_values()
        if mask and self.soft_inpainting.is_on:
            mask["soft_inpainting"] = True
        return {**picture, **mask}

    def not_applied(self) -> list[str]:
        """See Txt2ImgBody."""
        found = super().not_applied() + list(self.soft_inpainting.not_applied)
        several = self.at_once()
        if self.batch_size not in (1, several):
            found.append(f"batch_size ({several}, as there are init images)")
        return found

    def read_uploads(self, uploads: Uploads) -> None:
        """See Txt2ImgBody."""
        self.read_mask(uploads)

    def comments(self) -> list[str]:
        """See Txt2ImgBody."""
        return super().comments() + self.mask_comments()
