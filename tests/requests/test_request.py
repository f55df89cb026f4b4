"""A request's limits, its messages, and its trip through JSON."""

from __future__ import annotations

import math
from typing import Any, get_type_hints

import pytest

from sdtui.core.errors import InvalidRequestError, Problem
from sdtui.requests.fields import MAX_SEED, REQUEST_FIELDS
from sdtui.requests.request import GenerationRequest


def ask(**values: Any) -> GenerationRequest:
    """A request with a prompt."""
    return GenerationRequest.parse({"prompt": "a cat", **values})


def problems(**values: Any) -> tuple[Problem, ...]:
    """What is wrong with these values."""
    with pytest.raises(InvalidRequestError) as caught:
        ask(**values)
    assert "\n" not in str(caught.value)
    return caught.value.problems


@pytest.mark.parametrize(
    ("field", "lowest", "highest", "step"),
    [
        ("num_inference_steps", 1, 150, 1),
        ("guidance_scale", 0, 30, 0.01),
        ("width", 64, 2048, 8),
        ("height", 64, 2048, 8),
        ("seed", 0, 2**32 - 1, 1),
        ("num_images_per_prompt", 1, 64, 1),
    ],
)
def test_values_outside_the_limits_are_refused(
    field: str, lowest: float, highest: float, step: float
) -> None:
    assert getattr(ask(**{field: lowest}), field) == lowest
    assert getattr(ask(**{field: highest}), field) == highest
    for outside, limit in ((lowest - step, lowest), (highest + step, highest)):
        (problem,) = problems(**{field: outside})
        assert problem.field == field
        assert problem.value == outside
        assert f"equal to {limit}, not {outside}" in problem.message


def test_strength_is_between_0_and_1() -> None:
    assert ask(init_image="a.png", strength=0).strength == 0
    assert ask(init_image="a.png", strength=1).strength == 1
    for outside in (-0.01, 1.01):
        assert problems(init_image="a.png", strength=outside)[0].field == "strength"


@pytest.mark.parametrize("field", ["guidance_scale", "strength"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_refused(field: str, value: float) -> None:
    assert problems(init_image="a.png", **{field: value})[0].field == field


@pytest.mark.parametrize("field", ["width", "height"])
def test_sizes_are_multiples_of_eight(field: str) -> None:
    (problem,) = problems(**{field: 513})
    assert problem.field == field
    assert problem.message == "must be a multiple of 8, not 513"


@pytest.mark.parametrize("prompt", ["", " ", "\n\t", "\u00a0"])
def test_empty_prompt_is_refused(prompt: str) -> None:
    (problem,) = problems(prompt=prompt)
    assert str(problem) == "prompt: must not be empty: say what the picture should show"


def test_empty_prompt_is_accepted_where_none_is_needed() -> None:
    request = GenerationRequest.parse({"prompt": ""}, prompt_needed=False)
    again = GenerationRequest.model_validate_json(request.model_dump_json())
    assert again.changed(seed=3).prompt == ""
    with pytest.raises(InvalidRequestError, match=r"prompt: is missing"):
        GenerationRequest.parse({}, prompt_needed=False)


def test_missing_prompt_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match=r"prompt: is missing"):
        GenerationRequest.parse({})


@pytest.mark.parametrize("field", ["prompt", "negative_prompt"])
def test_texts_over_20000_characters_are_refused(field: str) -> None:
    ask(**{field: "x" * 20_000})
    (problem,) = problems(**{field: "x" * 20_001})
    assert problem.field == field
    assert len(problem.message) < 150


def test_unknown_field_is_refused_by_name() -> None:
    assert str(problems(stesp=3)[0]) == "stesp: is not a field of a request"


def test_all_wrong_fields_are_reported_at_once() -> None:
    found = problems(width=1, height=9999, seed=-1)
    assert [problem.field for problem in found] == ["width", "height", "seed"]


def test_strength_without_an_init_image_is_refused() -> None:
    (problem,) = problems(strength=0.5)
    assert problem.field == "strength"
    assert "init_image" in problem.message


@pytest.mark.parametrize("field", ["num_inference_steps", "guidance_scale", "width", "prompt"])
def test_true_is_refused_as_a_number(field: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{field}: must not be true"):
        GenerationRequest.parse({"prompt": "x", field: True})


@pytest.mark.parametrize("field", ["policy", "memory_mode", "dtype", "init_image_fit"])
def test_wrong_choice_is_refused_with_the_choices(field: str) -> None:
    (problem,) = problems(**{field: "wrong"})
    assert problem.field == field
    assert problem.message.startswith("must be '")
    assert problem.message.endswith("not wrong")


def test_sampler_label_is_normalised() -> None:
    assert ask(sampler="dpm++ 2m  KARRAS").sampler == "DPM++ 2M Karras"
    (problem,) = problems(sampler="Eulr a")
    assert str(problem) == 'sampler: there is no sampler "Eulr a"; did you mean "Euler a"?'


@pytest.mark.parametrize("value", ["1.5", 1.5, "many", None, []])
def test_fractional_number_of_pictures_is_refused(value: Any) -> None:
    assert problems(num_images_per_prompt=value)[0].field == "num_images_per_prompt"


def test_seeds_of_a_batch_wrap_around() -> None:
    assert ask(seed=MAX_SEED - 1, num_images_per_prompt=4).seeds() == (
        MAX_SEED - 1,
        MAX_SEED,
        0,
        1,
    )
    with pytest.raises(ValueError, match="open"):
        ask().seeds()


def test_request_survives_json() -> None:
    for request in (
        ask(),
        ask(
            negative_prompt="blurry 🐈 \x1b[31m",
            model="a/b",
            sampler="Euler a",
            num_inference_steps=3,
            guidance_scale=0.1,
            width=64,
            height=2048,
            seed=MAX_SEED,
            num_images_per_prompt=2,
            init_image="/tmp/a b.png",
            init_image_fit="pad",
            strength=0.3,
            policy="strict",
            memory_mode="full",
            dtype="bfloat16",
        ),
    ):
        assert GenerationRequest.model_validate_json(request.model_dump_json()) == request


def test_changed_request_is_validated() -> None:
    assert ask(seed=1).changed(seed=2).seed == 2
    with pytest.raises(InvalidRequestError):
        ask().changed(width=7)


def test_every_field_has_a_label_and_help() -> None:
    for name, field in GenerationRequest.model_fields.items():
        extra = field.json_schema_extra
        assert isinstance(extra, dict)
        assert extra["label"] not in ("", name)
        assert field.description


def test_fields_have_the_types_of_their_definitions() -> None:
    hints = get_type_hints(GenerationRequest)
    assert list(REQUEST_FIELDS) == list(GenerationRequest.model_fields)
    for name, field in REQUEST_FIELDS.items():
        is_open = field.default is None
        assert hints[name] == (field.type | None if is_open else field.type), name
