"""Creating a scheduler from a sampler's label and the model's original config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import diffusers

from sdtui.core.errors import InvalidRequestError, Problem
from sdtui.core.samplers import SAMPLERS, scheduler_settings, split_label
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.resolved_request import ResolvedRequest
from sdtui.engine.schedulers import OWN_SCHEDULERS
from sdtui.engine.schedulers.base import with_schedule
from sdtui.engine.schedulers.noise_schedules import schedule_of


def make_scheduler(
    original: Any, label: str | None, family: str = "sd1", spacing: str | None = None
) -> Any:
    """Create a scheduler from the config of the model's `original` one; `label` None = the same
    class. (A config that was already changed would keep the changes.) `family` is the model's, on
    which some noise schedules depend; `spacing` replaces the config's `timestep_spacing`.

    Raises InvalidRequestError if the model is of the flow or EDM kind and the sampler isn't.
    """
    config = dict(original.config)
    if spacing is not None and "timestep_spacing" in config:
        config = dict(type(original).from_config(config, timestep_spacing=spacing).config)
    if label is None:
        return type(original).from_config(config)
    name, settings = scheduler_settings(label)
    schedule = schedule_of(split_label(label)[1] or "", family)
    if _is_edm(type(original).__name__):
        name, settings = _edm_settings(label)
    elif _is_flow(type(original).__name__, config):
        name, settings = _flow_settings(label, name, config)
        schedule = None
    kind: Any = OWN_SCHEDULERS.get(name) or getattr(diffusers, name)
    if schedule is not None:
        kind = with_schedule(kind, schedule)
    return kind.from_config(config, **settings)


def use_sampler(model: LoadedModel, request: ResolvedRequest) -> None:
    """Give a model's pipeline a new scheduler. Raises the errors of `make_scheduler`."""
    model.pipeline.scheduler = make_scheduler(
        model.own_scheduler, request.sampler, model.description.family, request.timestep_spacing
    )


def label_of(scheduler: Any) -> str:
    """Return the sampler label of a model's own scheduler, or its class's name if it has none."""
    name = type(scheduler).__name__
    plain = name.replace("FlowMatch", "")
    for label, sampler in SAMPLERS.items():
        if sampler.scheduler == plain and not sampler.settings:
            karras = sampler.takes_schedules and scheduler.config.get("use_karras_sigmas")
            return f"{label} Karras" if karras else label
    return "PLMS" if plain == "PNDMScheduler" else name


_EDM_SAMPLERS = {
    "Euler": "EDMEulerScheduler",
    "DPM++ 2M": "EDMDPMSolverMultistepScheduler",
    "DPM++ 2M Karras": "EDMDPMSolverMultistepScheduler",
}
"""Karras sigmas are what EDM models use by default."""
_FLOW_SAMPLERS = {
    "Euler": "FlowMatchEulerDiscreteScheduler",
    "Heun": "FlowMatchHeunDiscreteScheduler",
}
_FLOW_SCHEDULES = ("Simple", "SGM Uniform")
"""What ComfyUI calls the even steps that flow models take here."""


def _is_edm(name: str) -> bool:
    return name.startswith("EDM")


def _edm_settings(label: str) -> tuple[str, dict[str, object]]:
    """EDM models scale latents and timesteps in a way of their own."""
    if label in _EDM_SAMPLERS:
        return _EDM_SAMPLERS[label], {}
    raise InvalidRequestError(
        [
            Problem(
                "sampler",
                label,
                f'"{label}" can\'t be used with this model, which is of the EDM kind; '
                "leave the sampler open, or use Euler or DPM++ 2M",
            )
        ]
    )


def _is_flow(name: str, config: Mapping[str, Any]) -> bool:
    return name.startswith("FlowMatch") or config.get("prediction_type") == "flow_prediction"


def _flow_settings(
    label: str, name: str, config: Mapping[str, Any]
) -> tuple[str, dict[str, object]]:
    """Flow models pass their own sigmas, which most samplers don't accept."""
    sampler, schedule = split_label(label)
    is_own = schedule in (None, *_FLOW_SCHEDULES)
    if is_own and sampler in _FLOW_SAMPLERS:
        return _FLOW_SAMPLERS[sampler], {}
    if is_own and sampler == "UniPC":
        return name, {
            "use_flow_sigmas": True,
            "flow_shift": config.get("flow_shift", config.get("shift", 1.0)),
            "prediction_type": "flow_prediction",
        }
    raise InvalidRequestError(
        [
            Problem(
                "sampler",
                label,
                f'"{label}" can\'t be used with this model, which is of the flow kind; '
                "leave the sampler open, or take Euler, Heun or UniPC",
            )
        ]
    )
