"""Samplers by their usual names, and their schedulers.

A label is the name of a sampler, optionally with a noise schedule: "DPM++ 2M Karras". The table is
that of diffusers (docs: api/schedulers/overview), where "DPM++ SDE" is the single-step solver: its
stochastic form needs no further package and draws noise from the seed of the picture. What
diffusers lacks is in `engine/schedulers/`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from sdtui.core.errors import InvalidRequestError, Problem
from sdtui.core.text import nearest, shortened


@dataclass(frozen=True)
class Sampler:
    """The name of a scheduler class, and its settings for this sampler."""

    scheduler: str
    settings: Mapping[str, object] = field(default_factory=dict)
    scheduled: str | None = None
    """The class that takes a noise schedule; None = the same."""
    takes_schedules: bool = True
    calls: int = 1
    """Of the denoiser in a step: 2 for samplers of second order."""


SAMPLERS: Mapping[str, Sampler] = {
    "DPM++ 2M": Sampler("DPMSolverMultistepScheduler"),
    "DPM++ 2M SDE": Sampler("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "DPM++ 2M SDE Heun": Sampler(
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "sde-dpmsolver++", "solver_type": "heun"},
    ),
    "DPM++ 3M SDE": Sampler("DPMSolver3MSDEScheduler"),
    "DPM++ SDE": Sampler("DPMSolverSinglestepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "DPM++ 2S a": Sampler("DPMSolverAncestralScheduler", calls=2),
    "Euler": Sampler("EulerDiscreteScheduler"),
    "Euler a": Sampler("EulerAncestralDiscreteScheduler", scheduled="EulerAncestralScheduler"),
    "Heun": Sampler("HeunDiscreteScheduler", calls=2),
    "DPM2": Sampler("KDPM2DiscreteScheduler", calls=2),
    "DPM2 a": Sampler("KDPM2AncestralDiscreteScheduler", calls=2),
    "LMS": Sampler("LMSDiscreteScheduler"),
    "Restart": Sampler("RestartScheduler", calls=2),
    "UniPC": Sampler("UniPCMultistepScheduler"),
    "DEIS": Sampler("DEISMultistepScheduler"),
    "DDIM": Sampler("DDIMScheduler", takes_schedules=False),
    "DDPM": Sampler("DDPMScheduler", takes_schedules=False),
    "PLMS": Sampler("PNDMScheduler", {"skip_prk_steps": True}, takes_schedules=False),
    "LCM": Sampler("LCMScheduler", takes_schedules=False),
    "TCD": Sampler("TCDScheduler", takes_schedules=False),
}

_KARRAS: Mapping[str, object] = {"use_karras_sigmas": True}

SCHEDULES: Mapping[str, Mapping[str, object]] = {
    "Karras": _KARRAS,
    "Exponential": {"use_exponential_sigmas": True, "timestep_spacing": "linspace"},
    "Polyexponential": _KARRAS,
    "SGM Uniform": _KARRAS,
    "KL Optimal": _KARRAS,
    "Align Your Steps": _KARRAS,
    "Simple": _KARRAS,
    "DDIM": _KARRAS,
    "Beta": _KARRAS,
}
"""With the schedulers' settings. What comes after Exponential is computed by sdtui in place of
Karras's schedule (`engine/schedulers/`)."""

PLAIN_SCHEDULES = ("Uniform", "Normal")
"""A1111's names for even timesteps, which a sampler without a schedule takes."""

DEFAULT_SAMPLER = "DPM++ 2M Karras"
"""For SD 1.x, 2.x and SDXL."""


def sampler_labels() -> tuple[str, ...]:
    """All labels; each sampler is followed by its variants with a noise schedule."""
    labels: list[str] = []
    for name, sampler in SAMPLERS.items():
        labels.append(name)
        if sampler.takes_schedules:
            labels.extend(f"{name} {schedule}" for schedule in SCHEDULES)
    return tuple(labels)


@cache
def _labels_without_case() -> Mapping[str, str]:
    """All labels by their casefolded form."""
    return {label.casefold(): label for label in sampler_labels()}


def plain_name(name: str) -> str:
    """The letters and digits of a sampler's name: "DPM++ 2M", "dpmpp_2m" and "dpmpp-2m" are the
    same."""
    return re.sub(r"[^a-z0-9]+", "", name.lower().replace("++", "pp"))


def split_label(label: str) -> tuple[str, str | None]:
    """Split a label into sampler and noise schedule (or None), ignoring case.

    Raises InvalidRequestError with the nearest label if there is no such sampler.
    """
    known = _labels_without_case()
    match = known.get(" ".join(label.split()).casefold())
    if match is None:
        by_plain_name = {plain_name(valid): valid for valid in known.values()}
        near = nearest(plain_name(label), by_plain_name)
        hint = f'did you mean "{by_plain_name[near]}"?' if near else '"sdtui samplers" lists them'
        raise InvalidRequestError(
            [Problem("sampler", label, f'there is no sampler "{shortened(label)}"; {hint}')]
        )
    for schedule in SCHEDULES:
        name = match.removesuffix(f" {schedule}")
        if name != match and name in SAMPLERS:
            return name, schedule
    return match, None


def canonical_label(label: str) -> str:
    """Normalise the case of a label."""
    name, schedule = split_label(label)
    return f"{name} {schedule}" if schedule else name


def scheduler_settings(label: str) -> tuple[str, dict[str, object]]:
    """The name of the scheduler class, and the settings that override the model's config."""
    name, schedule = split_label(label)
    sampler = SAMPLERS[name]
    if schedule is None:
        return sampler.scheduler, {**sampler.settings}
    return sampler.scheduled or sampler.scheduler, {**sampler.settings, **SCHEDULES[schedule]}


def calls_per_step(label: str) -> int:
    """Return how often a sampler calls the denoiser in a step; 1 for one of a model's own."""
    name, _ = sampler_and_schedule(label)
    return SAMPLERS[name].calls if name in SAMPLERS else 1


def sampler_and_schedule(label: str) -> tuple[str, str | None]:
    """The parts of a label; of a scheduler of a model's own, which has no label, its name alone."""
    try:
        return split_label(label)
    except InvalidRequestError:
        return label, None
