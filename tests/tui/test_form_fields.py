"""The form's fields: labels and validation."""

from __future__ import annotations

from textual.geometry import Region

from sdtui.tui.state import SavedState
from tests.support.app_harness import AppHarness, running


def seen_in(harness: AppHarness, name: str) -> str:
    """Return a field's whole line, including its label."""
    field = harness.panes.parameters.fields[name]
    (line,) = field.render_lines(Region(0, 0, field.region.width, 1))
    return line.text


async def test_every_field_shows_its_label_and_value(harness: AppHarness) -> None:
    async with running(harness, (80, 24)):
        fields = harness.panes.parameters.fields
        for name, field in fields.items():
            assert seen_in(harness, name).startswith(f"{field.spec.label} ")
            assert len(seen_in(harness, name)) == field.region.width
        fields["num_inference_steps"].text = "31"
        await harness.settled()
        assert seen_in(harness, "num_inference_steps").split() == ["Steps", "31"]
        assert seen_in(harness, "policy").split() == ["Retry", "keep", "▾"]


async def test_a_part_of_a_line_is_that_part(harness: AppHarness) -> None:
    async with running(harness):
        field = harness.panes.parameters.fields["seed"]
        whole = seen_in(harness, "seed")
        for left, right in ((0, 3), (3, 14), (12, 20), (15, 18)):
            (line,) = field.render_lines(Region(left, 0, right - left, 1))
            assert line.text == whole[left:right]


async def test_a_click_on_a_label_goes_to_its_field(harness: AppHarness) -> None:
    async with running(harness):
        await harness.pilot.click("#field-seed", offset=(2, 0))
        await harness.settled()
        assert harness.panes.parameters.fields["seed"].has_focus


async def test_a_saved_form_is_checked_once_the_window_is_seen(harness: AppHarness) -> None:
    harness.app.state = SavedState(form={"width": "7"})
    async with running(harness):
        await harness.until(lambda: harness.panes.parameters.query(".problem"))
        assert harness.panes.parameters.fields["width"].has_class("-wrong")
