"""Making a picture again with one value changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sdtui.core.errors import InvalidRequestError
from sdtui.requests.record import GenerationRecord
from sdtui.requests.sections.templates import Templates
from sdtui.tui.variations import (
    Variable,
    picture_request,
    variables,
    variations,
    with_new_seed,
)
from tests.support.records import record

MADE = record(seed=7, pictures=4, sampler="Euler", steps=20, guidance=5)


def by_letter(made: GenerationRecord, letter: str) -> Variable:
    return next(each for each in variables(made) if each.letter == letter)


def values(letter: str, text: str, name: str, made: GenerationRecord = MADE) -> list[object]:
    """Return the values of a field in the requests."""
    found = variations(made, by_letter(made, letter), text)
    return [each.values()[name] for each in found]


def test_letters_are_those_of_the_recipe() -> None:
    letters = "".join(each.letter for each in variables(MADE))
    assert sorted(letters) == sorted("p-lmstcwenyh")


def test_strength_can_be_varied_only_with_a_start_image() -> None:
    assert "x" not in {each.letter for each in variables(MADE)}
    made = record(init_image=Path("/a b.png"), strength=0.5)
    assert values("x", "0.3,0.7", "strength", made) == [0.3, 0.7]
    assert values("x", "0.3", "init_image", made) == [Path("/a b.png")]


def test_only_the_one_value_changes() -> None:
    (request,) = variations(MADE, by_letter(MADE, "s"), "ddim")
    before = picture_request(MADE).values()
    assert {name: value for name, value in request.values().items() if value != before[name]} == {
        "sampler": "DDIM"
    }
    assert request.seed == 7
    assert request.num_images_per_prompt == 1


def test_commas_separate_several_values() -> None:
    assert values("c", "3, 7.5,7.5,", "guidance_scale") == [3, 7.5]
    assert values("t", "10,30", "num_inference_steps") == [10, 30]
    assert values("w", "64x128, 128 64", "height") == [128, 64]


def test_the_value_that_the_picture_has_is_left_out() -> None:
    assert values("t", "10,20,30", "num_inference_steps") == [10, 30]
    with pytest.raises(InvalidRequestError, match="is what the picture was made with"):
        values("t", "20", "num_inference_steps")


def test_commas_of_prompts_are_text() -> None:
    assert values("p", "a cat, oil painting", "prompt") == ["a cat, oil painting"]
    with pytest.raises(InvalidRequestError, match="made with"):
        values("-", "", "negative_prompt")


def test_an_empty_seed_is_a_new_one() -> None:
    assert values("e", "", "seed") == [None]
    assert values("e", "8,9", "seed") == [8, 9]


def test_more_pictures_have_new_seeds() -> None:
    (request,) = variations(MADE, by_letter(MADE, "n"), "8")
    assert (request.seed, request.num_images_per_prompt) == (None, 8)


@pytest.mark.parametrize(
    ("letter", "text", "reason"),
    [
        ("t", "", "type a value"),
        ("t", "0", "must be at least 1"),
        ("t", "many", "number"),
        ("c", "5,99", "30"),
        ("s", "eulr", "Euler"),
        ("w", "512", "512x768"),
        ("n", "99", "64"),
    ],
)
def test_wrong_values_are_refused_with_the_reason(letter: str, text: str, reason: str) -> None:
    with pytest.raises(InvalidRequestError) as error:
        variations(MADE, by_letter(MADE, letter), text)
    assert reason in str(error.value)


def test_variations_keep_the_prompt_that_was_made_of_a_template() -> None:
    template = replace(record("a {red|blue} cat").request, templates=Templates(styles=("film",)))
    made = record("a red cat, {grain}").model_copy(update={"request": template})
    for request in (picture_request(made), with_new_seed(made)):
        assert request.prompt == r"a red cat, \{grain\}"
        assert request.templates.styles == ()
    assert by_letter(made, "p").current == r"a red cat, \{grain\}"
