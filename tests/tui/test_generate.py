"""From the form to the finished picture."""

from __future__ import annotations

import re
import threading

import pytest
from textual.strip import Strip
from textual.widgets import Static

from sdtui.core.enums import EventLevel
from sdtui.core.errors import GenerationError
from sdtui.jobs import JobState
from sdtui.requests import events
from sdtui.requests.record import Stage
from sdtui.tui.images import pixel_view
from sdtui.tui.images.halfcell import Pixels, draw
from sdtui.tui.images.pixel_view import PixelView
from sdtui.tui.messages import PartsImported
from sdtui.tui.screens import main as screens_main
from tests.support.app_harness import AppHarness, running

HARD = "[[blurry]], [/red] (cat:1.2)"


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (120, 36), (200, 60)])
async def test_a_prompt_becomes_a_picture_at_every_size(
    harness: AppHarness, size: tuple[int, int]
) -> None:
    async with running(harness, size):
        await harness.write(HARD[:9])
        await harness.generate(HARD)
        await harness.finished()
        main = harness.app.main
        assert harness.generator.requests[0].prompt == HARD
        assert harness.progress.outcome is EventLevel.SUCCESS
        await harness.until(lambda: main.panes.stage.view.pixel_view.pixels is not None)
        assert main.panes.stage.picture is not None
        assert main.panes.stage.picture.path.suffix == ".png"
        await harness.until(lambda: main.panes.gallery.total == 1)
        assert HARD in harness.app.export_screenshot().replace("&#160;", " ")


async def test_picture_can_be_requested_before_all_is_imported(
    harness: AppHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported = threading.Event()

    def import_parts() -> PartsImported:
        imported.wait(30)
        return PartsImported()

    monkeypatch.setattr(screens_main, "import_parts", import_parts)
    try:
        async with harness.app.run_test(size=(120, 36)) as harness.pilot:
            await harness.write("a cat")
            await harness.press("ctrl+g")
            await harness.finished()
            assert "finished after" in harness.panes.log.text
            assert not harness.monitor.has_sampled.is_set()
            imported.set()
            await harness.until(lambda: harness.panes.gallery.total == 1)
    finally:
        imported.set()
        harness.close()


async def test_log_shows_steps_and_the_end(harness: AppHarness) -> None:
    async with running(harness):
        harness.fill_form("a cat")
        await harness.press("f5")
        await harness.finished()
        harness.panes.log.list.focus()
        await harness.press("f", "f", "f")
        text = harness.panes.log.text
        assert "step 4/4" in text
        assert "finished after" in text


async def test_previews_are_shown_during_denoising(harness: AppHarness) -> None:
    async with running(harness):
        harness.generator.step_seconds = 0.05
        await harness.generate(num_inference_steps="150")
        view = harness.panes.stage.view.pixel_view
        await harness.until(lambda: view.pixels is not None and view.pixels.width == 16)
        harness.generator.step_seconds = 0
        await harness.finished()
        await harness.until(lambda: view.pixels is not None and view.pixels.width == 64)


async def test_an_empty_prompt_says_why_and_takes_the_focus(harness: AppHarness) -> None:
    async with running(harness):
        await harness.go_to_field("seed")
        await harness.press("ctrl+g")
        assert harness.panes.dock.prompt.has_focus
        assert not harness.queue.jobs()


async def test_a_wrong_value_says_why_and_takes_the_focus(harness: AppHarness) -> None:
    async with running(harness):
        harness.fill_form("a cat")
        width = harness.panes.recipe.fields["width"]
        await harness.go_to_field("width")
        await harness.write("100")
        assert "multiple of 8" in harness.problem()
        harness.panes.dock.prompt.focus()
        await harness.press("ctrl+g")
        assert width.has_focus
        assert not harness.queue.jobs()
        await harness.press("backspace", "backspace", "backspace", *"128")
        assert not harness.problem()


async def test_cancel_is_not_failure(harness: AppHarness) -> None:
    async with running(harness):
        harness.generator.hold.set()
        await harness.generate()
        await harness.until(lambda: harness.progress.is_running)
        await harness.press("ctrl+c", "ctrl+c")
        await harness.finished()
        assert harness.progress.outcome is EventLevel.WARNING
        assert harness.progress.message == "cancelled while denoising, after 0.5 s"
        assert harness.queue.jobs()[0].state is JobState.CANCELLED


async def test_first_key_says_what_is_done_and_the_second_cancels(harness: AppHarness) -> None:
    async with running(harness):
        harness.generator.step_seconds = 0.2
        await harness.generate(num_inference_steps="100")
        await harness.until(lambda: harness.progress.step)
        await harness.press("ctrl+c")
        (asked,) = harness.notifications()
        assert re.fullmatch(r"\d+ of 100 steps are done\. \^c again stops the job\.", asked)
        assert harness.queue.jobs()[0].state is JobState.RUNNING
        await harness.press("ctrl+c")
        await harness.finished()
        assert re.fullmatch(r"cancelled at step \d+ of 100, after .*", harness.progress.message)


async def test_ctrl_x_cancels_outside_of_texts_and_cuts_in_them(harness: AppHarness) -> None:
    async with running(harness):
        harness.generator.hold.set()
        await harness.generate("a cat")
        await harness.until(lambda: harness.progress.is_running)
        await harness.press("alt+a", "ctrl+x", "ctrl+x")
        assert harness.panes.dock.prompt.text == ""
        assert harness.queue.jobs()[0].state is JobState.RUNNING
        harness.app.main.window.show_tab("queue")
        await harness.press("ctrl+x", "ctrl+x")
        await harness.finished()
        assert harness.queue.jobs()[0].state is JobState.CANCELLED


async def test_ctrl_c_copies_what_is_selected(harness: AppHarness) -> None:
    async with running(harness):
        harness.generator.hold.set()
        await harness.generate("a cat")
        await harness.until(lambda: harness.progress.is_running)
        await harness.press("alt+a", "ctrl+c")
        assert harness.app.clipboard == "a cat"
        assert not harness.notifications()
        harness.generator.hold.clear()


async def test_without_a_job_ctrl_c_says_how_to_quit(harness: AppHarness) -> None:
    async with running(harness):
        await harness.until(lambda: not harness.progress.is_active)
        await harness.press("ctrl+c")
        assert harness.notifications() == ["Nothing is running. ^q quits."]


async def test_failure_is_one_line_with_the_hint(harness: AppHarness) -> None:
    async with running(harness):
        harness.generator.failure = GenerationError("[/b] broke", "Mend it", stage="decode")
        await harness.generate()
        await harness.finished()
        progress = harness.progress
        assert progress.outcome is EventLevel.ERROR
        assert progress.message == "failed: [/b] broke. Mend it."
        assert not harness.panes.gallery.total


async def test_a_long_path_hides_no_reason(harness: AppHarness) -> None:
    async with running(harness, (80, 24)):
        path = f"/{'folder/' * 20}1.png"
        harness.generator.failure = GenerationError(
            f"{path} can't be written", "Make room", stage="decode"
        )
        await harness.generate()
        await harness.finished()
        line = harness.app.main.top_line
        await harness.until(lambda: line.progress.outcome)
        text = line.render().plain
        assert "✗ failed: " in text
        assert "Make room." in text
        assert len(text) <= line.content_size.width


async def test_attempts_are_seen_as_they_happen(harness: AppHarness) -> None:
    async with running(harness):
        harness.generator.attempt = events.Attempt(
            number=2,
            stage=Stage.DECODE,
            rung="vae_tiling",
            changes="tiling the VAE",
            lossless=True,
            error="out of memory",
        )
        harness.generator.hold.set()
        await harness.generate()
        main = harness.app.main
        line = "out of memory while decoding: tiling the VAE (attempt 2)"
        await harness.until(lambda: line in main.panes.log.text)
        await harness.until(lambda: "attempt 2" in main.top_line.render().plain)
        harness.generator.hold.clear()
        await harness.finished()


async def test_an_escape_sequence_is_never_sent(harness: AppHarness) -> None:
    async with running(harness):
        harness.panes.dock.prompt.text = "a \x1b]0;owned\x07 cat"
        await harness.press("ctrl+g")
        await harness.finished()
        await harness.until(lambda: harness.panes.gallery.total == 1)
        assert "\x1b" not in harness.screen_text()


async def test_several_pictures_can_be_stepped_through(harness: AppHarness) -> None:
    async with running(harness):
        await harness.generate("cats", num_images_per_prompt="3")
        await harness.finished()
        stage, gallery = harness.panes.stage, harness.panes.gallery
        await harness.until(lambda: gallery.total == 3)
        stage.focus()
        await harness.until(lambda: gallery.grid.cursor == 0)  # the first of the job
        await harness.press("l", "l", "h", "h")
        first = gallery.selected
        assert first is not None
        assert gallery.grid.cursor == 0
        await harness.until(lambda: stage.picture and stage.picture.path == first.path)
        await harness.press("f6")
        await harness.until(lambda: not harness.at_main)
        await harness.press("escape")
        assert harness.at_main


async def test_that_torch_is_being_started_is_said(harness: AppHarness) -> None:
    started = threading.Event()
    make = harness.make_generator
    harness.make_generator = lambda: started.wait(30) and make()  # type: ignore[method-assign]
    async with running(harness):
        await harness.until(lambda: harness.progress.stage == "loading PyTorch")
        await harness.generate()
        started.set()
        await harness.finished()
        assert any(line.text == "loading PyTorch" for line in harness.panes.log.lines)


async def test_the_whole_screen_shows_the_picture_as_it_forms(harness: AppHarness) -> None:
    async with running(harness):
        harness.generator.hold_at_picture = 1
        harness.generator.step_seconds = 0.3
        harness.generator.hold.set()
        await harness.generate("cats", num_images_per_prompt="2")
        await harness.until(lambda: harness.progress.is_running)
        await harness.press("f6")
        await harness.until(lambda: not harness.at_main)
        view = harness.app.screen.query_one(PixelView)
        harness.generator.hold.clear()
        await harness.until(lambda: harness.progress.step)
        await harness.until(lambda: "· picture 1 of 2" in harness.app.main.top_line.render().plain)
        harness.generator.hold.set()
        await harness.until(lambda: view.pixels is not None and view.pixels.width == 16)
        harness.generator.hold.clear()
        await harness.until(lambda: view.pixels is not None and view.pixels.width > 16)
        harness.generator.hold_at_picture = None
        caption = harness.app.screen.query_one("#caption", Static)
        await harness.until(lambda: "1/2" in str(caption.render()))
        await harness.press("l")
        await harness.until(lambda: "2/2" in str(caption.render()))
        await harness.press("escape")
        assert harness.at_main


async def test_pictures_are_drawn_off_the_event_loop(
    harness: AppHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn_on: list[threading.Thread] = []

    def noted(pixels: Pixels, columns: int, rows: int) -> list[Strip]:
        drawn_on.append(threading.current_thread())
        return draw(pixels, columns, rows)

    monkeypatch.setattr(pixel_view, "draw", noted)
    async with running(harness):
        preview = harness.panes.stage
        view = preview.view.pixel_view
        preview.show_forming(Pixels(1, 1, bytes(3)), ())
        await harness.until(lambda: view.size)  # the welcome was there
        drawn_on.clear()
        preview.show_forming(newest := Pixels(16, 16, bytes(16 * 16 * 3)), ())
        await harness.until(lambda: view.pixels is newest)
        assert "▀" in view.render_line(view.size.height // 2).text
        assert drawn_on
        assert threading.main_thread() not in drawn_on
