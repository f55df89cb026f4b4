"""The queue on disk."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import psutil
import pytest

from sdtui.core.request import GenerationRequest
from sdtui.jobs import Job, JobState, QueueFile


def prompts(file: QueueFile) -> list[str]:
    """What it holds."""
    if not file.path.exists():
        return []
    return [job["request"]["prompt"] for job in json.loads(file.path.read_text())["jobs"]]


def job(prompt: str, state: JobState = JobState.QUEUED) -> Job:
    """A job as it stands."""
    return Job(id=prompt, request=GenerationRequest(prompt=prompt), state=state)


def test_jobs_that_are_over_are_not_kept(tmp_path: Path) -> None:
    file = QueueFile(tmp_path)
    file.keep([job("a cat", JobState.RUNNING), job("a dog", JobState.DONE), job("a fox")])
    assert prompts(file) == ["a cat", "a fox"]
    file.keep([job("a cat", JobState.CANCELLED)])
    assert prompts(file) == []


def test_what_is_kept_for_good_outlives_what_other_threads_keep(tmp_path: Path) -> None:
    file = QueueFile(tmp_path)
    file.keep_for_good([job("a cat")])
    file.keep([job("a cat", JobState.CANCELLED)])
    assert prompts(file) == ["a cat"]
    file.keep_for_good([job("a cat", JobState.CANCELLED), job("a fox")])
    assert prompts(file) == ["a cat"]


def leave_behind(folder: Path, name: str, *jobs: Job) -> None:
    """What a process that is no more would leave."""
    file = QueueFile(folder)
    file.keep(jobs)
    kept = json.loads(file.path.read_text())
    file.path.unlink()
    (folder / f"queue-{name}.json").write_text(json.dumps({**kept, "began": kept["began"] - 100}))


def test_of_several_that_take_over_one_gets_each_job_and_it_is_kept(tmp_path: Path) -> None:
    leave_behind(tmp_path, "1", job("a cat"), job("a dog", JobState.RUNNING))
    leave_behind(tmp_path, "2", job("a fox"))
    own = QueueFile(tmp_path)
    # Two of one process would write one file: each gets a name of its own, as processes do.
    others = [QueueFile(tmp_path) for _ in range(8)]
    for n, other in enumerate(others):
        other.path = tmp_path / f"queue-other-{n}.json"
    with ThreadPoolExecutor(len(others)) as pool:
        taken = [left for left in pool.map(lambda other: other.take_over([]), others) if left]
    assert [[job.id for job in left] for left in taken] == [["a cat", "a dog", "a fox"]]
    assert own.left_behind() == []
    (file,) = tmp_path.glob("queue-*.json")
    assert [job["id"] for job in json.loads(file.read_text())["jobs"]] == [
        "a cat",
        "a dog",
        "a fox",
    ]


def test_what_is_taken_over_comes_behind_what_is_there(tmp_path: Path) -> None:
    leave_behind(tmp_path, "1", job("a cat"))
    file = QueueFile(tmp_path)
    file.take_over([job("a fox")])
    assert prompts(file) == ["a fox", "a cat"]


def test_who_ends_takes_nothing_over(tmp_path: Path) -> None:
    leave_behind(tmp_path, "1", job("a cat"))
    file = QueueFile(tmp_path)
    file.keep_for_good([job("a fox")])
    assert file.take_over([]) == []
    assert [left.id for left in QueueFile(tmp_path).left_behind()] == ["a cat"]


def test_a_process_of_the_same_number_has_another_file(tmp_path: Path) -> None:
    """In a container every process may have the number that the one before it had."""
    file = QueueFile(tmp_path)
    leave_behind(
        tmp_path, f"{os.getpid()}-{psutil.Process().create_time() - 100:.0f}", job("a cat")
    )
    file.keep([job("a fox")])
    assert [left.id for left in file.left_behind()] == ["a cat"]


def test_forgetting_what_may_not_be_deleted_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_behind(tmp_path, "1", job("a cat"))
    monkeypatch.setattr(Path, "unlink", Mock(side_effect=PermissionError))
    file = QueueFile(tmp_path)
    file.forget_left_behind()
    assert [left.id for left in file.left_behind()] == ["a cat"]
