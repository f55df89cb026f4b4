"""The recipe: what was changed, and undoing it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sdtui.core.enums import Speed
from sdtui.models import ModelDescription, NativeValues
from sdtui.models.pipeline_traits import traits_of
from sdtui.tui.form_texts import MAX_STEPS
from sdtui.tui.model_values import ModelValues
from sdtui.tui.recipe import Recipe


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def write(recipe: Recipe, clock: Clock, field: str, text: str, seconds: float = 0.1) -> None:
    """Type a text at the end of a field, a letter every so many seconds."""
    for letter in text:
        clock.now += seconds
        recipe.change({field: recipe[field] + letter}, merge=f"typing {field}")


def test_letters_typed_quickly_are_one_step() -> None:
    recipe = Recipe({}, clock := Clock())
    write(recipe, clock, "prompt", "a cat")
    clock.now += 3
    write(recipe, clock, "prompt", " in a hat")
    assert recipe.undo()
    assert recipe["prompt"] == "a cat"
    assert recipe.undo()
    assert recipe["prompt"] == ""
    assert not recipe.undo()
    assert recipe.redo()
    assert recipe.redo()
    assert recipe["prompt"] == "a cat in a hat"
    assert not recipe.redo()


def test_typing_without_pause_is_undone_in_parts() -> None:
    recipe = Recipe({}, clock := Clock())
    write(recipe, clock, "prompt", "x" * 80)
    recipe.undo()
    assert 0 < len(recipe["prompt"]) < 80


def test_another_field_begins_a_step() -> None:
    recipe = Recipe({}, clock := Clock())
    write(recipe, clock, "prompt", "cat")
    write(recipe, clock, "negative_prompt", "dog")
    write(recipe, clock, "prompt", "s")
    recipe.undo()
    assert (recipe["prompt"], recipe["negative_prompt"]) == ("cat", "dog")
    recipe.undo()
    assert (recipe["prompt"], recipe["negative_prompt"]) == ("cat", "")


def test_filling_many_fields_is_one_step() -> None:
    recipe = Recipe({})
    recipe.change({"prompt": "draft"})
    recipe.change({"prompt": "a tiger", "seed": "7", "num_inference_steps": "20"})
    recipe.undo()
    assert (recipe["prompt"], recipe["seed"]) == ("draft", "")


def test_a_change_after_undoing_forgets_what_was_undone() -> None:
    recipe = Recipe({})
    recipe.change({"seed": "1"})
    recipe.undo()
    recipe.change({"seed": "2"})
    assert not recipe.redo()
    assert recipe["seed"] == "2"


def test_typing_after_undoing_is_a_step_of_its_own() -> None:
    recipe = Recipe({}, clock := Clock())
    write(recipe, clock, "prompt", "ab")
    clock.now += 3
    write(recipe, clock, "prompt", "cd")
    recipe.undo()
    write(recipe, clock, "prompt", "x")
    recipe.undo()
    assert recipe["prompt"] == "ab"


def test_number_of_steps_is_bounded() -> None:
    recipe = Recipe({})
    for seed in range(MAX_STEPS + 50):
        recipe.change({"seed": str(seed)})
    steps = 0
    while recipe.undo():
        steps += 1
    assert steps == MAX_STEPS


def test_listeners_get_the_names_of_what_changed() -> None:
    recipe = Recipe({})
    heard: list[frozenset[str]] = []
    end = recipe.subscribe(heard.append)
    recipe.change({"seed": "1", "prompt": "", "no such field": "x"})
    recipe.change({"seed": "1"})
    recipe.use_native(NativeValues(num_inference_steps=20))
    recipe.problems = {"width": "too wide"}
    recipe.problems = {"width": "too wide"}
    recipe.problems = {}
    end()
    recipe.change({"seed": "2"})
    assert heard == [
        frozenset({"seed"}),
        frozenset({"num_inference_steps", "true_cfg_scale"}),
        frozenset({"width"}),
        frozenset({"width"}),
    ]


def test_a_listener_can_leave_out_changes_of_prompts_alone() -> None:
    recipe = Recipe({})
    heard: list[frozenset[str]] = []
    recipe.subscribe(heard.append, prompts=False)
    recipe.change({"prompt": "a", "negative_prompt": "b"})
    assert not heard
    recipe.change({"prompt": "ab", "seed": "1"})
    assert heard == [frozenset({"prompt", "seed"})]


def test_what_equals_the_settings_or_the_model_is_unchanged() -> None:
    recipe = Recipe({"model": "tiny", "speed": Speed.FAST})
    recipe.use_native(NativeValues(num_inference_steps=20, guidance_scale=7.5))
    assert not any(map(recipe.is_changed, recipe.fields))
    recipe.change({"num_inference_steps": "20", "guidance_scale": "7,5", "speed": "fast"})
    assert not any(map(recipe.is_changed, recipe.fields))
    recipe.change({"num_inference_steps": "21", "speed": "quality", "model": "", "seed": "0"})
    changed = {name for name in recipe.fields if recipe.is_changed(name)}
    assert changed == {"num_inference_steps", "speed", "seed"}


def test_only_what_differs_from_the_settings_is_saved() -> None:
    recipe = Recipe({"model": "tiny"})
    assert recipe.changed_texts == {}
    recipe.change({"model": "other", "prompt": "a cat"})
    assert recipe.changed_texts == {"model": "other", "prompt": "a cat"}


def test_saved_texts_are_restored_without_unknown_choices() -> None:
    recipe = Recipe({"model": "tiny"})
    recipe.restore({"prompt": "a cat", "speed": "of another version", "no such field": "x"})
    assert (recipe["prompt"], recipe["speed"], recipe["model"]) == ("a cat", "quality", "tiny")
    assert not recipe.undo()


def test_open_values_are_shown_as_the_models_own() -> None:
    recipe = Recipe({})
    assert recipe.shown("num_inference_steps") == "auto"
    recipe.use_native(NativeValues(num_inference_steps=20, guidance_scale=3.0))
    assert recipe.shown("num_inference_steps") == "20"
    assert recipe.shown("guidance_scale") == "3"
    assert recipe.shown("policy") == "keep the picture"
    recipe.change({"num_inference_steps": "31"})
    assert recipe.shown("num_inference_steps") == "31"


def test_mask_and_borders_go_with_the_init_image_and_come_back() -> None:
    recipe = Recipe({})
    recipe.change({"init_image": "/a.png", "mask_image": "/mask.png", "outpaint": "64"})
    recipe.change({"init_image": "/b.png"})
    assert recipe["mask_image"] == "/mask.png"
    recipe.change({"init_image": ""})
    assert (recipe["mask_image"], recipe["outpaint"]) == ("", "")
    recipe.undo()
    assert (recipe["mask_image"], recipe["outpaint"]) == ("/mask.png", "64")


def test_model_says_what_has_no_effect_and_loras_what_is_native() -> None:
    recipe = Recipe({})
    values = ModelValues(recipe)
    recipe.subscribe(values.follow)
    traits = traits_of("StableDiffusionXLPipeline")
    native = NativeValues(1024, 1024, 25, 5.0)
    described = ModelDescription(
        Path("m"), "sdxl", "StableDiffusionXLPipeline", {}, native, traits=traits
    )
    values.use(described)
    assert "negative_prompt" not in recipe.unused
    recipe.change({"prompt": "a cat <lora:sdxl_lightning_8step:1>"})
    assert (recipe.shown("num_inference_steps"), recipe.shown("guidance_scale")) == ("8", "0")
    assert "above 1" in recipe.unused["negative_prompt"]
    recipe.change({"guidance_scale": "4"})
    assert "negative_prompt" not in recipe.unused
    recipe.change({"prompt": "a cat", "guidance_scale": "", "loras": "lcm-lora-sdxl, bad:x:y"})
    assert recipe.shown("num_inference_steps") == "4"


def test_form_shows_the_hires_fix_that_a_picture_goes_through_by_itself() -> None:
    recipe = Recipe({})
    values = ModelValues(recipe)
    recipe.subscribe(values.follow)
    pipeline = "StableDiffusionPipeline"
    native, traits = NativeValues(512, 512), traits_of(pipeline)
    described = ModelDescription(Path("m"), "sd1", pipeline, {}, native, traits=traits)
    values.use(replace(described, hires_above=640))
    assert recipe.shown("hires_scale") == "off"
    recipe.change({"width": "1024", "height": "1024"})
    assert recipe.shown("hires_scale") == "2"
    assert not recipe.is_changed("hires_scale")
    recipe.change({"init_image": "/a.png"})
    assert recipe.shown("hires_scale") == "off"


def test_fields_of_few_models_are_left_out_where_they_have_no_effect() -> None:
    recipe = Recipe({})
    values = ModelValues(recipe)
    assert recipe.leaves_out("true_cfg_scale")  # the model isn't known yet
    for pipeline, is_left_out in (("FluxPipeline", False), ("StableDiffusionPipeline", True)):
        native = NativeValues(1024, 1024, 28, 3.5)
        traits = traits_of(pipeline)
        values.use(ModelDescription(Path("m"), "", pipeline, {}, native, traits=traits))
        assert recipe.leaves_out("true_cfg_scale") == is_left_out
        assert not recipe.leaves_out("clip_skip")
    recipe.change({"true_cfg_scale": "3"})
    assert not recipe.leaves_out("true_cfg_scale")


def test_default_of_another_machine_takes_the_place_of_the_default_alone() -> None:
    recipe = Recipe({"model": "pocket"})
    recipe.use_default("model", "theirs")
    assert recipe["model"] == "theirs"
    assert not recipe.is_changed("model")
    assert not recipe.undo()
    recipe.change({"model": "mine"})
    recipe.use_default("model", "other")
    assert recipe["model"] == "mine"
    assert recipe.is_changed("model")
