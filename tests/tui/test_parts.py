"""Parts of the window alone: meter, fields, graph, half-cells, mailbox."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest

from sdtui.models import ModelSource, PromptReader, SourceKind, counters_of
from sdtui.requests import events
from sdtui.requests.events import JobEvent
from sdtui.tui.fields import FormField, form_fields, problems_of
from sdtui.tui.images.halfcell import Pixels, draw, fit
from sdtui.tui.mailbox import Mailbox
from tests.support.app_harness import AppHarness, running

SPECS = {spec.name: spec for spec in form_fields()}


async def test_meter_counts_tokens_and_truncated_text_is_struck_out(harness: AppHarness) -> None:
    async with running(harness):
        dock, editor = harness.panes.dock, harness.panes.dock.prompt
        counters = counters_of(ModelSource("x/y", SourceKind.HUB, None, "x/y"))
        dock.use_counters(counters, None)
        editor.text = "a cat"
        await harness.until(lambda: "2/75 tokens" in str(dock.border_subtitle))
        assert editor.cut_from is None
        editor.text = "cat\n" + "dog " * 80
        await harness.until(lambda: "81/75 tokens · the end is cut" in str(dock.border_subtitle))
        cut = editor.cut_from
        assert cut is not None
        line = editor.get_line(1)
        assert line.spans[0].start == cut - len("cat\n")
        assert not editor.get_line(0).spans
        roomier = copy.copy(counters["text_encoder"])
        roomier.limit = 511
        dock.use_counters({**counters, "text_encoder_2": roomier}, None)
        await harness.until(lambda: "81/511 tokens" in str(dock.border_subtitle))
        assert editor.cut_from is None
        dock.use_counters(counters, PromptReader.of(counters["text_encoder"], {"easy": 4}))
        await harness.until(lambda: "81/150 tokens" in str(dock.border_subtitle))
        assert editor.cut_from is None
        editor.text = "(a easy:1.2) BREAK [b|c]"
        await harness.until(lambda: "76/150 tokens" in str(dock.border_subtitle))
        harness.app.recipe.change({"prompt_syntax": "plain"})
        await harness.until(lambda: "/75 tokens" in str(dock.border_subtitle))


async def test_meter_counts_what_templates_become(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "long.txt").write_text("a very long line of a wildcard\n")
    harness = AppHarness(tmp_path / "home", wildcard_folders=(tmp_path / "w",))
    async with running(harness):
        dock = harness.panes.dock
        counters = counters_of(ModelSource("x/y", SourceKind.HUB, None, "x/y"))
        dock.use_counters(counters, PromptReader.of(counters["text_encoder"]))
        harness.fill_form("a cat, __long__")
        await harness.until(lambda: "10/75 tokens" in str(dock.border_subtitle))
        harness.fill_form("{a|two words and more} cat")
        await harness.until(lambda: "2–5/75 tokens" in str(dock.border_subtitle))
        await harness.press("alt+r")
        assert "Example" in harness.screen_text()
        await harness.press("escape")
        harness.fill_form("a cat")
        await harness.until(lambda: "2/75 tokens" in str(dock.border_subtitle))


async def test_a_key_shows_how_the_prompt_is_read(harness: AppHarness) -> None:
    async with running(harness):
        counters = counters_of(ModelSource("x/y", SourceKind.HUB, None, "x/y"))
        harness.panes.dock.use_counters(counters, PromptReader.of(counters["text_encoder"]))
        harness.fill_form("a (soft:1.25) cat AND [dog:cow:4]", negative_prompt="(bad)")
        await harness.press("alt+r")
        shown = harness.screen_text()
        for text in ("a soft ×1.25 cat", "Part 2", "Until step", "cow"):
            assert text in shown
        await harness.press("escape", "down", "ctrl+o", "u")
        assert "bad ×1.1" in harness.screen_text()
        await harness.press("escape")
        harness.panes.dock.use_counters(counters, None)
        await harness.press("alt+r")
        assert harness.last_notification == "This model takes prompts as they are written."


@pytest.mark.parametrize(
    ("field", "text", "by", "expected"),
    [
        ("width", "60", 1, "64"),
        ("width", "512", 1, "576"),
        ("width", "64", -1, "64"),
        ("guidance_scale", "6.2", 1, "6.5"),
        ("num_inference_steps", "", 1, "1"),
        ("seed", "4294967295", 1, "4294967296"),
        ("seed", "9007199254740993", 1, "9007199254740994"),
        ("seed", "18446744073709551614", -1, "18446744073709551613"),
        ("seed", "18446744073709551615", 1, "18446744073709551615"),
        ("seed", "nan", 1, "0"),
    ],
)
def test_arrows_step_by_sensible_amounts(field: str, text: str, by: int, expected: str) -> None:
    spec: FormField = SPECS[field]
    assert spec.stepped(text, by) == expected


async def test_the_usual_sizes_are_those_of_the_model(harness: AppHarness) -> None:
    of_side = {512: (768, 512), 768: (1024, 768), 1024: (832, 1216), 128: (144, 112)}
    async with running(harness):
        recipe = harness.app.recipe
        # Of the app's own model, which is looked at first.
        await harness.until(lambda: recipe.native("width"))
        assert recipe.native_values is not None
        await harness.go_to_field("policy")
        for side, some in of_side.items():
            recipe.use_native(replace(recipe.native_values, width=side, height=side))
            recipe.change({"width": "", "height": ""})
            await harness.settled()
            seen = []
            while (harness.texts["width"], harness.texts["height"]) not in seen:
                seen.append((harness.texts["width"], harness.texts["height"]))
                await harness.press("p")
            assert seen[:2] == [("", ""), (str(side), str(side))]
            assert tuple(map(str, some)) in seen
            assert not problems_of({"width": str(some[0]), "height": str(some[1])})


def test_every_wrong_field_is_named() -> None:
    wrong = problems_of({"width": "100", "num_inference_steps": "x", "init_image": "/nowhere.png"})
    assert set(wrong) == {"width", "num_inference_steps", "init_image"}


async def test_keys_in_the_form(harness: AppHarness) -> None:
    async with running(harness):
        await harness.go_to_field("width")
        await harness.press(*"256", "down", *"128", "right")
        assert (harness.texts["width"], harness.texts["height"]) == ("256", "192")
        await harness.press("x")
        assert (harness.texts["width"], harness.texts["height"]) == ("192", "256")
        await harness.press("j", "n")
        assert harness.texts["seed"].isdigit()
        await harness.press("r")
        assert harness.texts["seed"] == ""
        harness.app.recipe.last_seed = 77
        await harness.press("l")
        assert harness.texts["seed"] == "77"
        await harness.go_to_field("policy")
        await harness.press("right")
        assert harness.texts["policy"] == "strict"
        await harness.press("enter", *"tut", "enter")
        await harness.until(lambda: harness.texts["policy"] == "tutorial")


def test_a_picture_keeps_its_shape() -> None:
    assert fit(Pixels(64, 64, b""), 40, 10) == (20, 10)
    assert fit(Pixels(128, 64, b""), 40, 40) == (40, 10)


def test_half_cells_show_two_pixels_each() -> None:
    rgb = bytes([255, 0, 0] * 2 + [0, 0, 255] * 2)
    strip = draw(Pixels(2, 2, rgb), 2, 1)[0]
    segment = next(iter(strip))
    assert segment.style is not None
    assert segment.style.color is not None
    assert segment.style.bgcolor is not None
    assert segment.style.color.get_truecolor() == (252, 0, 0)
    assert segment.style.bgcolor.get_truecolor() == (0, 0, 252)


def test_only_the_newest_preview_of_a_job_is_kept_and_one_note_is_sent() -> None:
    notes: list[None] = []
    mailbox = Mailbox(lambda: notes.append(None))
    for step in range(5):
        preview = events.Preview(step=step, image_index=0, width=1, height=1, rgb=b"123")
        mailbox.put(JobEvent(job="a", time=0, event=preview))
        mailbox.put(JobEvent(job="a", time=0, event=events.Started(seed=step)))
    assert len(notes) == 1
    assert len(mailbox.take()) == 5
    other = events.Preview(step=9, image_index=0, width=1, height=1, rgb=b"123")
    mailbox.put(JobEvent(job="b", time=0, event=other))
    newest = mailbox.take_preview("a")
    assert newest is not None
    assert newest.step == 4
    assert mailbox.take_preview("a") is mailbox.take_preview("b") is None
