"""Spellings of samplers."""

from __future__ import annotations

import pytest

from sdtui.core.sampler_names import known_label, label_of_sampler
from sdtui.core.samplers import sampler_labels
from sdtui.requests.request import GenerationRequest


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("dpmpp_2m_karras", "DPM++ 2M Karras"),
        ("DPM++ 2M karras", "DPM++ 2M Karras"),
        ("dpm++2m-Karras", "DPM++ 2M Karras"),
        ("k_dpmpp_2m", "DPM++ 2M"),
        ("K-DPMPP-2M_k", "DPM++ 2M Karras"),
        ("dpmpp_2m+karras", "DPM++ 2M Karras"),
        ("dpmpp_2m_sde_gpu", "DPM++ 2M SDE"),
        ("dpmpp_sde_gpu exponential", "DPM++ SDE Exponential"),
        ("sample_dpm_2_ancestral", "DPM2 a"),
        ("DPMSolverMultistepScheduler", "DPM++ 2M"),
        ("DPMSolverMultistep", "DPM++ 2M"),
        ("EulerAncestralDiscreteScheduler", "Euler a"),
        ("KDPM2DiscreteScheduler", "DPM2"),
        ("PNDMScheduler", "PLMS"),
        ("pndm", "PLMS"),
        ("k_euler_a", "Euler a"),
        ("Euler A", "Euler a"),
        ("euler-ancestral", "Euler a"),
        ("  uni pc ", "UniPC"),
        ("euler_a_karras", "Euler a Karras"),
        ("LMS", "LMS"),
        ("dpmpp_2s_ancestral", "DPM++ 2S a"),
        ("dpmpp_2m_sgm_uniform", "DPM++ 2M SGM Uniform"),
        ("euler ays", "Euler Align Your Steps"),
        ("euler_ddim_uniform", "Euler DDIM"),
    ],
)
def test_sampler_is_known_in_any_spelling(name: str, label: str) -> None:
    assert known_label(name) == label
    assert GenerationRequest.parse({"prompt": "x", "sampler": name}).sampler == label


def test_every_label_is_known_in_plain_letters() -> None:
    for label in sampler_labels():
        assert known_label(label.lower().replace("++", "pp").replace(" ", "_")) == label
        assert label_of_sampler(label) == (label, None)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("dpmpp_2m_karas", 'did you mean "DPM++ 2M Karras"?'),
        ("k_eulr_a", 'did you mean "Euler a"?'),
        ("dpm_fast", 'the one most like it is "DPM++ 2M Karras"'),
        ("dpmpp_2s_ancestral_cfgpp", 'the one most like it is "DPM++ 2S a Karras"'),
        ("DPMSolverSinglestepScheduler", '"sdtui samplers" lists them'),
        ("\udcff", '"sdtui samplers" lists them'),
        ("", '"sdtui samplers" lists them'),
    ],
)
def test_unknown_spelling_is_refused_with_the_nearest_label(name: str, hint: str) -> None:
    with pytest.raises(ValueError, match="there is no sampler") as caught:
        known_label(name)
    assert hint in str(caught.value)


@pytest.mark.parametrize("name", ["automatic", "Default", "normal"])
def test_word_for_the_default_is_left_to_the_model(name: str) -> None:
    with pytest.raises(ValueError, match="leave it open for the model's own"):
        known_label(name)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Euler a Automatic", "Euler a"),
        ("DPM++ 2M Automatic", "DPM++ 2M Karras"),
        ("euler_normal", "Euler"),
        ("ddim uniform", "DDIM"),
    ],
)
def test_plain_schedule_may_stand_behind_a_name(name: str, label: str) -> None:
    assert known_label(name) == label


@pytest.mark.parametrize("name", ["DDIM Karras", "plms_karras", "LCM  KARRAS"])
def test_a_sampler_without_schedules_says_so(name: str) -> None:
    with pytest.raises(ValueError, match=r"(DDIM|PLMS|LCM) takes no noise schedule such as Karras"):
        known_label(name)
