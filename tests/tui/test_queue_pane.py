"""The queue pane, and the queue on disk."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path

import pytest

from sdtui.core.errors import OutputError
from sdtui.jobs import Job, JobState, QueueFile
from sdtui.requests.request import GenerationRequest
from sdtui.tui.screens.dialogs import ConfirmScreen
from tests.support.app_harness import AppHarness, running


def waiting(bench: AppHarness) -> list[str]:
    """The prompts that wait, in their order."""
    return [job.request.prompt for job in bench.queue.jobs() if job.state is JobState.QUEUED]


async def three_jobs(bench: AppHarness) -> None:
    """One runs and stands still, two wait, the first of these has the cursor."""
    bench.generator.hold.set()
    for prompt in ("first", "second", "third"):
        await bench.generate(prompt)
    main = bench.app.main
    await bench.until(
        lambda: main.queue.presenter.progress.is_running and main.panes.queue.list.count == 3
    )
    await bench.press("f3")
    await bench.until(lambda: main.panes.queue.list.has_focus)
    await bench.press("j")


async def test_reorder_remove_and_pause(bench: AppHarness) -> None:
    async with running(bench):
        await three_jobs(bench)
        assert "3" in str(bench.app.main.panes.queue.border_title)
        await bench.press("J")
        assert waiting(bench) == ["third", "second"]
        await bench.press("K")
        assert waiting(bench) == ["second", "third"]
        await bench.press("d")
        assert waiting(bench) == ["third"]
        await bench.press("p")
        assert bench.queue.is_paused
        assert "paused" in str(bench.app.main.panes.queue.border_title)
        await bench.press("p")
        assert not bench.queue.is_paused
        bench.generator.hold.clear()
        await bench.until(lambda: all(job.state.is_over for job in bench.queue.jobs()))
        assert [request.prompt for request in bench.generator.requests] == ["first", "third"]


async def test_taking_a_waiting_job_out_leaves_the_running_one(bench: AppHarness) -> None:
    async with running(bench):
        await three_jobs(bench)
        await bench.press("d")
        await bench.pilot.pause(0.2)
        assert bench.app.main.queue.presenter.progress.is_running
        bench.generator.hold.clear()


async def test_stop_after_lets_the_picture_be_finished(bench: AppHarness) -> None:
    async with running(bench):
        await three_jobs(bench)
        await bench.press("f7")
        bench.generator.hold.clear()
        await bench.until(lambda: all(job.state.is_over for job in bench.queue.jobs()))
        assert bench.queue.jobs()[-1].state is JobState.DONE


async def test_stop_after_says_how_many_were_made(bench: AppHarness) -> None:
    async with running(bench):
        bench.generator.hold.set()
        await bench.generate("cats", num_images_per_prompt="3")
        progress = bench.app.main.queue.presenter
        await bench.until(lambda: progress.progress.is_running)
        await bench.press("f7")
        assert progress.progress.stopping == "stops after this picture"
        bench.generator.hold.clear()
        await bench.finished()
        assert progress.progress.message == "cancelled after 1 of its pictures had been saved"
        assert len(bench.app.main.panes.preview.paths) == 1
        assert "finished" not in bench.app.main.panes.log.text


async def test_what_the_disk_had_no_room_for_is_saved_by_a_key(
    bench: AppHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OutputError("the disk is full", "Make room")

    async with running(bench):
        main = bench.app.main
        monkeypatch.setattr(bench.history, "save", full)
        await bench.generate("a cat")
        await bench.finished()
        assert main.queue.presenter.progress.message == "failed: the disk is full. Make room."
        await bench.press("f3", "w")
        await bench.until(lambda: len(bench.app._notifications) > 1)
        assert not main.panes.preview.paths
        await bench.press("ctrl+q")
        await bench.until(lambda: isinstance(bench.app.screen, ConfirmScreen))
        await bench.press("escape")
        monkeypatch.undo()
        await bench.press("w")
        await bench.until(lambda: main.panes.preview.paths)
        await bench.until(lambda: main.panes.history.list.count == 1)
        assert main.panes.preview.paths[0].is_file()
        await bench.press("ctrl+q")
        await bench.until(lambda: not bench.app.is_running)


async def test_the_running_job_is_in_sight(bench: AppHarness) -> None:
    async with running(bench):
        main = bench.app.main
        for number in range(7):
            await bench.generate(f"picture {number}")
            await bench.finished()
        bench.generator.hold.set()
        await bench.generate("the next")
        await bench.until(lambda: main.panes.queue.list.items[0].state is JobState.RUNNING)
        assert main.panes.queue.list.cursor == 0
        assert main.panes.queue.list.scroll_offset.y == 0
        bench.generator.hold.clear()


async def test_reuse_brings_the_seed_of_a_job_that_is_over(bench: AppHarness) -> None:
    async with running(bench):
        main = bench.app.main
        await bench.generate("a cat")
        await bench.finished()
        await bench.until(
            lambda: [job.state for job in main.panes.queue.list.items] == [JobState.DONE]
        )
        main.panes.queue.list.focus()
        await bench.press("r")
        assert main.generation.texts["seed"] == str(main.panes.queue.list.items[0].seed)


async def test_reuse_brings_a_jobs_settings_back(bench: AppHarness) -> None:
    async with running(bench):
        await three_jobs(bench)
        bench.ask_for("another")
        await bench.press("r")
        assert bench.app.main.panes.prompt.text == "second"
        bench.generator.hold.clear()


def kept_prompts(folder: Path) -> list[str]:
    """What the queue's file holds."""
    return [
        job["request"]["prompt"]
        for file in folder.glob("queue-*.json")
        for job in json.loads(file.read_text())["jobs"]
    ]


async def test_the_queue_is_on_disk_until_it_is_empty(bench: AppHarness, tmp_path: Path) -> None:
    async with running(bench):
        await three_jobs(bench)
        await bench.until(lambda: kept_prompts(tmp_path) == ["first", "second", "third"])
        bench.generator.hold.clear()
        await bench.until(lambda: not list(tmp_path.glob("queue-*")))


async def test_the_queue_is_kept_by_whoever_ends_the_app_first(
    bench: AppHarness, tmp_path: Path
) -> None:
    """Someone quits, and the line drops right behind that."""
    async with running(bench):
        await three_jobs(bench)
        services = bench.app.services
        ends = [threading.Thread(target=services.close) for _ in range(2)]
        for end in ends:
            end.start()
        for end in ends:
            await asyncio.to_thread(end.join)
        bench.generator.hold.clear()
        assert kept_prompts(tmp_path) == ["first", "second", "third"]


def leave_behind(folder: Path, *prompts: str) -> None:
    """What a process that was killed would leave."""
    jobs = [Job(id=str(n), request=GenerationRequest(prompt=p)) for n, p in enumerate(prompts)]
    QueueFile(folder).save_final(jobs)


async def test_after_a_crash_the_next_start_offers_to_go_on(
    bench: AppHarness, tmp_path: Path
) -> None:
    leave_behind(tmp_path, "one [/b]", "two")
    async with running(bench):
        await bench.until(lambda: not bench.at_main)
        await bench.press("enter")
        await bench.until(lambda: len(bench.generator.requests) == 2)
        await bench.until(lambda: not list(tmp_path.glob("queue-*.json")))


async def test_what_was_left_can_be_left_for_the_next_start(
    bench: AppHarness, tmp_path: Path
) -> None:
    leave_behind(tmp_path, "one")
    async with running(bench):
        await bench.until(lambda: not bench.at_main)
        assert "Ask next time" in bench.app.export_screenshot().replace("&#160;", " ")
        await bench.press("escape")
        assert not bench.queue.jobs()
    again = AppHarness(tmp_path)
    async with running(again):
        await again.until(lambda: not again.at_main)
        await again.press("enter")
        await again.until(lambda: [each.prompt for each in again.generator.requests] == ["one"])


async def test_what_was_left_can_be_forgotten(bench: AppHarness, tmp_path: Path) -> None:
    leave_behind(tmp_path, "one")
    async with running(bench):
        await bench.until(lambda: not bench.at_main)
        await bench.write("many onions y n")
        assert kept_prompts(tmp_path) == ["one"]
        await bench.press("delete")
        await bench.until(lambda: not list(tmp_path.glob("queue-*.json")))
        assert not bench.queue.jobs()


async def test_only_one_of_two_apps_goes_on(bench: AppHarness, tmp_path: Path) -> None:
    leave_behind(tmp_path, "one")
    async with running(bench):
        await bench.until(lambda: not bench.at_main)
        QueueFile(tmp_path).take_over([])
        await bench.press("enter")
        await bench.until(lambda: bench.app._notifications)
        assert not bench.queue.jobs()
        assert kept_prompts(tmp_path) == ["one"]
