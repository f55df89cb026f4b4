"""A1111's fields of hires fix."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from sdtui.requests.request import SIZE_MULTIPLE
from sdtui.requests.sections.hires import DEFAULT_HIRES_SCALE, LATENT
from sdtui.server.api.a1111.samplers import find_sampler
from sdtui.server.dialects import BOOLS_AS_NUMBERS, limits_of

DEFAULT_STRENGTH = 0.75
"""A1111's in its HTTP API; in its window it is 0.7."""

_SAME_SAMPLER, _SAME_SCHEDULER = "Use same sampler", "Use same scheduler"
SAME_CHECKPOINT = "Use same checkpoint"
_NAME = Field(None, max_length=300)
_Side = Annotated[int | None, BOOLS_AS_NUMBERS]
_FIELDS = {
    "hires_scale": "hr_scale",
    "hires_upscaler": "hr_upscaler",
    "hires_steps": "hr_second_pass_steps",
    "hires_width": "hr_resize_x",
    "hires_height": "hr_resize_y",
    "hires_prompt": "hr_prompt",
    "hires_negative_prompt": "hr_negative_prompt",
    "hires_guidance_scale": "hr_cfg",
}
"""Fields of a request → A1111's, which take 0 or "" for what is left open."""


class HiresFields(BaseModel):
    """The fields that describe the second pass."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    enable_hr: bool | None = False
    """True = make the pictures again in a larger size."""
    hr_scale: Annotated[float | None, limits_of("hires_scale", ge=0), BOOLS_AS_NUMBERS] = (
        DEFAULT_HIRES_SCALE
    )
    hr_upscaler: Annotated[str | None, limits_of("hires_upscaler")] = None
    """A name from /latent-upscale-modes or /upscalers; none = Latent, or Lanczos for other models
    than Stable Diffusion."""
    hr_second_pass_steps: Annotated[int | None, limits_of("hires_steps", ge=0)] = 0
    """0 = as many as in the first pass."""
    hr_resize_x: Annotated[_Side, limits_of("hires_width", ge=0, multiple_of=None)] = 0
    hr_resize_y: Annotated[_Side, limits_of("hires_height", ge=0, multiple_of=None)] = 0
    """0 = by hr_scale, or by the other side. Rounded down to a multiple of 8."""
    firstphase_width: _Side = Field(0, ge=0)
    firstphase_height: _Side = Field(0, ge=0)
    """Of old clients: the size of the first pass; width and height are that of the second."""
    hr_sampler_name: str | None = _NAME
    hr_scheduler: str | None = _NAME
    hr_checkpoint_name: str | None = _NAME
    hr_prompt: Annotated[str, limits_of("hires_prompt")] = ""
    hr_negative_prompt: Annotated[str, limits_of("hires_negative_prompt")] = ""
    hr_cfg: Annotated[float | None, limits_of("hires_guidance_scale"), BOOLS_AS_NUMBERS] = None
    """Forge's. Missing = cfg_scale."""

    _usual_upscaler: str | None = PrivateAttr(default=LATENT)

    def leave_upscaler_open(self) -> None:
        """Let the model have its own upscaler where none is named."""
        self._usual_upscaler = None

    def hires_sampler(self, sampler: str, scheduler: str) -> tuple[str | None, list[str]]:
        """Return the label of the second pass's sampler, None if it is the first one's, and what of
        it isn't applied. `sampler` and `scheduler` are the names of the first pass's."""
        own = _chosen(self.hr_sampler_name, _SAME_SAMPLER)
        own_scheduler = _chosen(self.hr_scheduler, _SAME_SCHEDULER)
        if not self.enable_hr or not (own or own_scheduler):
            return None, []
        label, unused = find_sampler(own or sampler, own_scheduler or scheduler)
        return label, [f"hr_{each}" for each in unused]

    def hires_values(self, width: int | None, height: int | None) -> dict[str, Any]:
        """Return the values of the second pass, None for those that are open; those of the first
        pass's size, too, if the client gives it apart. `width` and `height` are the request's."""
        values: dict[str, Any] = dict.fromkeys(_FIELDS)
        if not self.enable_hr:
            return values
        values = {name: getattr(self, theirs) or None for name, theirs in _FIELDS.items()}
        values["hires_guidance_scale"] = self.hr_cfg
        values["hires_upscaler"] = self.hr_upscaler or self._usual_upscaler
        values["hires_width"] = _floor(self.hr_resize_x) or None
        values["hires_height"] = _floor(self.hr_resize_y) or None
        first = _floor(self.firstphase_width), _floor(self.firstphase_height)
        if all(first):
            values |= {"hires_width": width, "hires_height": height}
            values |= {"width": first[0], "height": first[1]}
        if values["hires_scale"] is None:
            values["hires_scale"] = DEFAULT_HIRES_SCALE if _is_sized(values) else 0.0
        return values

    def hires_checkpoint(self) -> str | None:
        """Return the title of the second pass's model; None if it is the first one's."""
        return _chosen(self.hr_checkpoint_name, SAME_CHECKPOINT) if self.enable_hr else None


def _is_sized(values: dict[str, Any]) -> bool:
    return values["hires_width"] is not None or values["hires_height"] is not None


def _chosen(name: str | None, same: str) -> str | None:
    return None if not name or name.lower() == same.lower() else name


def _floor(side: int | None) -> int:
    return (side or 0) // SIZE_MULTIPLE * SIZE_MULTIPLE
