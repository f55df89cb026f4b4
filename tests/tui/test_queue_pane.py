"""The queue pane, and the queue on disk."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path

import pytest

from sdtui.core.errors import OutputError
from sdtui.jobs import Job, JobState
from sdtui.jobs.queue_file import QueueFile
from sdtui.requests.request import GenerationRequest
from sdtui.tui.screens.dialogs import ConfirmScreen
from tests.support.app_harness import AppHarness, running


def waiting(harness: AppHarness) -> list[str]:
    """Return the waiting prompts in order."""
    return [job.request.prompt for job in harness.queue.jobs() if job.state is JobState.QUEUED]


async def three_jobs(harness: AppHarness) -> None:
    """One job is running and held, two wait, and the cursor is on the first of them."""
    harness.generator.hold.set()
    for prompt in ("first", "second", "third"):
        await harness.generate(prompt)
    main = harness.app.main
    await harness.until(lambda: harness.progress.is_running and main.panes.queue.list.count == 3)
    await harness.press("f3")
    await harness.until(lambda: main.panes.queue.list.has_focus)
    await harness.press("j")


async def test_reorder_remove_and_pause(harness: AppHarness) -> None:
    async with running(harness):
        await three_jobs(harness)
        await harness.settled()
        assert "2 queued" in harness.screen_text()
        await harness.press("J")
        assert waiting(harness) == ["third", "second"]
        await harness.press("K")
        assert waiting(harness) == ["second", "third"]
        await harness.press("d")
        assert waiting(harness) == ["third"]
        await harness.press("p")
        assert harness.queue.is_paused
        assert "1 queued · paused" in harness.screen_text()
        await harness.press("p")
        assert not harness.queue.is_paused
        harness.generator.hold.clear()
        await harness.until(lambda: all(job.state.is_over for job in harness.queue.jobs()))
        assert [request.prompt for request in harness.generator.requests] == ["first", "third"]


async def test_rows_show_what_is_special_and_how_long_it_takes(harness: AppHarness) -> None:
    async with running(harness):
        harness.generator.hold_at_picture = 0
        own = {"width": "64", "height": "64", "num_inference_steps": "10"}
        await harness.generate("a tiger", **own)
        await harness.until(lambda: harness.progress.stage == "decoding")
        await harness.generate("a cat", num_images_per_prompt="8")
        await harness.generate("a dog", num_images_per_prompt="1", width="128")
        queue = harness.panes.queue.list
        harness.app.main.window.show_tab("queue")
        await harness.until(lambda: len(queue.times) == 3)
        running_, eight, other = (queue.item_text(job, 60).plain for job in harness.queue.jobs())
        assert running_.startswith("▶ a tiger")
        assert eight.startswith("○ a cat")
        assert eight.endswith("  ×8 · 64×64  ~8 s")
        assert other.endswith("  128×64"), "no time: nothing of this size was measured"
        await harness.settled()
        assert "2 queued" in harness.screen_text()
        assert "2 queued ·" not in harness.screen_text()
        harness.generator.hold_at_picture = None


async def test_times_of_all_are_summed(harness: AppHarness) -> None:
    async with running(harness):
        await three_jobs(harness)
        harness.panes.queue.show_progress({}, {"a": 60.0, "b": 10.0}, 70.0)
        await harness.settled()
        assert "2 queued · ~1:10" in harness.screen_text()
        harness.generator.hold.clear()


async def test_empty_queue_says_what_will_appear(harness: AppHarness) -> None:
    async with running(harness):
        queue = harness.panes.queue.list
        harness.app.main.window.show_tab("queue")
        await harness.settled()
        lines = [queue.render_line(y).text.strip() for y in range(queue.size.height)]
        assert "A picture that you generate appears here" in " ".join(lines)


async def test_taking_a_waiting_job_out_leaves_the_running_one(harness: AppHarness) -> None:
    async with running(harness):
        await three_jobs(harness)
        await harness.press("d")
        assert waiting(harness) == ["third"]
        assert harness.progress.is_running
        harness.generator.hold.clear()
        await harness.until(lambda: all(job.state.is_over for job in harness.queue.jobs()))
        states = {job.request.prompt: job.state for job in harness.queue.jobs()}
        assert states["first"] is JobState.DONE


async def test_stop_after_lets_the_picture_be_finished(harness: AppHarness) -> None:
    async with running(harness):
        await three_jobs(harness)
        await harness.press("f7")
        harness.generator.hold.clear()
        await harness.until(lambda: all(job.state.is_over for job in harness.queue.jobs()))
        assert harness.queue.jobs()[-1].state is JobState.DONE


async def test_stop_after_says_how_many_were_made(harness: AppHarness) -> None:
    async with running(harness):
        harness.generator.hold.set()
        await harness.generate("cats", num_images_per_prompt="3")
        await harness.until(lambda: harness.progress.is_running)
        await harness.press("f7")
        assert harness.progress.stopping == "stops after this picture"
        harness.generator.hold.clear()
        await harness.finished()
        assert harness.progress.message == "cancelled while decoding, after 0.5 s · 1 picture saved"
        await harness.until(lambda: harness.panes.stage.picture)
        assert len(harness.queue.jobs()[0].pictures) == 1
        assert "finished" not in harness.panes.log.text


async def test_pictures_that_did_not_fit_on_disk_are_saved_by_a_key(
    harness: AppHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OutputError("the disk is full", "Make room")

    async with running(harness):
        main = harness.app.main
        monkeypatch.setattr(harness.history, "save", full)
        await harness.generate("a cat")
        await harness.finished()
        assert harness.progress.message == "failed: the disk is full. Make room."
        jobs = main.panes.queue.list
        await harness.until(lambda: jobs.items and jobs.items[0].state.is_over)
        await harness.press("f3", "w")
        await harness.until(lambda: main.panes.log.text.count("the disk is full") == 2)
        assert main.panes.stage.picture is None
        await harness.press("ctrl+q")
        await harness.until(lambda: isinstance(harness.app.screen, ConfirmScreen))
        await harness.press("escape")
        monkeypatch.undo()
        await harness.press("w")
        await harness.until(lambda: main.panes.stage.picture)
        await harness.until(lambda: main.panes.gallery.total == 1)
        assert main.panes.stage.picture is not None
        assert main.panes.stage.picture.path.is_file()
        await harness.press("ctrl+q")
        await harness.until(lambda: not harness.app.is_running)


async def test_the_running_job_is_in_sight(harness: AppHarness) -> None:
    async with running(harness):
        main = harness.app.main
        for number in range(7):
            await harness.generate(f"picture {number}")
            await harness.finished()
        harness.generator.hold.set()
        await harness.generate("the next")
        await harness.until(lambda: main.panes.queue.list.items[0].state is JobState.RUNNING)
        assert main.panes.queue.list.cursor == 0
        assert main.panes.queue.list.scroll_offset.y == 0
        harness.generator.hold.clear()


async def test_reuse_brings_the_seed_of_a_job_that_is_over(harness: AppHarness) -> None:
    async with running(harness):
        main = harness.app.main
        await harness.generate("a cat")
        await harness.finished()
        await harness.until(
            lambda: [job.state for job in main.panes.queue.list.items] == [JobState.DONE]
        )
        main.panes.queue.list.focus()
        await harness.press("r")
        assert harness.texts["seed"] == str(main.panes.queue.list.items[0].seed)


async def test_reuse_brings_a_jobs_settings_back(harness: AppHarness) -> None:
    async with running(harness):
        await three_jobs(harness)
        harness.fill_form("another")
        await harness.press("r")
        assert harness.panes.dock.prompt.text == "second"
        harness.generator.hold.clear()


def saved_prompts(folder: Path) -> list[str]:
    """Return the prompts in the queue file."""
    return [
        job["request"]["prompt"]
        for file in folder.glob("queue-*.json")
        for job in json.loads(file.read_text())["jobs"]
    ]


async def test_the_queue_is_on_disk_until_it_is_empty(harness: AppHarness, tmp_path: Path) -> None:
    async with running(harness):
        await three_jobs(harness)
        await harness.until(lambda: saved_prompts(tmp_path) == ["first", "second", "third"])
        harness.generator.hold.clear()
        await harness.until(lambda: not list(tmp_path.glob("queue-*")))


async def test_simultaneous_shutdowns_save_the_queue(harness: AppHarness, tmp_path: Path) -> None:
    """A user quits just before the connection drops."""
    async with running(harness):
        await three_jobs(harness)
        ends = [threading.Thread(target=harness.app.backend.close) for _ in range(2)]
        for end in ends:
            end.start()
        for end in ends:
            await asyncio.to_thread(end.join)
        harness.generator.hold.clear()
        assert saved_prompts(tmp_path) == ["first", "second", "third"]


def write_orphaned_queue(folder: Path, *prompts: str) -> None:
    """Write the queue file of a killed process."""
    jobs = [Job(id=str(n), request=GenerationRequest(prompt=p)) for n, p in enumerate(prompts)]
    QueueFile(folder).save_final(jobs)


async def test_after_a_crash_the_next_start_offers_to_go_on(
    harness: AppHarness, tmp_path: Path
) -> None:
    write_orphaned_queue(tmp_path, "one [/b]", "two")
    async with running(harness):
        await harness.until(lambda: not harness.at_main)
        await harness.press("enter")
        await harness.until(lambda: len(harness.generator.requests) == 2)
        await harness.until(lambda: not list(tmp_path.glob("queue-*.json")))


async def test_orphaned_jobs_can_be_left_for_the_next_start(
    harness: AppHarness, tmp_path: Path
) -> None:
    write_orphaned_queue(tmp_path, "one")
    async with running(harness):
        await harness.until(lambda: not harness.at_main)
        assert "Ask next time" in harness.app.export_screenshot().replace("&#160;", " ")
        await harness.press("escape")
        assert not harness.queue.jobs()
    again = AppHarness(tmp_path)
    async with running(again):
        await again.until(lambda: not again.at_main)
        await again.press("enter")
        await again.until(lambda: [each.prompt for each in again.generator.requests] == ["one"])


async def test_orphaned_jobs_can_be_discarded_by_two_keys(
    harness: AppHarness, tmp_path: Path
) -> None:
    write_orphaned_queue(tmp_path, "one")
    async with running(harness):
        await harness.until(lambda: not harness.at_main)
        await harness.write("many onions y n")
        await harness.press("delete")
        assert "1 queued job can't be brought back" in harness.screen_text()
        await harness.until(lambda: "Go on" not in harness.screen_text())
        await harness.press("enter")
        assert saved_prompts(tmp_path) == ["one"]
        await harness.write("many onions y n")
        assert saved_prompts(tmp_path) == ["one"]
        await harness.press("delete")
        await harness.until(lambda: not list(tmp_path.glob("queue-*.json")))
        assert not harness.queue.jobs()


async def test_only_one_of_two_apps_goes_on(harness: AppHarness, tmp_path: Path) -> None:
    write_orphaned_queue(tmp_path, "one")
    async with running(harness):
        await harness.until(lambda: not harness.at_main)
        QueueFile(tmp_path).take_over([])
        await harness.press("enter")
        await harness.until(harness.notifications)
        assert not harness.queue.jobs()
        assert saved_prompts(tmp_path) == ["one"]
