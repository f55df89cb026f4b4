"""The form's fields: labels and validation."""

from __future__ import annotations

import pytest
from textual.geometry import Region

from sdtui.tui.fields import form_fields, parse_form, problems_of
from sdtui.tui.state import SavedState
from tests.support.app_harness import AppHarness, running


def seen_in(harness: AppHarness, name: str) -> str:
    """Return a field's whole line, including its label."""
    field = harness.panes.recipe.fields[name]
    (line,) = field.render_lines(Region(0, 0, field.region.width, 1))
    return line.text


async def test_every_field_shows_its_label_and_value(harness: AppHarness) -> None:
    async with running(harness, (80, 24)):
        fields = harness.panes.recipe.fields
        for name, field in fields.items():
            assert seen_in(harness, name).startswith(f"{field.spec.label} ")
            assert len(seen_in(harness, name)) == field.region.width
        fields["num_inference_steps"].text = "31"
        await harness.settled()
        assert seen_in(harness, "num_inference_steps").split() == ["Steps", "31"]
        assert seen_in(harness, "policy").split() == ["Retry", "keep", "▾"]


async def test_a_part_of_a_line_is_that_part(harness: AppHarness) -> None:
    async with running(harness):
        field = harness.panes.recipe.fields["seed"]
        whole = seen_in(harness, "seed")
        for left, right in ((0, 3), (3, 14), (12, 20), (15, 18)):
            (line,) = field.render_lines(Region(left, 0, right - left, 1))
            assert line.text == whole[left:right]


async def test_a_click_on_a_label_goes_to_its_field(harness: AppHarness) -> None:
    async with running(harness):
        await harness.pilot.click("#field-seed", offset=(2, 0))
        await harness.settled()
        assert harness.panes.recipe.fields["seed"].has_focus


async def test_a_saved_form_is_checked_once_the_window_is_seen(harness: AppHarness) -> None:
    harness.app.state = SavedState(form={"width": "7"})
    async with running(harness):
        await harness.until(lambda: harness.panes.recipe.query(".problem"))
        assert harness.panes.recipe.fields["width"].has_class("-wrong")


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("guidance_scale", "7,5", 7.5),
        ("guidance_scale", "７.５", 7.5),
        ("num_inference_steps", "١٢", 12),
        ("num_inference_steps", " 12 ", 12),
        ("strength", "0,4", 0.4),
    ],
)
def test_numbers_are_read_as_people_write_them(name: str, typed: str, value: float) -> None:
    request = parse_form({"prompt": "x", "init_image": "/a.png", name: typed})
    assert request.values()[name] == value


@pytest.mark.parametrize("typed", ["1e3", "1,000", "²", "12px", "1.2.3"])
def test_what_is_no_whole_number_is_a_problem(typed: str) -> None:
    assert (
        "must be a whole number"
        in problems_of({"num_inference_steps": typed}, {})["num_inference_steps"]
    )


async def test_no_letter_of_a_number_is_lost(harness: AppHarness) -> None:
    async with running(harness):
        form = harness.panes.recipe
        form.fields["num_inference_steps"].focus()
        await harness.write("1e3")
        assert form.texts["num_inference_steps"] == "1e3"
        assert "whole number, not 1e3" in str(form.query_one(".problem").render())
        form.fields["guidance_scale"].focus()
        await harness.write("7,5")
        await harness.press("up")
        assert form.texts["guidance_scale"] == "8"


def test_a_number_of_any_length_is_stepped_at_once() -> None:
    (steps,) = (each for each in form_fields() if each.name == "num_inference_steps")
    assert steps.stepped("1e999999999", 1) == "1"


async def test_a_long_problem_leaves_room_for_the_fields(harness: AppHarness) -> None:
    async with running(harness, (80, 24)):
        form = harness.panes.recipe
        form.fields["init_image"].text = f"/{'folder/' * 60}picture.png"
        await harness.settled()
        problem = form.query_one(".problem")
        assert problem.size.height <= 6
        assert str(problem.render()).endswith("isn't there")


async def test_problem_takes_only_the_lines_of_its_text(harness: AppHarness) -> None:
    async with running(harness, (100, 30)):
        form = harness.panes.recipe
        form.fields["init_image"].text = "/tmp/nowhere/picture.png"
        await harness.until(lambda: form.query(".problem"))
        await harness.settled()
        below = form.fields["init_image_fit"].region.y - form.fields["init_image"].region.y
        assert below == 1 + form.query_one(".problem").size.height == 2
