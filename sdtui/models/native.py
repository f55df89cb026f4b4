"""The settings that a model works best with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from sdtui.core.samplers import DEFAULT_SAMPLER, SAMPLERS
from sdtui.models.distilled import Distilled, distilled_lora
from sdtui.models.traits import Traits
from sdtui.requests.request import REQUEST_FIELDS


@dataclass(frozen=True)
class NativeValues:
    """What a model works best with; None stands for the default of its pipeline."""

    width: int | None = None
    height: int | None = None
    """Width and height in pixels."""
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    sampler: str | None = None
    timestep_spacing: str | None = None
    """Set if LoRAs need another than that of the model's scheduler."""
    of_features: Mapping[str, Any] = field(default_factory=dict)
    """Values of features' fields, by their unique names."""

    def get(self, name: str) -> Any:
        """The native value of a field, by its unique name; None if there is none."""
        return self.of_features[name] if name in self.of_features else getattr(self, name, None)


_OWN_NAMES = {each.name for each in fields(NativeValues)}
_WITH_SAMPLERS = ("StableDiffusionPipeline", "StableDiffusionXLPipeline")
_REPLACEABLE = {
    *(sampler.scheduler for sampler in SAMPLERS.values()),
    "LMSDiscreteScheduler",
} - {"LCMScheduler", "TCDScheduler"}
"""Schedulers of ordinary diffusion, in whose place DEFAULT_SAMPLER gives the same pictures in fewer
steps. Others (EDM, LCM, TCD, flow matching) belong to how a model was trained."""


def family_values(
    pipeline_class: str, traits: Traits, distilled: Distilled | None, scheduler: Mapping[str, Any]
) -> NativeValues:
    """Return the size, steps, guidance and sampler of a family, or of a model distilled to few
    steps.

    `scheduler` is the config of the model's scheduler, possibly empty. The sampler is None, the
    model's own, where another would be wrong.
    """
    width, height = traits.size or (None, None)
    if distilled is not None:
        return NativeValues(
            width=width,
            height=height,
            num_inference_steps=distilled.num_inference_steps,
            guidance_scale=_guidance(distilled, traits.guidance_scale),
            sampler=distilled.sampler,
        )
    is_ordinary = (
        pipeline_class in _WITH_SAMPLERS
        and scheduler.get("_class_name") in (None, *_REPLACEABLE)
        and scheduler.get("prediction_type") != "flow_prediction"
    )
    return NativeValues(
        width=width,
        height=height,
        num_inference_steps=traits.num_inference_steps,
        guidance_scale=traits.guidance_scale,
        sampler=DEFAULT_SAMPLER if is_ordinary else None,
    )


def with_own_values(own: Mapping[str, Any], family: NativeValues, side: int | None) -> NativeValues:
    """Return a model's native values: its own, by unique field names, else those of its family;
    `side` = the native side in pixels where the family says none."""
    return NativeValues(
        width=own.get("width", family.width or side),
        height=own.get("height", family.height or side),
        num_inference_steps=own.get("num_inference_steps", family.num_inference_steps),
        guidance_scale=own.get("guidance_scale", family.guidance_scale),
        sampler=own.get("sampler", family.sampler),
        of_features={
            name: value
            for name, value in own.items()
            if name not in _OWN_NAMES and REQUEST_FIELDS[name].spec.native
        },
    )


def with_loras(native: NativeValues, family: str, loras: Iterable[str]) -> NativeValues:
    """Return native values with those of the first LoRA that makes a model of few steps, if there
    is one.

    `family` is that of the model's description, `loras` are names of files.
    """
    found = next(filter(None, (distilled_lora(name, family) for name in loras)), None)
    if found is None:
        return native
    return replace(
        native,
        num_inference_steps=found.num_inference_steps,
        guidance_scale=_guidance(found, native.guidance_scale),
        sampler=found.sampler or native.sampler,
        timestep_spacing=found.timestep_spacing,
    )


def _guidance(distilled: Distilled, usual: float | None) -> float | None:
    return usual if distilled.guidance_scale is None else distilled.guidance_scale
