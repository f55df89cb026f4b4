"""A request's limits, its messages, and its trip through JSON."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from sdtui.core.enums import Policy, Speed
from sdtui.core.errors import InvalidRequestError, Problem
from sdtui.requests.request import MAX_SEED, REQUEST_FIELDS, GenerationRequest
from sdtui.requests.sections.execution import Execution
from sdtui.requests.sections.image_to_image import ImageToImage
from sdtui.requests.validation import validate_fields


def ask(**values: Any) -> GenerationRequest:
    """A request with a prompt."""
    return GenerationRequest.parse({"prompt": "a cat", **values})


def through_json(request: GenerationRequest) -> GenerationRequest:
    """The request as it is read back."""
    adapter = TypeAdapter(GenerationRequest)
    return adapter.validate_json(adapter.dump_json(request))


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
        ("seed", 0, 2**64 - 1, 2),
        ("num_images_per_prompt", 1, 64, 1),
    ],
)
def test_values_outside_the_limits_are_refused(
    field: str, lowest: float, highest: float, step: float
) -> None:
    assert getattr(ask(**{field: lowest}), field) == lowest
    assert getattr(ask(**{field: highest}), field) == highest
    limits = ((lowest - step, f"least {lowest}"), (highest + step, f"most {highest}"))
    for outside, limit in limits:
        (problem,) = problems(**{field: outside})
        assert problem.field == field
        assert problem.value == outside
        assert problem.message == f"must be at {limit}, not {outside}"


def test_strength_is_between_0_and_1() -> None:
    for strength in (0, 1):
        assert ask(init_image="a.png", strength=strength).values()["strength"] == strength
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
    again = through_json(request)
    assert again.changed(seed=3).prompt == ""
    with pytest.raises(InvalidRequestError, match=r"prompt: is missing"):
        GenerationRequest.parse({}, prompt_needed=False)


def test_prompt_may_be_empty_or_missing_with_a_style_or_a_picture() -> None:
    for values in (
        {"styles": ["film"]},
        {"init_image": "a.png"},
        {"controls": ["canny:a.png"]},
        {"ip_adapters": ["plus:a.png"]},
    ):
        assert GenerationRequest.parse({"prompt": " ", **values}).prompt == " "
        assert GenerationRequest.parse(values).prompt == ""


def test_missing_prompt_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match=r"prompt: is missing"):
        GenerationRequest.parse({})


@pytest.mark.parametrize("field", ["prompt", "negative_prompt"])
def test_texts_over_32000_characters_are_refused(field: str) -> None:
    ask(**{field: "x" * 32_000})
    (problem,) = problems(**{field: "x" * 32_001})
    assert problem.field == field
    assert len(problem.message) < 150


def test_unknown_field_is_refused_by_name() -> None:
    assert str(problems(stesp=3)[0]) == "stesp: is not a field of a request"


def test_all_wrong_fields_are_reported_at_once() -> None:
    found = problems(width=1, height=9999, seed=-2)
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


@pytest.mark.parametrize(
    ("seed", "message"),
    [
        (2**64, "must be at most 18446744073709551615, not 18446744073709551616"),
        (
            str(2**64),
            "must be at most 18446744073709551615, not 18446744073709551616",
        ),
        (1e20, "must be at most 18446744073709551615, not 100000000000000000000"),
        ("9" * 5000, f"is too large a number: {'9' * 57}..."),
        (float("inf"), "must be a finite number, not inf"),
        ("0x10", "must be a whole number, not 0x10"),
        ("random", "must be a whole number, not random"),
        ("", 'must be a whole number, not ""'),
        ("  ", 'must be a whole number, not "  "'),
        (-2, "must be at least 0, not -2"),
    ],
)
def test_wrong_seed_is_named(seed: Any, message: str) -> None:
    (problem,) = problems(seed=seed)
    assert problem.message == message


@pytest.mark.parametrize("seed", [None, -1, -1.0, "-1"])
def test_minus_one_leaves_the_seed_open(seed: Any) -> None:
    assert ask(seed=seed).seed is None
    assert ask(seed=5).changed(seed=seed).seed is None


@pytest.mark.parametrize("seed", [0, 12345.0, 2.0**63, "12345", 2**53 + 1, str(2**63), 2**64 - 1])
def test_seed_keeps_all_its_digits(seed: Any) -> None:
    assert through_json(ask(seed=seed)).seed == int(seed)


def test_random_seeds_survive_javascript() -> None:
    assert all((ask().with_seed().seed or 0) < 2**32 for _ in range(100))


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
        assert through_json(request) == request


def test_changed_request_is_validated() -> None:
    assert ask(seed=1).changed(seed=2).seed == 2
    with pytest.raises(InvalidRequestError):
        ask().changed(width=7)


def test_every_field_has_a_label_and_help() -> None:
    for name, field in REQUEST_FIELDS.items():
        assert field.spec.label not in ("", name)
        assert field.spec.help


def test_json_schema_has_the_texts_of_the_fields() -> None:
    schema = TypeAdapter(GenerationRequest).json_schema()
    width = schema["properties"]["width"]
    assert width["description"] == REQUEST_FIELDS["width"].spec.help
    assert width["label"] == "Width"
    strength = schema["$defs"]["ImageToImage"]["properties"]["strength"]
    assert strength["description"] == REQUEST_FIELDS["strength"].spec.help


def test_fields_of_sections_are_taken_by_their_flat_names_too() -> None:
    flat = ask(init_image="a.png", strength=0.3, policy="strict")
    sections = ask(
        image_to_image={"image": "a.png", "strength": 0.3}, execution={"policy": "strict"}
    )
    assert flat == sections
    assert flat.image_to_image == ImageToImage(Path("a.png"), strength=0.3)
    assert flat.execution.policy is Policy.STRICT


def test_wrong_values_in_sections_have_the_same_names() -> None:
    (problem,) = problems(image_to_image={"image": "a.png", "strength": 2})
    assert str(problem) == "strength: must be at most 1, not 2"
    (problem,) = problems(image_to_image={"image": "a.png", "no": 2})
    assert str(problem) == "image_to_image.no: is not a field of a request"
    (problem,) = problems(image_to_image={"strength": 0.5})
    assert str(problem) == "strength: strength only has a meaning together with init_image"
    (problem,) = problems(execution=3)
    assert str(problem) == "execution: must be an object, not 3"


def test_fit_without_an_init_image_is_checked_but_has_no_effect() -> None:
    assert ask(init_image_fit="pad").image_to_image is None
    assert problems(init_image_fit="fill")[0].field == "init_image_fit"


def test_later_values_win_whichever_form_they_have() -> None:
    defaults = {"policy": "strict", "speed": "fast"}
    values = REQUEST_FIELDS.flat({"execution": {"policy": "keep"}})
    request = ask(**{**defaults, **values})
    assert request.execution == Execution(policy=Policy.KEEP, speed=Speed.FAST)


def test_json_of_version_0_1_is_read() -> None:
    text = """{"prompt": "a cat", "init_image": null, "init_image_fit": "crop", "strength": null,
        "policy": "strict", "memory_mode": "auto", "dtype": "auto", "speed": "quality"}"""
    request = TypeAdapter(GenerationRequest).validate_json(text)
    assert request.image_to_image is None
    assert request.execution.policy is Policy.STRICT


def test_some_fields_are_checked_alone() -> None:
    checked = validate_fields(REQUEST_FIELDS, {"strength": "0.5", "policy": "strict", "seed": None})
    assert checked == {"strength": 0.5, "policy": Policy.STRICT, "seed": None}
    with pytest.raises(InvalidRequestError) as caught:
        validate_fields(REQUEST_FIELDS, {"strength": 2, "width": 7, "no": 1})
    assert [problem.field for problem in caught.value.problems] == ["strength", "width", "no"]


def test_input_images() -> None:
    assert ask().input_images() == {}
    assert ask().first_input_image is None
    assert ask(init_image="a.png").input_images() == {"init_image": Path("a.png")}
    assert ask(init_image="a.png").first_input_image == Path("a.png")
    edit = ask(init_image="a.png", references=["b.png", "c.png"])
    assert edit.input_images() == {
        "init_image": Path("a.png"),
        "references.0": Path("b.png"),
        "references.1": Path("c.png"),
    }
    sent = REQUEST_FIELDS.map_files({"references": ["x", "y"]}, lambda name, data: (name, data))
    assert sent == {"references": [("references.0", "x"), ("references.1", "y")]}


@pytest.mark.parametrize("section", ["fast", ["fast"], 5])
@pytest.mark.parametrize("name", ["execution", "encoding"])
def test_wrong_section_is_refused_with_its_fields_given_flat(name: str, section: Any) -> None:
    (problem,) = problems(**{name: section}, speed="fast", clip_skip=2)
    assert problem.field == name
    assert problem.message.startswith("must be an object")


def test_wrong_type_of_a_path_is_named_plainly() -> None:
    (problem,) = problems(init_image=5)
    assert problem.message == "must be a path, not 5"
