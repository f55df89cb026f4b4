"""The units of A1111's extension sd-webui-controlnet in `alwayson_scripts`. Names, aliases and
defaults are those of its internal_controlnet/args.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from sdtui.core.control_names import (
    A1111_FITS,
    A1111_MODES,
    A1111_PASSES,
    choice_of,
    control_type_name,
)
from sdtui.core.pictures.preprocessors import is_ip_adapter_module, preprocessor_name
from sdtui.requests.validation import explain
from sdtui.server.errors import ApiError
from sdtui.server.ignored_fields import IgnoredFields

SCRIPT = "controlnet"
"""The name of the script, in lower case."""
MOST_UNITS = 8
_NO_MODEL = ("none", "")

_MODES, _FITS, _PASSES = tuple(A1111_MODES), tuple(A1111_FITS), tuple(A1111_PASSES)
"""Choices in the extension's order, by which clients may name them."""
_IGNORED = IgnoredFields(
    harmless=frozenset(
        [
            *("is_ui", "input_mode", "batch_images", "output_dir", "loopback", "low_vram"),
            *("lowvram", "generated_image", "animatediff_batch", "batch_modifiers"),
            *("batch_image_files", "batch_keyframe_idx", "use_preview_as_input"),
            "inpaint_crop_input_image",  # of masks for nets, which are named
        ]
    )
)
"""What the extension's own page sends along."""


class ControlUnit(BaseModel):
    """A unit."""

    model_config = ConfigDict(extra="allow")

    enabled: bool = False
    module: str = "none"
    model: str = "None"
    weight: float = Field(1.0, ge=0, le=2)
    image: Any = Field(None, validation_alias=AliasChoices("image", "input_image"))
    mask: Any = Field(None, validation_alias=AliasChoices("mask", "mask_image"))
    resize_mode: int | str = 1
    processor_res: float = -1
    threshold_a: float = -1
    threshold_b: float = -1
    guidance_start: float = Field(0.0, ge=0, le=1)
    guidance_end: float = Field(
        1.0, ge=0, le=1, validation_alias=AliasChoices("guidance_end", "guidance")
    )
    pixel_perfect: bool = False
    control_mode: int | str = 0
    hr_option: int | str = 0
    save_detected_map: bool = True
    union_control_type: str | None = None
    effective_region_mask: Any = None
    advanced_weighting: Any = None

    @property
    def is_ip_adapter(self) -> bool:
        """True if the unit is an IP-Adapter, which the extension takes for a preprocessor."""
        return is_ip_adapter_module(self.module)

    def entry(self, *, has_init_image: bool, has_hires: bool = True) -> dict[str, Any]:
        """Return the unit as an entry of `controls`, or of `ip_adapters`. Without a hires fix,
        `hr_option` has no effect, as in the extension. Raises ApiError."""
        if self.model.strip().lower() in _NO_MODEL:
            raise _refused("You have not selected any ControlNet Model.")
        picture, _ = _picture_and_mask(self.image)
        if not picture and not has_init_image:
            raise _refused("controlnet is enabled but no input image is given")
        shared = {
            "name": self.model,
            "image": picture,
            "weight": self.weight,
            "start": self.guidance_start,
            "end": self.guidance_end,
        }
        if self.is_ip_adapter:
            return shared
        try:
            preprocessor = preprocessor_name(self.module)
        except ValueError as error:
            raise _refused(f"module {self.module!r} {error}") from error
        return {
            **shared,
            "mode": _choice(_MODES, self.control_mode, "control_mode"),
            "preprocessor": preprocessor,
            "low": self.threshold_a if self.threshold_a >= 0 else None,
            "high": self.threshold_b if self.threshold_b >= 0 else None,
            "resolution": min(2048, max(64, self.processor_res))
            if self.processor_res > 0
            else None,
            "pixel_perfect": self.pixel_perfect,
            "resize": _choice(_FITS, self.resize_mode, "resize_mode"),
            "type": self._type(),
            "passes": _choice(_PASSES, self.hr_option if has_hires else 0, "hr_option"),
        }

    def _type(self) -> str | None:
        name = (self.union_control_type or "").strip().lower()
        if name in ("", "unknown"):
            return None
        try:
            return control_type_name(name)
        except ValueError as error:
            raise _refused(f"union_control_type {error}, not {name}") from error

    def not_applied(self) -> list[str]:
        """Return the values that have no effect here."""
        _, mask = _picture_and_mask(self.image)
        values = {
            "mask": self.mask or mask,
            "effective_region_mask": self.effective_region_mask,
            "advanced_weighting": self.advanced_weighting,
            **(self.model_extra or {}),
        }
        return _IGNORED.named(values)


def parse_units(script: Any) -> list[ControlUnit]:
    """Return the units that are switched on. Raises ApiError."""
    arguments = script.get("args", []) if isinstance(script, Mapping) else script
    if not isinstance(arguments, list):
        raise _refused("args must be a list of units")
    units = []
    for number, each in enumerate(arguments):
        if isinstance(each, Mapping):
            try:
                units.append(ControlUnit.model_validate(each))
            except ValidationError as error:
                wrong = error.errors(include_url=False)[0]
                field = ".".join(map(str, wrong["loc"]))
                problem = explain(wrong["type"], wrong["msg"], wrong["input"])
                raise _refused(f"unit {number}: {field}: {problem}") from error
    enabled = [unit for unit in units if unit.enabled]
    if len(enabled) > MOST_UNITS:
        raise _refused(f"at most {MOST_UNITS} units can be switched on, not {len(enabled)}")
    return enabled


def _picture_and_mask(image: Any) -> tuple[Any, Any]:
    """Return the picture and the mask in the forms that the extension takes: base64, an object, a
    pair, or a list of objects."""
    if isinstance(image, list | tuple):
        if image and isinstance(image[0], Mapping):
            return _picture_and_mask(image[0])
        return (image[0] if image else None), (image[1] if len(image) > 1 else None)
    if isinstance(image, Mapping):
        return image.get("image"), image.get("mask")
    return image, None


def _choice(choices: Sequence[StrEnum], value: int | str, field: str) -> str:
    """Return a choice by its name or number."""
    number = int(value) if isinstance(value, int) or value.strip().isdecimal() else None
    try:
        return choices[number] if number is not None else choice_of(type(choices[0]), str(value))
    except (ValueError, IndexError) as error:
        raise _refused(f"{field} can't be {value!r}") from error


def _refused(message: str) -> ApiError:
    return ApiError(422, "InvalidRequestError", f"ControlNet: {message}")
