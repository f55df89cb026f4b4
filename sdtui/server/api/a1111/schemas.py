"""The body of txt2img. Fields that sdtui doesn't know are listed in the answer."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, ClassVar, Self

from pydantic import ConfigDict, Field, PrivateAttr, model_validator

from sdtui.core.errors import SdtuiError
from sdtui.core.text import shortened
from sdtui.history.importers import ImportedSettings, read_infotext
from sdtui.jobs import Output
from sdtui.requests.request import (
    RANDOM_SEED,
    REQUEST_FIELDS,
    SIZE_MULTIPLE,
    GenerationRequest,
)
from sdtui.server.api.a1111.control_units import SCRIPT, ControlUnit, parse_units
from sdtui.server.api.a1111.hires import DEFAULT_STRENGTH as DEFAULT_HIRES_STRENGTH
from sdtui.server.api.a1111.hires import HiresFields
from sdtui.server.api.a1111.ignored import is_switched_on, without_effect
from sdtui.server.api.a1111.networks import KnownNetworks
from sdtui.server.api.a1111.options import changed_options
from sdtui.server.api.a1111.refiner import RefinerFields
from sdtui.server.api.a1111.samplers import find_sampler
from sdtui.server.api.a1111.scripts import Script, parse_script
from sdtui.server.dialects import BOOLS_AS_NUMBERS, body_with_fields, limits_of, names_in
from sdtui.server.errors import ApiError, from_sdtui
from sdtui.server.services.uploads import Uploads

MOST = 64
"""Most pictures of an iteration, and most iterations."""
_MOST_FIELDS = 1000
"""More than any client sends; a body could have a million."""
_FORMATS: Mapping[object, Output] = {
    "png": Output(format="png"),
    "jpg": Output(format="jpeg"),
    "jpeg": Output(format="jpeg"),
    "webp": Output(format="webp"),
}
_NAMES = names_in("a1111")
_OPTIONS = names_in("a1111_option")
_IN_INFOTEXT = {
    **_NAMES,
    **_OPTIONS,
    "true_cfg_scale": "cfg_scale",
    "hires_strength": "denoising_strength",
    "hires_sampler": "hr_sampler_name",
    "hires_model": "hr_checkpoint_name",
    "refiner": "refiner_checkpoint",
}
"""The fields that an infotext fills, and A1111's, which count more."""
_SUPPORTED_OPTIONS = {"sd_model_checkpoint", "samples_format", *_OPTIONS.values()}

_IGNORED = ("restore_faces", "alwayson_scripts", "eta")
"""Fields that are accepted without effect."""
_RESIZE_LIMITS = limits_of("seed_resize_width", ge=-1, multiple_of=None)
_NO_STYLE = "None"
_NETWORKS = re.compile(r"<(?:lora|lyco|hypernet):[^<>]*>")
"""Tags, which have no effect in negative prompts."""


class Txt2ImgBody(HiresFields, RefinerFields, body_with_fields("a1111", input_images=True)):  # type: ignore[misc]
    """The pictures to generate. Fields that are missing or null take the model's native value."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        extra="allow",
        json_schema_extra={"examples": [{"prompt": "a red apple", "seed": -1}]},
    )

    prompt: Annotated[str, limits_of("prompt")] = ""
    negative_prompt: Annotated[str, limits_of("negative_prompt")] = ""
    seed: Annotated[int | None, limits_of("seed", ge=RANDOM_SEED), BOOLS_AS_NUMBERS] = RANDOM_SEED
    """-1 = random."""
    subseed: Annotated[
        int | None, limits_of("variation_seed", ge=RANDOM_SEED), BOOLS_AS_NUMBERS
    ] = RANDOM_SEED
    """-1 = random."""
    seed_resize_from_w: Annotated[int | None, _RESIZE_LIMITS, BOOLS_AS_NUMBERS] = -1
    seed_resize_from_h: Annotated[int | None, _RESIZE_LIMITS, BOOLS_AS_NUMBERS] = -1
    """Both 0 or less = off. Rounded down to a multiple of 8."""
    sampler_name: str | None = Field(None, max_length=100)
    sampler_index: str | None = Field(None, max_length=100)
    """Former name of sampler_name."""
    scheduler: str | None = Field(None, max_length=100)
    """Missing or Automatic = the one that suits the sampler."""
    batch_size: int = Field(1, ge=1, le=MOST)
    n_iter: int = Field(1, ge=1, le=MOST)
    width: Annotated[int | None, limits_of("width", multiple_of=None), BOOLS_AS_NUMBERS] = None
    height: Annotated[int | None, limits_of("height", multiple_of=None), BOOLS_AS_NUMBERS] = None
    """Sizes are rounded down to a multiple of 8."""
    distilled_cfg_scale: Annotated[float | None, limits_of("guidance_scale"), BOOLS_AS_NUMBERS] = (
        None
    )
    """Forge's: the CFG scale that is distilled into models such as Flux, whose `cfg_scale` is the
    true one then."""
    styles: Annotated[list[str] | None, limits_of("styles")] = None
    """Those that styles.csv doesn't have are ignored."""
    script_name: str | None = Field(None, max_length=200)
    """Empty, or one of `/scripts`."""
    script_args: list[Any] = Field(default=[], max_length=100)
    """The arguments of the script, by position."""
    override_settings: dict[str, Any] | None = None
    """`sd_model_checkpoint`, `samples_format` (png, jpg, webp) and the options that are fields of
    a request are heeded."""
    override_settings_restore_afterwards: bool = True
    """False = model and options of `override_settings` stay chosen after this request."""
    infotext: str | None = Field(None, max_length=100_000)
    """An infotext with values for fields that the request doesn't have."""
    send_images: bool = True
    save_images: bool = True
    """False = the pictures are not kept: they are deleted after an hour. A1111's default is
    false."""
    force_task_id: str | None = Field(None, max_length=300)
    """The id by which `/internal/progress` knows the request."""
    restore_faces: bool | None = None
    eta: Any = None
    alwayson_scripts: dict[str, Any] | None = None
    """`ControlNet` with its units. Others must be switched off or have no arguments."""

    _has_true_cfg: bool = PrivateAttr(default=False)
    _unknown_styles: list[str] = PrivateAttr(default_factory=list)
    _networks: KnownNetworks = PrivateAttr(default=KnownNetworks())
    _input_images: ClassVar[tuple[str, ...]] = ()
    _mode: ClassVar[str] = "txt2img"

    @model_validator(mode="before")
    @classmethod
    def _null_is_open(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        if len(values) > _MOST_FIELDS:
            raise ValueError(f"has {len(values)} fields")
        return {name: value for name, value in values.items() if value is not None}

    def check(self) -> None:
        """Raises ApiError for unsupported fields that would change the picture."""
        for unit in self.control_units:
            unit.entry(has_init_image=bool(self._input_images), has_hires=bool(self.enable_hr))
        for name, script in self._other_scripts().items():
            if is_switched_on(script):
                message = f"Always on script {shortened(name)} not found."
                raise ApiError(422, "Script not found", message)

    def at_once(self) -> int:
        """How many pictures an iteration makes."""
        return self.batch_size

    def more_init_images(self) -> list[str]:
        """The init images after the first one, each of which has pictures of its own."""
        return []

    def combine_init_images(self) -> None:
        """Make each picture of all init images, for a model that takes several references."""

    def read_uploads(self, uploads: Uploads) -> None:
        """Look at those of the pictures whose content decides about the request. Raises
        ImageError."""

    def use_true_cfg(self) -> None:
        """Take `cfg_scale` for true CFG: the model has another scale distilled into it."""
        self._has_true_cfg = True

    def leave_out_styles(self, known: Collection[str]) -> None:
        """Keep the `known` styles only: A1111 ignores others too."""
        named = self.styles or []
        self._unknown_styles = [name for name in named if name not in (*known, _NO_STYLE)]
        self.styles = [name for name in named if name in known]

    def leave_out_networks(self, known: KnownNetworks) -> None:
        """Keep the tags of known networks only: A1111 ignores others too."""
        self._networks = known

    def comments(self) -> list[str]:
        """Return what A1111 says under a picture: why networks were left out."""
        return list(self._networks.comments)

    def echoed(self) -> set[str]:
        """The fields that the answer repeats: those that are known, without pictures."""
        pictures = {"init_images", "mask", *(("alwayson_scripts",) if self.control_units else ())}
        return {*type(self).model_fields} - pictures

    @cached_property
    def control_units(self) -> list[ControlUnit]:
        """The units of ControlNet that are switched on. Raises ApiError for wrong ones."""
        scripts = self.alwayson_scripts or {}
        given = [each for name, each in scripts.items() if name.lower() == SCRIPT]
        return [unit for script in given for unit in parse_units(script)]

    def _other_scripts(self) -> dict[str, Any]:
        scripts = self.alwayson_scripts or {}
        return {name: each for name, each in scripts.items() if name.lower() != SCRIPT}

    def read_pictures(self, requests: Sequence[GenerationRequest]) -> None:
        """Read the pictures that the answer repeats, while the requests' files are there."""

    def checkpoint(self) -> str | None:
        """The model in `override_settings`. Raises ApiError if it isn't a text."""
        name = (self.override_settings or {}).get("sd_model_checkpoint")
        if name is not None and not isinstance(name, str):
            raise ApiError(422, "InvalidRequestError", "sd_model_checkpoint must be a name.")
        return name or None

    def script(self) -> Script | None:
        """What is asked of a script. Raises ApiError for an unknown one and wrong arguments."""
        if not self.script_name:
            return None
        return parse_script(self.script_name, self.script_args, self._mode)

    def with_changes(self, changes: Mapping[str, Any]) -> Self:
        """A request without a script and with other fields. Raises ValidationError."""
        given = self.model_dump(exclude_unset=True)
        options = {**(self.override_settings or {})}
        if "sd_model" in changes:
            options["sd_model_checkpoint"] = changes["sd_model"]
        fields = {name: value for name, value in changes.items() if name != "sd_model"}
        own: dict[str, Any] = {"script_name": None, "script_args": [], "override_settings": options}
        body: Self = self.model_validate({**given, **fields, **own})
        return body

    def output(self) -> Output:
        """The format of the pictures. Raises ApiError for an unknown one."""
        name = (self.override_settings or {}).get("samples_format") or "png"
        if not isinstance(name, str) or name.lower() not in _FORMATS:
            known = ", ".join(map(str, _FORMATS))
            raise ApiError(422, "InvalidRequestError", f"samples_format must be one of {known}.")
        return _FORMATS[name.lower()]

    @cached_property
    def imported(self) -> ImportedSettings:
        """The values in the infotext. Raises ApiError (400) if it has none."""
        if not self.infotext:
            return ImportedSettings({}, "")
        try:
            return read_infotext(self.infotext, input_images=self._input_images)
        except SdtuiError as error:
            raise from_sdtui(error) from error

    def values(self) -> dict[str, Any]:
        """The values of a GenerationRequest. Raises ApiError (400) for an unknown sampler."""
        values = {name: getattr(self, theirs) for name, theirs in _NAMES.items()}
        values |= {
            "sampler": self._sampler[0],
            "num_images_per_prompt": self.at_once() * self.n_iter,
            "width": _floor(self.width),
            "height": _floor(self.height),
            **self._resize_values(),
            **self._image_values(),
            **self.refiner_values(),
        }
        values |= self._hires_values(values)
        if self._has_true_cfg and self.distilled_cfg_scale is not None:
            values["true_cfg_scale"] = values["guidance_scale"]
            values["guidance_scale"] = self.distilled_cfg_scale
        has_image = values.get("init_image") is not None
        for field, is_adapter in (("controls", False), ("ip_adapters", True)):
            values[field] = [
                each.entry(has_init_image=has_image, has_hires=bool(self.enable_hr))
                for each in self.control_units
                if each.is_ip_adapter is is_adapter
            ]
        found = self.imported.values
        filled = {
            name: found[name]
            for name, theirs in _IN_INFOTEXT.items()
            if name in found and theirs not in self.model_fields_set
        }
        if self._mode == "img2img":  # which has no hires fix
            filled = {name: filled[name] for name in filled if not name.startswith("hires_")}
        options = self.override_settings or {}
        overridden = {
            name: options[theirs] for name, theirs in _OPTIONS.items() if theirs in options
        }
        values = {name: value for name, value in values.items() if value is not None}
        values |= filled | overridden
        for name in REQUEST_FIELDS.orphans(values):
            del values[name]
        return values

    def _resize_values(self) -> dict[str, Any]:
        """The size that the noise is drawn for: open unless both sides are positive."""
        width, height = _floor(self.seed_resize_from_w), _floor(self.seed_resize_from_h)
        is_on = width is not None and height is not None and min(width, height) > 0
        return {
            "seed_resize_width": width if is_on else None,
            "seed_resize_height": height if is_on else None,
        }

    def _image_values(self) -> dict[str, Any]:
        """The values about an init image."""
        return {}

    def _hires_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values of a second pass, and what it changes in those of the first."""
        found = self.hires_values(values["width"], values["height"])
        given = values["strength"]
        if self.imported.values.get("hires_scale") is not None:
            found["hires_strength"] = given
        if self.enable_hr:
            found["hires_strength"] = DEFAULT_HIRES_STRENGTH if given is None else given
            found["hires_sampler"] = self._hires_sampler[0]
            found["hires_model"] = self.hires_checkpoint()
        return found

    def strength(self) -> float | None:
        """The denoising strength as the client gave it; None without a picture to start from."""
        return None

    def not_applied(self) -> list[str]:
        """The fields, options and prompt syntax of the request that had no effect."""
        found = self._ignored_fields()
        unused = (*self._networks.left_out, *_NETWORKS.findall(self.negative_prompt))
        found += [each[:100] for each in dict.fromkeys(unused)]
        found += [f"styles: {name}" for name in self._unknown_styles]
        found += [
            f"ControlNet {number}: {name}"
            for number, unit in enumerate(self.control_units)
            for name in unit.not_applied()
        ]
        found += [*self._sampler[1], *self._hires_sampler[1]]
        options = self.override_settings or {}
        supported = self._supported_options()
        unsupported = {name: options[name] for name in options if name not in supported}
        found += [f"override_settings.{name}" for name in changed_options(unsupported)]
        found += [f"infotext: {each}" for each in self.imported.not_carried]
        return found

    def _supported_options(self) -> set[str]:
        """The options that have an effect in a request."""
        return _SUPPORTED_OPTIONS

    def _ignored_fields(self) -> list[str]:
        known = {name: getattr(self, name, None) for name in _IGNORED}
        known |= self.unused_refiner_values()
        if "enable_hr" not in self.model_fields_set or self._mode == "img2img":
            known |= {
                name: getattr(self, name)
                for name in HiresFields.model_fields
                if name in self.model_fields_set
            }
        known["alwayson_scripts"] = self._other_scripts()
        known["distilled_cfg_scale"] = None if self._has_true_cfg else self.distilled_cfg_scale
        values = self.values()
        # A client may send the same value in a field and in an option, and values for a hires fix
        # that it switches off.
        unknown = {
            name: value
            for name, value in (self.model_extra or {}).items()
            if (name not in values or values[name] != value)
            and not (name.startswith("hr_") and "enable_hr" in self.model_fields_set)
        }
        return without_effect({**known, **unknown}, values.get("sampler"))

    @cached_property
    def _sampler(self) -> tuple[str | None, list[str]]:
        return find_sampler(*self._sampler_names)

    @cached_property
    def _hires_sampler(self) -> tuple[str | None, list[str]]:
        return self.hires_sampler(*self._sampler_names)

    @property
    def _sampler_names(self) -> tuple[str, str]:
        return self.sampler_name or self.sampler_index or "", self.scheduler or ""


def _floor(size: int | None) -> int | None:
    return None if size is None else size // SIZE_MULTIPLE * SIZE_MULTIPLE
