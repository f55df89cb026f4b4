"""What the chips of a recipe say, and how they fit into the window."""

from __future__ import annotations

from itertools import pairwise

import pytest

from sdtui.models import NativeValues
from sdtui.tui.chips import MARK, chips, groups, place_chips
from sdtui.tui.recipe import Recipe

POCKET = NativeValues(128, 128, 20, 3.0, "DDIM")


@pytest.fixture
def recipe() -> Recipe:
    """The recipe of the drawing in the manual: five values were changed."""
    recipe = Recipe({"model": "pocket"})
    recipe.use_native(POCKET)
    recipe.change(
        {
            "sampler": "Euler a",
            "seed": "1279175743",
            "num_images_per_prompt": "8",
            "init_image": "/pictures/tiger-640.png",
            "strength": "0.5",
        }
    )
    return recipe


def line(recipe: Recipe, width: int) -> str:
    """The chips in one line, parted as they are drawn."""
    text = ""
    for each in place_chips(chips(recipe), width):
        assert each.line == 0
        text = text.ljust(each.column) + each.text
    return text


def test_values_are_those_of_the_request(recipe: Recipe) -> None:
    assert line(recipe, 116) == (
        "pocket  Euler a•  20 steps  cfg 3  128×128  seed 1279175743•  ×8•"
        "  from tiger-640.png @0.5•"
    )


def test_a_narrow_window_gets_short_forms(recipe: Recipe) -> None:
    assert line(recipe, 76) == (
        "pocket Euler a• 20 cfg 3 128×128 seed …743• ×8• from tiger-640.png @0.5•"
    )


def test_unchanged_chips_give_way_from_the_right(recipe: Recipe) -> None:
    assert line(recipe, 70) == "pocket Euler a• 20 cfg 3 seed …743• ×8• from tiger-640.png @0.5•"
    assert line(recipe, 52) == "Euler a• seed …743• ×8• from tiger-640.png @0.5•"


@pytest.mark.parametrize("width", [5, 12, 20, 30, 48])
def test_a_changed_chip_is_never_left_out(recipe: Recipe, width: int) -> None:
    placed = place_chips(chips(recipe), width)
    shown = [each.chip.name for each in placed]
    assert shown == ["sampler", "seed", "num_images_per_prompt", "init_image"]
    assert all(each.end <= width for each in placed)
    for one, other in pairwise(placed):
        assert (one.line, one.end) < (other.line, other.column + 1)


def test_a_wrong_chip_is_never_left_out(recipe: Recipe) -> None:
    recipe.problems = {"height": "must be a multiple of 8"}
    (size,) = (each.chip for each in place_chips(chips(recipe), 10) if each.chip.is_wrong)
    assert size.fields == ("width", "height")


def test_what_equals_the_models_own_value_has_no_mark(recipe: Recipe) -> None:
    recipe.change({"num_inference_steps": "20", "width": "128", "height": "256"})
    by_name = {each.name: each for each in chips(recipe)}
    assert not by_name["num_inference_steps"].is_changed
    assert by_name["width"].is_changed
    assert by_name["width"].text == "128×256"


def test_fields_without_a_chip_are_shown_once_changed() -> None:
    recipe = Recipe({"speed": "fast"})
    assert "speed" not in {each.name for each in chips(recipe)}
    recipe.change({"speed": "quality", "clip_skip": "2", "policy": "strict"})
    texts = [each.text + MARK * each.is_changed for each in chips(recipe)]
    assert texts[-3:] == [
        "clip skip 2•",
        "when memory runs out change nothing•",
        "speed quality•",
    ]


def test_strength_counts_only_with_an_init_image() -> None:
    recipe = Recipe({})
    recipe.change({"strength": "0.3", "init_image_fit": "pad"})
    assert not any(each.is_changed for each in chips(recipe))
    recipe.change({"init_image": "~/cat.png"})
    assert [each.text for each in chips(recipe)][-2:] == ["from cat.png @0.3", "fit pad"]
    recipe.change({"strength": ""})
    assert "from cat.png @0.75" in [each.text for each in chips(recipe)]


def test_mask_takes_one_word_in_a_narrow_window(recipe: Recipe) -> None:
    recipe.change({"mask_image": "/masks/4f126e67af961ba6.png"})
    assert "  mask 4f126e67af961ba6.png•" in line(recipe, 160)
    assert line(recipe, 76).endswith(" mask•")


def test_repainted_picture_keeps_its_size_and_gets_the_borders(recipe: Recipe) -> None:
    recipe.use_init_image_size((300, 204))
    assert "  128×128  " in line(recipe, 160)
    recipe.change({"mask_image": "/masks/a.png"})
    assert "  300×204  " in line(recipe, 160)
    recipe.change({"outpaint": "left=64"})
    assert "  368×204  " in line(recipe, 160)
    recipe.change({"outpaint": "lef"})
    assert "  128×128  " in line(recipe, 160)
    recipe.change({"outpaint": "left=64", "width": "512"})
    assert "512×128" in line(recipe, 160)


def test_an_unknown_model_has_no_values_of_its_own() -> None:
    texts = [each.text for each in chips(Recipe({}))]
    assert texts == ["pocket", "auto", "auto steps", "cfg auto", "auto size", "seed random", "×1"]


def test_escape_sequences_in_names_are_not_drawn() -> None:
    recipe = Recipe({})
    recipe.change({"init_image": "/tmp/a\x1b]0;x\x07.png"})
    assert "\x1b" not in "".join(each.text for each in chips(recipe))


def test_every_letter_opens_one_field() -> None:
    letters = [field.letter for fields in groups(Recipe({})) for field in fields if field.letter]
    assert "".join(sorted(letters)) == "cehijklmnostwxy"
