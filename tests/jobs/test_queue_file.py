"""The queue on disk."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import pytest

from sdtui.jobs import Job, JobState, queue_storage
from sdtui.jobs.queue_file import QueueFile
from sdtui.requests.request import GenerationRequest


def prompts(folder: Path) -> list[list[str]]:
    """Return the prompts in each file."""
    contents = [json.loads(file.read_text()) for file in sorted(folder.glob("queue-*.json"))]
    return [[job["request"]["prompt"] for job in each["jobs"]] for each in contents]


def job(prompt: str, state: JobState = JobState.QUEUED) -> Job:
    """A job in its current state."""
    return Job(id=prompt, request=GenerationRequest(prompt=prompt), state=state)


def test_finished_jobs_are_not_saved(tmp_path: Path) -> None:
    file = QueueFile(tmp_path)
    file.save([job("a cat", JobState.RUNNING), job("a dog", JobState.DONE), job("a fox")])
    assert prompts(tmp_path) == [["a cat", "a fox"]]
    file.save([job("a fox")])
    assert prompts(tmp_path) == [["a fox"]]
    file.save([job("a cat", JobState.CANCELLED)])
    assert not list(tmp_path.iterdir())


def test_final_save_is_not_overwritten(tmp_path: Path) -> None:
    file = QueueFile(tmp_path)
    file.save_final([job("a cat")])
    file.save([job("a cat", JobState.CANCELLED)])
    assert prompts(tmp_path) == [["a cat"]]
    file.save_final([job("a cat", JobState.CANCELLED), job("a fox")])
    assert prompts(tmp_path) == [["a cat"]]


def test_queue_of_a_live_process_is_not_taken(tmp_path: Path) -> None:
    """The lock is released however the process ends."""
    keeps = """
import sys, time
from pathlib import Path
from sdtui.requests.request import GenerationRequest
from sdtui.jobs import Job
from sdtui.jobs.queue_file import QueueFile
QueueFile(Path(sys.argv[1])).save([Job(id="a cat", request=GenerationRequest(prompt="a cat"))])
print(flush=True)
time.sleep(60)
"""
    command = [sys.executable, "-c", keeps, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        file = QueueFile(tmp_path)
        assert file.orphaned() == file.take_over([]) == []
        file.forget_orphaned()
        assert prompts(tmp_path) == [["a cat"]]
        process.kill()
    assert [left.id for left in file.orphaned()] == ["a cat"]


def write_orphaned_queue(folder: Path, *jobs: Job) -> None:
    """Write the files of a process that has died."""
    QueueFile(folder).save_final(jobs)


def test_orphaned_jobs_are_taken_over_by_one_process(tmp_path: Path) -> None:
    write_orphaned_queue(tmp_path, job("a cat"), job("a dog", JobState.RUNNING))
    write_orphaned_queue(tmp_path, job("a fox"))
    files = [QueueFile(tmp_path) for _ in range(8)]
    with ThreadPoolExecutor(len(files)) as pool:
        taken = [left for left in pool.map(lambda file: file.take_over([]), files) if left]
    assert [[job.id for job in left] for left in taken] == [["a cat", "a dog", "a fox"]]
    assert prompts(tmp_path) == [["a cat", "a dog", "a fox"]]
    assert QueueFile(tmp_path).orphaned() == []


def test_orphaned_jobs_are_queued_behind_existing_ones(tmp_path: Path) -> None:
    write_orphaned_queue(tmp_path, job("a cat"))
    file = QueueFile(tmp_path)
    file.save([job("a fox")])
    file.take_over([job("a fox")])
    assert prompts(tmp_path) == [["a fox", "a cat"]]


def test_ending_process_takes_over_nothing(tmp_path: Path) -> None:
    write_orphaned_queue(tmp_path, job("a cat"))
    file = QueueFile(tmp_path)
    file.save_final([job("a fox")])
    assert file.take_over([]) == []
    assert prompts(tmp_path) == [["a cat"], ["a fox"]]


def test_queue_file_that_cannot_be_deleted_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_orphaned_queue(tmp_path, job("a cat"))
    monkeypatch.setattr(Path, "unlink", Mock(side_effect=PermissionError))
    file = QueueFile(tmp_path)
    for _ in range(2):
        assert [left.id for left in file.orphaned()] == ["a cat"]
        file.forget_orphaned()


def test_only_what_was_found_is_forgotten(tmp_path: Path) -> None:
    """Not a queue that a process, maybe this one, saves in its end after the look."""
    write_orphaned_queue(tmp_path, job("a cat"))
    file = QueueFile(tmp_path)
    assert [left.id for left in file.orphaned()] == ["a cat"]
    file.save_final([job("a fox")])
    write_orphaned_queue(tmp_path, job("a dog"))
    file.forget_orphaned()
    assert sorted(left.id for left in QueueFile(tmp_path).orphaned()) == ["a dog", "a fox"]


def test_invalid_queue_file_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "queue-0.json").write_text("[")
    write_orphaned_queue(tmp_path, job("a cat"))
    assert [left.id for left in QueueFile(tmp_path).orphaned()] == ["a cat"]


def test_queue_of_version_0_1_is_read(tmp_path: Path) -> None:
    """It had other names for `is_cancelled` and `is_user_error`."""
    job = {
        "id": "1",
        "request": {"prompt": "a cat", "seed": 7, "strength": 0.5, "init_image": "/tmp/a.png"},
        "state": "queued",
        "is_unwanted": True,
        "asked_wrongly": True,
        "pictures": [],
    }
    (tmp_path / "queue-1-aa.json").write_text(json.dumps({"jobs": [job]}), encoding="utf-8")
    (orphan,) = QueueFile(tmp_path).orphaned()
    assert orphan.request.prompt == "a cat"
    assert orphan.is_cancelled
    assert orphan.is_user_error


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes of a queue of any size are appended to its log."""
    monkeypatch.setattr(queue_storage, "_SNAPSHOT_BYTES", 0)


@pytest.mark.usefixtures("logged")
def test_log_gives_back_every_change_of_a_large_queue(tmp_path: Path) -> None:
    chance, jobs = random.Random(7), [job(str(number)) for number in range(80)]
    file = QueueFile(tmp_path)
    file.save(jobs)
    snapshot = file_of(tmp_path).read_bytes()
    for number in range(30):
        place = chance.randrange(len(jobs))
        moved = jobs.pop(place)
        if number % 3 == 0:
            jobs.insert(chance.randrange(len(jobs)), moved)
        elif number % 3 == 1:
            jobs.append(job(f"new {number}"))
        jobs[0] = jobs[0].model_copy(update={"seed": number})
        file.save(jobs)
        assert queue_storage.read_queue(file_of(tmp_path)) == jobs
    assert file_of(tmp_path).read_bytes() == snapshot
    file.save([])
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("logged")
def test_change_that_a_killed_process_left_unfinished_is_ignored(tmp_path: Path) -> None:
    jobs = [job(str(number)) for number in range(10)]
    file = QueueFile(tmp_path)
    file.save(jobs)
    file.save(jobs[1:])
    log = queue_storage.log_of(file_of(tmp_path))
    file.save(jobs[2:])
    log.write_bytes(log.read_bytes()[:-5])
    assert queue_storage.read_queue(file_of(tmp_path)) == jobs[1:]


@pytest.mark.usefixtures("logged")
def test_log_of_an_older_snapshot_is_ignored(tmp_path: Path) -> None:
    jobs = [job(str(number)) for number in range(10)]
    file = QueueFile(tmp_path)
    file.save(jobs)
    file.save(jobs[1:])
    log = queue_storage.log_of(file_of(tmp_path)).read_bytes()
    file.save([each.model_copy(update={"seed": 1}) for each in jobs])  # longer than the snapshot
    queue_storage.log_of(file_of(tmp_path)).write_bytes(log)
    assert [each.seed for each in queue_storage.read_queue(file_of(tmp_path))] == [1] * 10


@pytest.mark.usefixtures("logged")
def test_change_that_could_not_be_written_is_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [job(str(number)) for number in range(10)]
    file = QueueFile(tmp_path)
    file.save(jobs)
    with monkeypatch.context() as full:
        full.setattr(os, "write", Mock(side_effect=OSError(28, "no space")))
        with pytest.raises(OSError, match="no space"):
            file.save(jobs[1:])
    file.save(jobs[1:])
    assert queue_storage.read_queue(file_of(tmp_path)) == jobs[1:]


def file_of(folder: Path) -> Path:
    """Return the only queue file of a folder."""
    (file,) = folder.glob("queue-*.json")
    return file
