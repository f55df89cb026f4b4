"""Every sampler label has a scheduler in diffusers."""

from __future__ import annotations

import inspect
from typing import Any

import diffusers
import pytest
import torch

from sdtui.core.errors import InvalidRequestError
from sdtui.core.samplers import SAMPLERS, SCHEDULES, calls_per_step, scheduler_settings
from sdtui.engine.samplers import label_of, make_scheduler
from sdtui.engine.schedulers import OWN_SCHEDULERS

_CONFIG = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


LABELS = (
    *SAMPLERS,
    *(f"{name} Karras" for name, sampler in SAMPLERS.items() if sampler.takes_schedules),
    *(f"DPM++ 2M {schedule}" for schedule in SCHEDULES),
    *(f"Euler a {schedule}" for schedule in SCHEDULES),
)
"""Each sampler alone and with a schedule, and each schedule with two samplers."""


def original(cls: str = "DDIMScheduler", **settings: Any) -> Any:
    """A model's own scheduler."""
    return getattr(diffusers, cls)(**{**_CONFIG, **settings})


# A warning of diffusers, which passes tensors to numpy.
@pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")
@pytest.mark.parametrize("label", LABELS)
def test_every_sampler_label_gives_a_scheduler(label: str) -> None:
    name, settings = scheduler_settings(label)
    kind: Any = OWN_SCHEDULERS.get(name) or getattr(diffusers, name)
    known = set(inspect.signature(kind).parameters)
    if name == "DPMSolverSinglestepScheduler":
        known.add("timestep_spacing")  # it has the linear one only, and that is what is asked for
    assert set(settings) <= known
    scheduler = make_scheduler(original(prediction_type="v_prediction"), label)
    assert type(scheduler).__name__ == name
    assert scheduler.config.prediction_type == "v_prediction"
    assert scheduler.config.beta_end == 0.012
    assert calls_per_step(label) == getattr(scheduler, "order", 1)
    for key, value in settings.items():
        assert scheduler.config.get(key, value) == value
    scheduler.set_timesteps(4)
    sample = torch.ones(1, 4, 8, 8) * scheduler.init_noise_sigma
    for timestep in scheduler.timesteps:
        model_input = scheduler.scale_model_input(sample, timestep)
        sample = scheduler.step(model_input * 0.1, timestep, sample).prev_sample
    assert torch.isfinite(sample).all()


def test_scheduler_settings_do_not_affect_the_next() -> None:
    model = original()
    make_scheduler(model, "DPM++ 2M Karras")
    assert not make_scheduler(model, "DPM++ 2M").config.use_karras_sigmas
    assert type(make_scheduler(model, None)) is type(model)
    assert make_scheduler(model, None) is not model


@pytest.mark.parametrize(
    ("scheduler", "label"),
    [
        (original("DDIMScheduler"), "DDIM"),
        (original("PNDMScheduler", skip_prk_steps=True), "PLMS"),
        (original("EulerDiscreteScheduler", use_karras_sigmas=True), "Euler Karras"),
        (diffusers.FlowMatchEulerDiscreteScheduler(), "Euler"),
        (original("DDIMInverseScheduler"), "DDIMInverseScheduler"),
    ],
)
def test_scheduler_of_the_model_is_named(scheduler: Any, label: str) -> None:
    assert label_of(scheduler) == label


def test_flow_models_accept_only_flow_samplers() -> None:
    model = diffusers.FlowMatchEulerDiscreteScheduler()
    for label in ("Euler", "Heun", "UniPC", "Euler Simple"):
        make_scheduler(model, label).set_timesteps(4, sigmas=[1.0, 0.75, 0.5, 0.25])
    with pytest.raises(InvalidRequestError, match="flow kind"):
        make_scheduler(model, "DPM++ 2M Karras")


def test_flow_model_takes_the_sampler_of_its_own_scheduler() -> None:
    own = diffusers.DPMSolverMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
    )
    assert make_scheduler(own, label_of(own)).config == make_scheduler(own, None).config


def test_heun_of_flow_models_is_that_of_diffusers() -> None:
    model = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    found = []
    plain: Any = diffusers.FlowMatchHeunDiscreteScheduler(shift=3.0)
    for scheduler in (make_scheduler(model, "Heun"), plain):
        scheduler.set_timesteps(5)
        sample = torch.linspace(-1, 1, 8)
        for timestep in scheduler.timesteps:
            prediction = torch.sin(3 * sample) * timestep / 1000
            sample = scheduler.step(prediction, timestep, sample, return_dict=False)[0]
        found.append(sample)
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("label", ["Euler", "DPM++ 2M", "DPM++ 2M Karras"])
def test_edm_model_gets_the_edm_form_of_a_sampler(label: str) -> None:
    model = diffusers.EDMEulerScheduler(sigma_max=120.0, prediction_type="v_prediction")
    scheduler = make_scheduler(model, label)
    assert type(scheduler).__name__.startswith("EDM")
    assert scheduler.config.sigma_max == 120.0
    assert scheduler.config.prediction_type == "v_prediction"


def test_edm_model_refuses_other_samplers() -> None:
    with pytest.raises(InvalidRequestError, match="EDM kind"):
        make_scheduler(diffusers.EDMEulerScheduler(), "DDIM")
