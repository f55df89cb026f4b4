"""The queue pane, and the queue on disk."""

from __future__ import annotations

import json
import os
from pathlib import Path

from sdtui.core.request import GenerationRequest
from sdtui.jobs import Job, JobState, QueueFile
from tests.tui.scripted import Bench, running


def waiting(bench: Bench) -> list[str]:
    """The prompts that wait, in their order."""
    return [job.request.prompt for job in bench.queue.jobs() if job.state is JobState.QUEUED]


async def three_jobs(bench: Bench) -> None:
    """One runs and stands still, two wait, the first of these has the cursor."""
    bench.generator.hold.set()
    for prompt in ("first", "second", "third"):
        await bench.generate(prompt)
    main = bench.app.main
    await bench.until(lambda: main.live.progress.is_running and main.queue_pane.list.count == 3)
    await bench.press("f3")
    await bench.until(lambda: main.queue_pane.list.has_focus)
    await bench.press("j")


async def test_reorder_remove_and_pause(bench: Bench) -> None:
    async with running(bench):
        await three_jobs(bench)
        assert "3" in str(bench.app.main.queue_pane.border_title)
        await bench.press("J")
        assert waiting(bench) == ["third", "second"]
        await bench.press("K")
        assert waiting(bench) == ["second", "third"]
        await bench.press("d")
        assert waiting(bench) == ["third"]
        await bench.press("p")
        assert bench.queue.is_paused
        assert "paused" in str(bench.app.main.queue_pane.border_title)
        await bench.press("p")
        assert not bench.queue.is_paused
        bench.generator.hold.clear()
        await bench.until(lambda: all(job.state.is_over for job in bench.queue.jobs()))
        assert [request.prompt for request in bench.generator.requests] == ["first", "third"]


async def test_taking_a_waiting_job_out_leaves_the_running_one(bench: Bench) -> None:
    async with running(bench):
        await three_jobs(bench)
        await bench.press("d")
        await bench.pilot.pause(0.2)
        assert bench.app.main.live.progress.is_running
        bench.generator.hold.clear()


async def test_stop_after_lets_the_picture_be_finished(bench: Bench) -> None:
    async with running(bench):
        await three_jobs(bench)
        await bench.press("f7")
        bench.generator.hold.clear()
        await bench.until(lambda: all(job.state.is_over for job in bench.queue.jobs()))
        assert bench.queue.jobs()[-1].state is JobState.DONE


async def test_reuse_brings_a_jobs_settings_back(bench: Bench) -> None:
    async with running(bench):
        await three_jobs(bench)
        bench.ask_for("another")
        await bench.press("r")
        assert bench.app.main.prompt.text == "second"
        bench.generator.hold.clear()


async def test_the_queue_is_on_disk_until_it_is_empty(bench: Bench, tmp_path: Path) -> None:
    file = tmp_path / f"queue-{os.getpid()}.json"
    async with running(bench):
        await three_jobs(bench)
        await bench.until(file.exists)
        assert [job["request"]["prompt"] for job in json.loads(file.read_text())["jobs"]] == [
            "first",
            "second",
            "third",
        ]
        bench.generator.hold.clear()
        await bench.until(lambda: not file.exists())


def leave_behind(folder: Path, *prompts: str) -> None:
    """What a process that was killed would leave."""
    jobs = [Job(id=str(n), request=GenerationRequest(prompt=p)) for n, p in enumerate(prompts)]
    QueueFile(folder).keep(jobs)
    own = folder / f"queue-{os.getpid()}.json"
    kept = json.loads(own.read_text())
    own.unlink()
    kept["began"] -= 100
    (folder / "queue-1.json").write_text(json.dumps(kept))


async def test_after_a_crash_the_next_start_offers_to_go_on(bench: Bench, tmp_path: Path) -> None:
    leave_behind(tmp_path, "one [/b]", "two")
    async with running(bench):
        await bench.until(lambda: not bench.at_main)
        await bench.press("enter")
        await bench.until(lambda: len(bench.generator.requests) == 2)
        assert not (tmp_path / "queue-1.json").exists()


async def test_what_was_left_can_be_forgotten(bench: Bench, tmp_path: Path) -> None:
    leave_behind(tmp_path, "one")
    async with running(bench):
        await bench.until(lambda: not bench.at_main)
        await bench.press("n")
        await bench.until(lambda: not (tmp_path / "queue-1.json").exists())
        assert not bench.queue.jobs()


def test_a_living_process_keeps_its_queue(tmp_path: Path) -> None:
    QueueFile(tmp_path).keep([Job(id="1", request=GenerationRequest(prompt="mine"))])
    own = tmp_path / f"queue-{os.getpid()}.json"
    own.rename(tmp_path / "queue-7.json")
    assert QueueFile(tmp_path).left_behind() == []
