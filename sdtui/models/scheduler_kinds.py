"""Which samplers can take the place of a model's own scheduler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdtui.core.errors import InvalidRequestError, Problem
from sdtui.core.samplers import SAMPLERS, scheduler_settings, split_label

_EDM_SAMPLERS = {
    "Euler": "EDMEulerScheduler",
    "DPM++ 2M": "EDMDPMSolverMultistepScheduler",
    "DPM++ 2M Karras": "EDMDPMSolverMultistepScheduler",
}
"""EDM models scale latents and timesteps in a way of their own. Karras sigmas are what they use by
default."""
_FLOW_SAMPLERS = {
    "Euler": "FlowMatchEulerDiscreteScheduler",
    "Heun": "FlowMatchHeunDiscreteScheduler",
}
"""Flow models pass their own sigmas, which most samplers don't accept."""
_FLOW_SCHEDULES = ("Simple", "SGM Uniform")
"""What ComfyUI calls the even steps that flow models take here."""


def sampler_label(scheduler: Mapping[str, Any]) -> str:
    """Return the sampler label of a model's own scheduler with this config, or its class's name if
    it has none."""
    name = str(scheduler.get("_class_name", ""))
    plain = name.replace("FlowMatch", "")
    for label, sampler in SAMPLERS.items():
        if sampler.scheduler == plain and not sampler.settings:
            karras = sampler.takes_schedules and scheduler.get("use_karras_sigmas")
            return f"{label} Karras" if karras else label
    return "PLMS" if plain == "PNDMScheduler" else name


def is_flow(scheduler: Mapping[str, Any]) -> bool:
    """Return whether a scheduler with this config is of the flow kind."""
    name = str(scheduler.get("_class_name", ""))
    return name.startswith("FlowMatch") or scheduler.get("prediction_type") == "flow_prediction"


def is_edm(scheduler: Mapping[str, Any]) -> bool:
    """Return whether a scheduler with this config is of the EDM kind."""
    return str(scheduler.get("_class_name", "")).startswith("EDM")


def replacement(label: str, scheduler: Mapping[str, Any]) -> tuple[str, dict[str, object]]:
    """Return the class of the scheduler that is a sampler for a model whose own scheduler has this
    config, and the settings that override the config.

    Raises InvalidRequestError if the model is of the flow or EDM kind and the sampler isn't.
    """
    name, settings = scheduler_settings(label)
    if is_edm(scheduler):
        if label not in _EDM_SAMPLERS:
            raise _unusable(label, "EDM", "Euler or DPM++ 2M")
        return _EDM_SAMPLERS[label], {}
    if not is_flow(scheduler):
        return name, settings
    if label == sampler_label(scheduler):
        return str(scheduler["_class_name"]), {}
    sampler, schedule = split_label(label)
    is_even = schedule in (None, *_FLOW_SCHEDULES)
    if is_even and sampler in _FLOW_SAMPLERS:
        return _FLOW_SAMPLERS[sampler], {}
    if is_even and sampler == "UniPC":
        return "FlowUniPCScheduler", {
            "use_flow_sigmas": True,
            "flow_shift": scheduler.get("flow_shift", scheduler.get("shift", 1.0)),
            "prediction_type": "flow_prediction",
        }
    raise _unusable(label, "flow", "Euler, Heun or UniPC")


def _unusable(label: str, kind: str, others: str) -> InvalidRequestError:
    message = f'"{label}" doesn\'t work with models of the {kind} kind: take {others}'
    return InvalidRequestError([Problem("sampler", label, message)])
