"""The form's fields: labels and validation."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.geometry import Region

from sdtui.tui.fields import form_fields, parse_form, problems_of, step_problems
from sdtui.tui.state import SavedState
from sdtui.tui.widgets.form_fields import SectionRow
from tests.support.app_harness import AppHarness, running
from tests.support.records import picture


def seen_in(harness: AppHarness, name: str) -> str:
    """Return a field's whole line, including its label."""
    field = harness.panes.recipe.fields[name]
    (line,) = field.render_lines(Region(0, 0, field.region.width, 1))
    return line.text


async def test_every_field_shows_its_label_and_value(harness: AppHarness) -> None:
    async with running(harness, (80, 24)):
        await harness.go_to_field("policy")
        fields = harness.panes.recipe.fields
        for heading in harness.panes.recipe.query(SectionRow):
            heading.is_open = True
        await harness.settled()
        for name, field in fields.items():
            if harness.app.recipe.leaves_out(name):
                continue
            label = field.spec.label
            assert seen_in(harness, name).startswith(f"{' ' * (20 - len(label))}{label}  ")
            assert len(seen_in(harness, name)) == field.region.width
        fields["num_inference_steps"].text = "31"
        await harness.settled()
        assert seen_in(harness, "num_inference_steps").split() == ["Steps•", "31"]
        policy = seen_in(harness, "policy")
        assert policy.split("  ")[:2] == ["When memory runs out", "keep the picture"]


async def test_a_part_of_a_line_is_that_part(harness: AppHarness) -> None:
    async with running(harness):
        await harness.go_to_field("seed")
        field = harness.panes.recipe.fields["seed"]
        whole = seen_in(harness, "seed")
        for left, right in ((0, 3), (3, 14), (12, 20), (15, 18)):
            (line,) = field.render_lines(Region(left, 0, right - left, 1))
            assert line.text == whole[left:right]


async def test_a_click_on_a_label_goes_to_its_field(harness: AppHarness) -> None:
    async with running(harness):
        await harness.go_to_field("model")
        await harness.pilot.click("#field-seed", offset=(2, 0))
        await harness.settled()
        assert harness.panes.recipe.fields["seed"].has_focus


async def test_a_saved_form_is_checked_once_the_window_is_seen(harness: AppHarness) -> None:
    harness.app.state = SavedState(form={"width": "7"})
    async with running(harness):
        await harness.until(harness.problem)
        await harness.go_to_field("width")
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
        await harness.go_to_field("num_inference_steps")
        await harness.write("1e3")
        assert harness.texts["num_inference_steps"] == "1e3"
        assert "whole number, not 1e3" in harness.problem()
        await harness.go_to_field("guidance_scale")
        await harness.write("7,5")
        await harness.press("right")
        assert harness.texts["guidance_scale"] == "8"


def test_a_number_of_any_length_is_stepped_at_once() -> None:
    (steps,) = (each for each in form_fields() if each.name == "num_inference_steps")
    assert steps.stepped("1e999999999", 1) == "1"


async def test_arrows_move_between_rows_and_change_nothing(harness: AppHarness) -> None:
    async with running(harness, (80, 24)):
        before = harness.texts
        await harness.go_to_field("sampler")
        fields = harness.panes.recipe.fields
        names = [name for name in fields if not harness.app.recipe.leaves_out(name)]
        names = names[names.index("sampler") :]
        for key in ("down", "down", "j"):
            await harness.press(key)
        assert harness.panes.recipe.fields["height"] is not harness.app.focused
        assert harness.panes.recipe.fields[names[3]].has_focus
        await harness.press("k", "up", "up", "up", "up", "up", "up")
        assert harness.panes.recipe.fields["model"].has_focus
        assert harness.texts == before


async def test_left_and_right_change_the_value(harness: AppHarness) -> None:
    async with running(harness, (80, 24)):
        harness.fill_form("", num_inference_steps="20")
        await harness.go_to_field("num_inference_steps")
        await harness.press("right", "right", "left")
        assert harness.texts["num_inference_steps"] == "21"
        await harness.press("8")  # takes the number's place
        assert harness.texts["num_inference_steps"] == "8"
        await harness.press("ctrl+z", "ctrl+z")
        assert harness.texts["num_inference_steps"] == "20"


async def test_tab_leaves_the_form(harness: AppHarness) -> None:
    async with running(harness, (80, 24)):
        await harness.go_to_field("seed")
        await harness.press("shift+tab")
        assert harness.panes.dock.prompt.has_focus
        await harness.press("tab")
        assert harness.panes.recipe.fields["seed"].has_focus


def _last_above_the_machine(harness: AppHarness) -> str:
    groups = [row.spec.group for row in harness.panes.recipe.fields.values()]
    above = list(dict.fromkeys(groups))[-2]
    assert groups[-1] == "Machine"
    return [name for name, row in harness.panes.recipe.fields.items() if row.spec.group == above][
        -1
    ]


async def test_rows_of_the_machine_are_folded_until_they_are_wanted(harness: AppHarness) -> None:
    async with running(harness, (80, 24)):
        await harness.go_to_field(_last_above_the_machine(harness))
        assert not harness.panes.recipe.fields["speed"].region
        await harness.press("down", "enter", "down", "right")
        assert harness.texts["policy"] == "strict"
        await harness.press("up", "enter")
        assert not harness.panes.recipe.fields["policy"].region
        assert "change nothing•" in harness.screen_text()


async def test_keys_typed_ahead_go_to_the_rows_that_were_unfolded(harness: AppHarness) -> None:
    async with running(harness, (80, 24)):
        await harness.go_to_field(_last_above_the_machine(harness))
        await harness.type_at_once("down", "enter", "down", "right")
        assert harness.texts["policy"] == "strict"


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 36)])
async def test_a_wrong_value_moves_nothing_and_its_reason_is_below(
    harness: AppHarness, size: tuple[int, int]
) -> None:
    async with running(harness, size):
        await harness.go_to_field("init_image")
        await harness.settled()
        rows = {name: row.region for name, row in harness.panes.recipe.fields.items()}
        for path in ("/tmp/nowhere/picture.png", f"/{'folder/' * 60}picture.png"):
            harness.fill_form("", init_image=path, width="100")
            await harness.until(lambda: "Init image: " in harness.problem())
            await harness.settled()
            after = {name: row.region for name, row in harness.panes.recipe.fields.items()}
            assert after == rows
            assert harness.problem().endswith("isn't there")
        await harness.go_to_field("width")
        assert harness.problem() == "Width: must be a multiple of 8, not 100"
        assert harness.panes.recipe.fields["width"].has_class("-wrong")


async def test_a_strength_that_leaves_no_step_is_said_before(
    harness: AppHarness, tmp_path: Path
) -> None:
    picture().save(tmp_path / "a.png")
    async with running(harness, (120, 36)):
        harness.fill_form(
            "x", init_image=str(tmp_path / "a.png"), num_inference_steps="10", strength="0.05"
        )
        await harness.press("ctrl+g")
        assert not harness.queue.jobs()
        assert "0.05 of 10 steps is less than one step: take 0.1 or more" in harness.problem()
        assert harness.panes.recipe.fields["strength"].has_focus
        harness.fill_form("x", strength="0.1")
        await harness.press("ctrl+g")
        assert harness.queue.jobs()


def test_mask_needs_an_init_image() -> None:
    alone = {"init_image": "", "mask_image": "alpha", "strength": "0.5"}
    assert problems_of(alone, {}) == {"mask_image": "only has a meaning together with init image"}
    assert not problems_of({**alone, "init_image": "a.png"}, {})


@pytest.mark.parametrize(
    ("steps", "strength", "least"),
    [("1", "0.5", "1"), ("30", "0.03", "0.04"), ("20", "0", "0.05"), ("7", "0.14", "0.15")],
)
def test_the_least_strength_is_enough(steps: str, strength: str, least: str) -> None:
    texts = {"init_image": "/a.png", "strength": strength}
    assert step_problems(steps, texts)["strength"].endswith(f"take {least} or more")
    assert step_problems(steps, {**texts, "strength": least}) == {}
    assert step_problems(steps, {**texts, "init_image": ""}) == {}
    assert step_problems("auto", texts) == {}
    assert step_problems(steps, {**texts, "strength": "x"}) == {}
