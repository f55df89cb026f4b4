"""Editing single values: what is listed, and what a text means."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdtui.models import NativeValues
from sdtui.requests.request import GenerationRequest
from sdtui.tui.chips import names_in
from sdtui.tui.fields import form_texts, request_values
from sdtui.tui.preset_choice import (
    PresetAction,
    PresetChoice,
    matching_preset,
    preset_texts,
    texts_to_save,
)
from sdtui.tui.recipe import Recipe
from sdtui.tui.value_editing import BROWSE, WrongTextError, editing_of


@pytest.fixture
def recipe() -> Recipe:
    """The recipe of a model with squares of 512 pixels."""
    recipe = Recipe({})
    recipe.use_native(NativeValues(512, 512, 20, 7.5, "Euler"))
    return recipe


def test_files_of_a_list_are_written_as_they_are_read(recipe: Recipe) -> None:
    names = ["/a/b c.png", "/a/x, y.png", "/a/it's.png", '/a/q"u;o.png']
    request = GenerationRequest.parse({"prompt": "x", "references": names})
    recipe.change({"references": form_texts(request)["references"]})
    assert request_values(recipe.texts)["references"] == list(map(Path, names))
    editing = editing_of(recipe, "references")
    assert [each.action for each in editing.options(editing.text)] == [BROWSE, ""]
    assert names_in(editing.text) == "b c.png +3"


def test_styles_are_chosen_by_their_names(recipe: Recipe) -> None:
    recipe.known_names = {"styles": ("film", "sharp", "soft film")}
    editing = editing_of(recipe, "styles")
    assert [each.text for each in editing.options("")] == ["film", "sharp", "soft film"]
    assert [each.text for each in editing.options("fil")] == ["film", "soft film"]
    assert [each.text for each in editing.options("film, s")] == ["film, sharp", "film, soft film"]
    assert editing.texts("film, sharp") == {"styles": "film, sharp"}


def test_a_vae_is_chosen_by_its_name_or_left_to_the_model(recipe: Recipe) -> None:
    recipe.known_names = {"vae": ("kl-f8-anime.safetensors", "mse.safetensors")}
    editing = editing_of(recipe, "vae")
    listed = [each.text for each in editing.options("")]
    assert listed == ["", "none", "kl-f8-anime.safetensors", "mse.safetensors"]
    assert editing.current(editing.options("")) == 0
    assert [each.text for each in editing.options("anim")] == ["kl-f8-anime.safetensors"]
    path = "/models/other.safetensors"
    assert [each.text for each in editing.options(path)] == [path]
    recipe.change({"vae": "none"})
    editing = editing_of(recipe, "vae")
    assert editing.current(editing.options("")) == 1


@pytest.mark.parametrize(
    ("typed", "texts"),
    [
        ("512x768", ("512", "768")),
        (" 512 × 768 ", ("512", "768")),
        ("512*768", ("512", "768")),
        ("512 768", ("512", "768")),
        ("", ("", "")),
    ],
)
def test_a_size_is_written_in_one(recipe: Recipe, typed: str, texts: tuple[str, str]) -> None:
    editing = editing_of(recipe, "height")
    assert editing.texts(typed) == dict(zip(("width", "height"), texts, strict=True))


@pytest.mark.parametrize(
    ("name", "typed", "reason"),
    [
        ("width", "512", "such as 512x768"),
        ("width", "big", "such as 512x768"),
        ("width", "512x100", "Height: must be a multiple of 8"),
        ("num_inference_steps", "1e3", "must be a whole number"),
        ("num_inference_steps", "0", "must be at least 1"),
        ("guidance_scale", "99", "must be at most 30"),
        ("seed", "x", "must be a whole number"),
    ],
)
def test_a_wrong_text_says_why(recipe: Recipe, name: str, typed: str, reason: str) -> None:
    with pytest.raises(WrongTextError, match=reason):
        editing_of(recipe, name).texts(typed)


def test_usual_sizes_are_those_of_the_model(recipe: Recipe) -> None:
    editing = editing_of(recipe, "width")
    texts = [each.text for each in editing.options("")]
    assert texts[:2] == ["", "512x512"]
    assert "768x512" in texts
    assert {each.text for each in editing.options("640")} == {"512x640", "640x512"}
    assert editing.text == ""
    assert editing.placeholder == "512x512"
    recipe.change({"width": "640", "height": "512"})
    assert editing.text == "640x512"


def test_choices_are_narrowed_by_the_common_ranking(recipe: Recipe) -> None:
    editing = editing_of(recipe, "sampler")
    assert editing.options("euler a")[0].text == "Euler a"
    assert editing.options("euler")[0].text == "Euler"
    assert editing.options("k_euler_a")[0].text == "Euler a"  # another spelling of it
    assert not editing.options("no such sampler")
    everything = editing.options("")
    assert everything[0].label == "auto · Euler"
    assert editing.current(everything) == 0
    recipe.change({"sampler": "Heun"})
    place = editing.current(everything)
    assert place is not None
    assert everything[place].text == "Heun"


def test_choices_are_found_by_the_names_that_are_shown(recipe: Recipe) -> None:
    editing = editing_of(recipe, "policy")
    assert editing.options("keep the")[0].text == "keep"
    assert editing.options("strict")[0].text == "strict"


def test_numbers_step_from_the_models_own_value(recipe: Recipe) -> None:
    editing = editing_of(recipe, "num_inference_steps")
    assert editing.stepped("", 1) == "21"
    assert editing.stepped("30", -1) == "29"
    assert editing.stepped("150", 1) == "150"
    assert editing.about == "1 to 150, empty = 20"
    assert editing_of(recipe, "guidance_scale").stepped("", 1) == "8"
    assert editing_of(recipe, "width").stepped("", 1) is None


def test_seeds_are_random_new_or_the_last(recipe: Recipe) -> None:
    editing = editing_of(recipe, "seed")
    new, random = editing.options("")
    assert new.text.isdigit()
    assert random.text == ""
    recipe.last_seed = 77
    assert [each.text for each in editing.options("")][1:] == ["77", ""]
    assert not editing.options("12")
    assert editing.stepped("12", 1) == "13"


def test_an_init_image_can_be_browsed_for_or_left_out(recipe: Recipe) -> None:
    recipe.change({"init_image": "/a.png"})
    editing = editing_of(recipe, "init_image")
    browse, none = editing.options("")
    assert browse.action == BROWSE
    assert (none.text, none.action) == ("", "")
    assert editing.texts("~/b.png") == {"init_image": "~/b.png"}


def test_a_preset_is_what_was_changed_without_the_seed(recipe: Recipe) -> None:
    recipe.change(
        {"prompt": "a cat", "seed": "7", "num_inference_steps": "8", "init_image": "/a.png"}
    )
    assert texts_to_save(recipe, with_prompts=False) == {"num_inference_steps": "8"}
    assert texts_to_save(recipe, with_prompts=True) == {
        "prompt": "a cat",
        "num_inference_steps": "8",
        "init_image": "/a.png",
    }


def test_the_preset_with_the_most_equal_values_is_shown(recipe: Recipe) -> None:
    presets = {"fast": {"num_inference_steps": 8}, "draft": {"num_inference_steps": 8, "width": 64}}
    assert matching_preset(recipe, presets) == ""
    recipe.change(preset_texts(presets["draft"]))
    assert matching_preset(recipe, presets) == "draft"
    recipe.change({"width": "128"})
    assert matching_preset(recipe, presets) == "fast"
    assert matching_preset(recipe, {"empty": {}}) == ""


def test_a_name_offers_what_can_be_done_with_it(recipe: Recipe) -> None:
    choice = PresetChoice(recipe, {"draft": {"num_inference_steps": 8}, "final": {}})
    assert [each.label for each in choice.options("")] == ["draft  8", "final  "]
    with_draft = [each.action for each in choice.options("draft")]
    assert with_draft == [each for each in PresetAction if each is not PresetAction.BRING_BACK]
    new = choice.options("other")
    assert [each.action for each in new] == [PresetAction.SAVE, PresetAction.SAVE_ALL]
    assert {each.text for each in new} == {"other"}


def test_the_preset_that_was_deleted_last_is_offered_again(recipe: Recipe) -> None:
    choice = PresetChoice(recipe, {"final": {}}, "draft")
    for typed in ("", "draft"):
        (back,) = (each for each in choice.options(typed) if each.action == PresetAction.BRING_BACK)
        assert back.text == "draft"
    assert all(each.action != PresetAction.BRING_BACK for each in choice.options("fin"))


def test_an_upscaler_is_chosen_from_those_that_there_are(recipe: Recipe) -> None:
    recipe.known_names = {"upscaler": ["Lanczos", "4x-UltraSharp"]}
    editing = editing_of(recipe, "upscaler")
    assert [each.text for each in editing.options("")] == ["", "Lanczos", "4x-UltraSharp"]
    assert [each.text for each in editing.options("ultra")] == ["4x-UltraSharp"]
    assert [each.text for each in editing.options("~/up/my.safetensors")] == ["~/up/my.safetensors"]
