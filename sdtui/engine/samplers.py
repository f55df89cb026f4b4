"""Creating a scheduler from a sampler's label and the model's original config."""

from __future__ import annotations

from typing import Any

import diffusers

from sdtui.core.samplers import split_label
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.resolved_request import ResolvedRequest
from sdtui.engine.schedulers import OWN_SCHEDULERS
from sdtui.engine.schedulers.base import with_schedule
from sdtui.engine.schedulers.noise_schedules import schedule_of
from sdtui.models.scheduler_kinds import is_flow, replacement, sampler_label


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
    named = _config(original)
    name, settings = replacement(label, named)
    schedule = None if is_flow(named) else schedule_of(split_label(label)[1] or "", family)
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
    return sampler_label(_config(scheduler))


def _config(scheduler: Any) -> dict[str, Any]:
    return {**scheduler.config, "_class_name": type(scheduler).__name__}
