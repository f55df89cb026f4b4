"""The queue on disk."""

from __future__ import annotations

import json
import os
from pathlib import Path

from sdtui.core.request import GenerationRequest
from sdtui.jobs import Job, JobState, QueueFile


def prompts(folder: Path) -> list[str]:
    """What the file of this process holds."""
    file = folder / f"queue-{os.getpid()}.json"
    if not file.exists():
        return []
    return [job["request"]["prompt"] for job in json.loads(file.read_text())["jobs"]]


def job(prompt: str, state: JobState = JobState.QUEUED) -> Job:
    """A job as it stands."""
    return Job(id=prompt, request=GenerationRequest(prompt=prompt), state=state)


def test_jobs_that_are_over_are_not_kept(tmp_path: Path) -> None:
    file = QueueFile(tmp_path)
    file.keep([job("a cat", JobState.RUNNING), job("a dog", JobState.DONE), job("a fox")])
    assert prompts(tmp_path) == ["a cat", "a fox"]
    file.keep([job("a cat", JobState.CANCELLED)])
    assert prompts(tmp_path) == []


def test_what_is_kept_for_good_outlives_what_other_threads_keep(tmp_path: Path) -> None:
    file = QueueFile(tmp_path)
    file.keep_for_good([job("a cat")])
    file.keep([job("a cat", JobState.CANCELLED)])
    assert prompts(tmp_path) == ["a cat"]
    file.keep_for_good([job("a cat", JobState.CANCELLED), job("a fox")])
    assert prompts(tmp_path) == ["a cat"]
