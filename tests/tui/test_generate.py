"""From the form to the finished picture."""

from __future__ import annotations

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
from sdtui.tui.panes.progress import ProgressBar
from sdtui.tui.screens import main as screens_main
from tests.support.app_harness import AppHarness, running

HARD = "[[blurry]], [/red] (cat:1.2)"


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (120, 36), (200, 60)])
async def test_a_prompt_becomes_a_picture_at_every_size(
    bench: AppHarness, size: tuple[int, int]
) -> None:
    async with running(bench, size):
        await bench.write(HARD[:9])
        await bench.generate(HARD)
        await bench.finished()
        main = bench.app.main
        assert bench.generator.requests[0].prompt == HARD
        assert main.queue.presenter.progress.outcome is EventLevel.SUCCESS
        await bench.until(lambda: main.panes.preview.view.pixel_view.pixels is not None)
        assert [path.suffix for path in main.panes.preview.paths] == [".png"]
        await bench.until(lambda: main.panes.history.list.count == 1)
        assert HARD in bench.app.export_screenshot().replace("&#160;", " ")


async def test_a_picture_can_be_asked_for_before_all_is_imported(
    bench: AppHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported = threading.Event()

    def import_parts() -> PartsImported:
        imported.wait(30)
        return PartsImported()

    monkeypatch.setattr(screens_main, "import_parts", import_parts)
    try:
        async with bench.app.run_test(size=(120, 36)) as bench.pilot:
            await bench.write("a cat")
            await bench.press("ctrl+g")
            await bench.finished()
            assert "finished after" in bench.app.main.panes.log.text
            assert not bench.monitor.has_sampled.is_set()
            imported.set()
            await bench.until(lambda: bench.app.main.panes.history.list.count == 1)
    finally:
        imported.set()
        bench.close()


async def test_the_log_tells_steps_and_the_end(bench: AppHarness) -> None:
    async with running(bench):
        bench.ask_for("a cat")
        await bench.press("f5")
        await bench.finished()
        text = bench.app.main.panes.log.text
        assert "step 4/4" in text
        assert "finished after" in text


async def test_previews_are_shown_while_the_picture_forms(bench: AppHarness) -> None:
    async with running(bench):
        bench.generator.step_seconds = 0.05
        await bench.generate(num_inference_steps="150")
        view = bench.app.main.panes.preview.view.pixel_view
        await bench.until(lambda: view.pixels is not None and view.pixels.width == 16)
        bench.generator.step_seconds = 0
        await bench.finished()
        await bench.until(lambda: view.pixels is not None and view.pixels.width == 64)


async def test_an_empty_prompt_says_why_and_takes_the_focus(bench: AppHarness) -> None:
    async with running(bench):
        bench.app.main.panes.parameters.fields["seed"].focus()
        await bench.press("ctrl+g")
        assert bench.app.main.panes.prompt.editor.has_focus
        assert not bench.queue.jobs()


async def test_a_wrong_value_says_why_and_takes_the_focus(bench: AppHarness) -> None:
    async with running(bench):
        bench.ask_for("a cat")
        width = bench.app.main.panes.parameters.fields["width"]
        width.focus()
        await bench.write("100")
        assert "multiple of 8" in str(
            bench.app.main.panes.parameters.query_one(".problem").render()
        )
        bench.app.main.panes.prompt.editor.focus()
        await bench.press("ctrl+g")
        assert width.has_focus
        assert not bench.queue.jobs()
        await bench.press("backspace", "backspace", "backspace", *"128")
        assert not bench.app.main.panes.parameters.query(".problem")


async def test_cancel_is_not_failure(bench: AppHarness) -> None:
    async with running(bench):
        bench.generator.hold.set()
        await bench.generate()
        await bench.until(lambda: bench.app.main.queue.presenter.progress.is_running)
        await bench.press("ctrl+x")
        await bench.finished()
        assert bench.app.main.queue.presenter.progress.outcome is EventLevel.WARNING
        assert bench.app.main.queue.presenter.progress.message == "cancelled"
        assert bench.queue.jobs()[0].state is JobState.CANCELLED


async def test_a_failure_is_one_line_with_the_mend(bench: AppHarness) -> None:
    async with running(bench):
        bench.generator.failure = GenerationError("[/b] broke", "Mend it", stage="decode")
        await bench.generate()
        await bench.finished()
        progress = bench.app.main.queue.presenter.progress
        assert progress.outcome is EventLevel.ERROR
        assert progress.message == "failed: [/b] broke. Mend it."
        assert not bench.app.main.panes.history.list.count


async def test_a_long_path_hides_no_reason(bench: AppHarness) -> None:
    async with running(bench, (80, 24)):
        path = f"/{'folder/' * 20}1.png"
        bench.generator.failure = GenerationError(
            f"{path} can't be written", "Make room", stage="decode"
        )
        await bench.generate()
        await bench.finished()
        bar = bench.app.main.query_one(ProgressBar)
        await bench.until(lambda: bar.progress.outcome)
        told = bar.render()
        assert told.plain.endswith("can't be written. Make room.")
        assert len(told.wrap(bench.app.console, bar.content_size.width)) <= 2


async def test_attempts_are_seen_as_they_happen(bench: AppHarness) -> None:
    async with running(bench):
        bench.generator.attempt = events.Attempt(
            number=2,
            stage=Stage.DECODE,
            rung="vae_tiling",
            changes="tiling the VAE",
            lossless=True,
            error="out of memory",
        )
        bench.generator.hold.set()
        await bench.generate()
        main = bench.app.main
        line = "out of memory while decoding: tiling the VAE (attempt 2)"
        await bench.until(lambda: main.queue.presenter.progress.tried == line)
        assert line in main.panes.log.text
        await bench.until(lambda: "attempt 2" in str(main.panes.progress.border_title))
        bench.generator.hold.clear()
        await bench.finished()


async def test_an_escape_sequence_is_never_sent(bench: AppHarness) -> None:
    async with running(bench):
        bench.app.main.panes.prompt.text = "a \x1b]0;owned\x07 cat"
        await bench.press("ctrl+g")
        await bench.finished()
        await bench.until(lambda: bench.app.main.panes.history.list.count == 1)
        strips = bench.app.screen._compositor.render_strips()
        assert "\x1b" not in "".join(segment.text for strip in strips for segment in strip)


async def test_several_pictures_can_be_stepped_through(bench: AppHarness) -> None:
    async with running(bench):
        await bench.generate("cats", num_images_per_prompt="3")
        await bench.finished()
        preview = bench.app.main.panes.preview
        await bench.until(lambda: len(preview.paths) == 3)
        assert preview.shown == preview.paths
        preview.focus()
        await bench.press("l", "l")
        assert preview.shown == (preview.paths[1],)
        assert "2 of 3" in str(preview.border_title)
        await bench.press("g")
        assert preview.shown == preview.paths
        await bench.press("f6")
        assert not bench.at_main
        await bench.press("escape")
        assert bench.at_main


async def test_that_torch_is_being_started_is_said(bench: AppHarness) -> None:
    started = threading.Event()
    make = bench.make_generator
    bench.make_generator = lambda: started.wait(30) and make()  # type: ignore[method-assign]
    async with running(bench):
        progress = bench.app.main.queue.presenter
        await bench.until(lambda: progress.progress.stage == "starting")
        await bench.generate()
        assert progress.progress.message == "torch"
        started.set()
        await bench.finished()
        assert "starting torch" in bench.app.main.panes.log.text


async def test_the_whole_screen_shows_the_picture_as_it_forms(bench: AppHarness) -> None:
    async with running(bench):
        presenter = bench.app.main.queue.presenter
        bench.generator.hold_at_picture = 1
        bench.generator.step_seconds = 0.3
        bench.generator.hold.set()
        await bench.generate("cats", num_images_per_prompt="2")
        await bench.until(lambda: presenter.progress.is_running)
        await bench.press("f6")
        await bench.until(lambda: not bench.at_main)
        view = bench.app.screen.query_one(PixelView)
        bench.generator.hold.clear()
        await bench.until(lambda: presenter.progress.step)
        title = str(bench.app.main.panes.progress.border_title)
        assert "denoising · picture 1 of 2" in title
        bench.generator.hold.set()
        await bench.until(lambda: view.pixels is not None and view.pixels.width == 16)
        bench.generator.hold.clear()
        await bench.until(lambda: view.pixels is not None and view.pixels.width == 64)
        bench.generator.hold_at_picture = None
        caption = bench.app.screen.query_one("#caption", Static)
        await bench.until(lambda: "2 of 2" in str(caption.render()))
        await bench.press("h")
        assert "1 of 2" in str(caption.render())
        await bench.press("escape")
        assert bench.at_main


async def test_pictures_are_drawn_beside_the_event_loop(
    bench: AppHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn_on: list[threading.Thread] = []

    def noted(pixels: Pixels, columns: int, rows: int) -> list[Strip]:
        drawn_on.append(threading.current_thread())
        return draw(pixels, columns, rows)

    monkeypatch.setattr(pixel_view, "draw", noted)
    async with running(bench):
        preview = bench.app.main.panes.preview
        view = preview.view.pixel_view
        preview.show_preview(Pixels(1, 1, bytes(3)))
        await bench.until(lambda: view.size)  # the welcome was there
        drawn_on.clear()
        preview.show_preview(newest := Pixels(16, 16, bytes(16 * 16 * 3)))
        await bench.until(lambda: view.pixels is newest)
        assert "▀" in view.render_line(view.size.height // 2).text
        assert drawn_on
        assert threading.main_thread() not in drawn_on
