"""Making pictures of the gallery again in a larger size."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sdtui.core.enums import UNKNOWN_MODEL
from sdtui.models import InstalledUpscaler
from sdtui.requests.record import GenerationRecord
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.inpaint import Inpaint
from sdtui.requests.sections.redraw import Redraw
from sdtui.requests.sections.upscale import Upscale
from sdtui.tui.fields import form_texts, step_problems
from sdtui.tui.hires import hires_request
from sdtui.tui.screens.hires import OPEN, HiresScreen
from tests.support.app_harness import AppHarness, at_gallery
from tests.support.records import NOON, picture, record

_UPSCALERS = [InstalledUpscaler(OPEN), InstalledUpscaler("4x-UltraSharp", scale=4)]
_BLANK = form_texts(GenerationRequest(prompt="of the recipe", model="mine"))


class _Entry:
    path, width, height = Path("/pictures/a b.png"), 100, 76


def _request(made: GenerationRecord, **values: Any) -> GenerationRequest:
    return hires_request(_Entry(), made, _BLANK, {"hires_scale": 2.0, **values})  # type: ignore[arg-type]


def _values(numbers: list[float], size: tuple[int, int] | None, place: int = 0) -> dict[str, Any]:
    screen = HiresScreen("a.png", _UPSCALERS, (100, 76), "")
    values = screen.values_for(_UPSCALERS[place], numbers, size)
    return {name: value for name, value in values.items() if value is not None}


def test_number_below_one_is_the_strength() -> None:
    assert _values([], None) == {"hires_scale": 2}
    assert _values([0.4, 1.5], None) == {"hires_scale": 1.5, "hires_strength": 0.4}
    assert _values([], (200, 160), 1) == {
        "hires_scale": 2,
        "hires_width": 200,
        "hires_height": 160,
        "hires_upscaler": "4x-UltraSharp",
    }


def test_one_after_a_factor_is_the_strength_and_a_second_factor_is_refused() -> None:
    assert _values([1], None) == {"hires_scale": 1}
    assert _values([2, 1], None) == {"hires_scale": 2, "hires_strength": 1}
    assert _values([1], (200, 160))["hires_strength"] == 1
    for numbers in ([2.0, 3.0], [0.3, 0.4]):
        with pytest.raises(ValueError, match=r"2 \w+ were typed"):
            _values(numbers, None)


def test_size_is_said_before() -> None:
    screen = HiresScreen("a.png", _UPSCALERS, (100, 76), "")
    assert screen.explained(_values([0.4], None), (100, 76), OPEN) == (
        "100×76 → 200×152 · strength 0.4"
    )
    several = screen.explained(_values([3], None, 1), None, "4x-UltraSharp")
    assert several == "⏎ make them again at 3 times their size · 4x-UltraSharp"


def test_picture_itself_is_enlarged_with_its_recipe_and_seed() -> None:
    made = record("a small cat", seed=7, width=96)
    request = _request(made, hires_strength=0.4)
    assert (request.prompt, request.seed, request.model) == ("a small cat", 7, "pocket")
    assert request.image_to_image is not None
    assert (request.image_to_image.image, request.strength) == (_Entry.path, 0)
    assert (request.width, request.height) == (96, 72)
    assert request.hires is not None
    assert (request.hires.scale, request.hires.strength) == (2, 0.4)


def test_what_was_done_to_the_picture_before_is_not_done_again() -> None:
    made = record(init_image=Path("/old.png"))
    changed = replace(
        made.request,
        inpainting=Inpaint(Path("/mask.png")),
        upscale=Upscale(factor=4.0),
        redraw=Redraw(0.3),
    )
    request = _request(made.model_copy(update={"request": changed}))
    assert request.inpainting is None
    assert not request.upscale.is_wanted
    assert request.redraw is None


def test_recipe_says_what_the_picture_and_the_answer_leave_open() -> None:
    made = record("")
    made = made.model_copy(update={"request": replace(made.request, model=UNKNOWN_MODEL)})
    recipe = {**_BLANK, "hires_scale": "3", "hires_steps": "9", "hires_strength": "0.2"}
    values = {"hires_scale": 2.0, "hires_strength": 0.5}
    request = hires_request(_Entry(), made, recipe, values)  # type: ignore[arg-type]
    assert (request.prompt, request.model) == ("of the recipe", "mine")
    assert request.hires is not None
    hires = request.hires
    assert (hires.scale, hires.steps, hires.strength) == (2, 9, 0.5)


@pytest.mark.parametrize(("scale", "problems"), [("", {"strength"}), ("2", set())])
def test_no_step_is_needed_before_hires(scale: str, problems: set[str]) -> None:
    texts = {**_BLANK, "init_image": "/a.png", "strength": "0", "hires_scale": scale}
    assert step_problems("20", texts).keys() == problems


async def test_repainted_picture_is_enlarged_with_the_prompt_of_the_whole(
    own_folders: Path, harness: AppHarness
) -> None:
    first = harness.history.save(picture(), record("a cat"), 0)
    about = record("a hat", timestamp=NOON + timedelta(minutes=1), init_image=first.path)
    request = replace(about.request, inpainting=Inpaint(first.path))
    parents = (first.record.images[0].sha256 or "",)
    made = about.model_copy(update={"request": request, "parents": parents})
    second = harness.history.save(picture(colour="red"), made, 0)
    async with at_gallery(harness):
        await harness.press("H")
        await harness.until(lambda: isinstance(harness.app.screen, HiresScreen))
        await harness.press(*"1.5 0.3", "enter")
        await harness.until(lambda: harness.generator.requests)
        (request,) = harness.generator.requests
        assert request.prompt == "a cat"
        assert request.image_to_image is not None
        assert request.image_to_image.image == second.path
        assert request.hires is not None
        assert (request.hires.scale, request.hires.strength) == (1.5, 0.3)


async def test_mask_of_another_picture_does_not_stay_when_one_is_started_from(
    own_folders: Path, harness: AppHarness
) -> None:
    harness.history.save(picture(), record("a cat"), 0)
    async with at_gallery(harness):
        old = {"init_image": "/old.png", "mask_image": "/mask.png", "outpaint": "left=64"}
        harness.app.recipe.change(old)
        await harness.press("i")
        await harness.until(lambda: not harness.texts["mask_image"])
        assert not harness.texts["outpaint"]
        await harness.press("escape", "ctrl+z")
        assert harness.texts["mask_image"] == "/mask.png"
