"""The samplers under the names that people know, and what each is in diffusers.

A label is a sampler and, behind it, a noise schedule: "DPM++ 2M" + "Karras". The table follows
diffusers' own (docs: api/schedulers/overview); "DPM++ SDE" there is the single-step solver,
which in its stochastic form needs no further package and draws from the picture's own seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sdtui.core.errors import InvalidRequestError, Problem
from sdtui.core.nearest import nearest


@dataclass(frozen=True)
class Sampler:
    """A scheduler class of diffusers, by name, and the settings that make it this sampler."""

    scheduler: str
    settings: Mapping[str, object] = field(default_factory=dict)
    takes_sigmas: bool = True
    """Whether the class knows `use_karras_sigmas` and `use_exponential_sigmas`."""


SAMPLERS: Mapping[str, Sampler] = {
    "DPM++ 2M": Sampler("DPMSolverMultistepScheduler"),
    "DPM++ 2M SDE": Sampler("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "DPM++ SDE": Sampler("DPMSolverSinglestepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "Euler": Sampler("EulerDiscreteScheduler"),
    "Euler a": Sampler("EulerAncestralDiscreteScheduler", takes_sigmas=False),
    "Heun": Sampler("HeunDiscreteScheduler"),
    "DPM2": Sampler("KDPM2DiscreteScheduler"),
    "DPM2 a": Sampler("KDPM2AncestralDiscreteScheduler"),
    "UniPC": Sampler("UniPCMultistepScheduler"),
    "DEIS": Sampler("DEISMultistepScheduler"),
    "DDIM": Sampler("DDIMScheduler", takes_sigmas=False),
    "DDPM": Sampler("DDPMScheduler", takes_sigmas=False),
    "PLMS": Sampler("PNDMScheduler", {"skip_prk_steps": True}, takes_sigmas=False),
    "LCM": Sampler("LCMScheduler", takes_sigmas=False),
    "TCD": Sampler("TCDScheduler", takes_sigmas=False),
}

SCHEDULES: Mapping[str, Mapping[str, object]] = {
    "Karras": {"use_karras_sigmas": True},
    "Exponential": {"use_exponential_sigmas": True, "timestep_spacing": "linspace"},
}

DEFAULT_SAMPLER = "DPM++ 2M Karras"
"""For families whose own schedule it suits (SD 1.x, 2.x, SDXL)."""


def sampler_labels() -> tuple[str, ...]:
    """Every label, each sampler followed by its forms with a noise schedule."""
    labels: list[str] = []
    for name, sampler in SAMPLERS.items():
        labels.append(name)
        if sampler.takes_sigmas:
            labels.extend(f"{name} {schedule}" for schedule in SCHEDULES)
    return tuple(labels)


def split_label(label: str) -> tuple[str, str | None]:
    """The sampler's name and the noise schedule (or None) that a label is made of.

    Upper and lower case count as the same. Raises InvalidRequestError with the nearest valid
    label if there is no such sampler.
    """
    known = {valid.casefold(): valid for valid in sampler_labels()}
    found = known.get(" ".join(label.split()).casefold())
    if found is None:
        near = nearest(label, known.values())
        hint = f'did you mean "{near}"?' if near else '"sdtui samplers" lists them'
        raise InvalidRequestError(
            [Problem("sampler", label, f'there is no sampler "{label}"; {hint}')]
        )
    for schedule in SCHEDULES:
        if found.endswith(f" {schedule}"):
            return found.removesuffix(f" {schedule}"), schedule
    return found, None


def canonical_label(label: str) -> str:
    """The label as we write it, for one in any upper and lower case."""
    name, schedule = split_label(label)
    return f"{name} {schedule}" if schedule else name


def scheduler_settings(label: str) -> tuple[str, dict[str, object]]:
    """The scheduler class's name and the settings to lay over the model's own config."""
    name, schedule = split_label(label)
    sampler = SAMPLERS[name]
    return sampler.scheduler, {**sampler.settings, **(SCHEDULES[schedule] if schedule else {})}


def sampler_and_schedule(label: str) -> tuple[str, str | None]:
    """The parts of a label; of a scheduler of a model's own, which has no label, its name alone."""
    try:
        return split_label(label)
    except InvalidRequestError:
        return label, None
