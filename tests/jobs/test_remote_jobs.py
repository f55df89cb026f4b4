"""The mirror of a server's jobs."""

from __future__ import annotations

from typing import cast

import pytest

from sdtui.core.enums import JobState
from sdtui.jobs import Job
from sdtui.jobs.backends.remote.calls import Caller, Hand
from sdtui.jobs.backends.remote.jobs import RemoteJobs
from sdtui.jobs.backends.remote.mirror import Mirror
from sdtui.jobs.backends.remote.uploads import Uploads
from sdtui.jobs.wire.messages import Snapshot, State
from sdtui.requests.events import JobEvent, Loaded, Queued, Training, TrainingProgress
from sdtui.requests.request import GenerationRequest
from sdtui.requests.training.events import Paused, TrainingStep
from tests.support.records import record

_LOADED = Loaded(
    model="a", family="sd1", device="cpu", dtype="float32", memory_mode="full", seconds=0.1
)


def test_server_that_was_restarted_has_no_model_any_more() -> None:
    jobs = RemoteJobs(cast("Caller", None), cast("Hand", None), cast("Uploads", None))
    seen: list[JobEvent] = []
    jobs.subscribe(seen.append)
    for loaded in (_LOADED, _LOADED, None, None):
        jobs.replace(Snapshot(jobs=[], running={}, state=State(values={}), loaded=loaded))
    assert [each.event.kind for each in seen] == ["loaded", "unloaded"]


def test_end_that_a_killed_server_did_not_tell_is_told_after_its_restart() -> None:
    """The state of a job may be newer than the event that it came with."""
    mirror = Mirror()
    job = Job(id="a", request=GenerationRequest(prompt="a cat"))
    mirror.put(job, Queued(position=0))
    mirror.note(JobEvent(job="a", time=1, event=Queued(position=0)))
    mirror.put(job.model_copy(update={"state": JobState.CANCELLED}))
    (missed,), missing = mirror.replace([], {}, [])
    assert missed.event.kind == "cancelled"
    assert not missing
    mirror.note(missed)
    assert mirror.replace([], {}, []) == ([], [])


@pytest.mark.parametrize(("pictures", "end"), [(0, "failed"), (1, "failed"), (2, "finished")])
def test_job_that_a_restarted_server_does_not_list_ends_by_its_pictures(
    pictures: int, end: str
) -> None:
    mirror = Mirror()
    request = GenerationRequest(prompt="a cat", num_images_per_prompt=2)
    mirror.put(Job(id="a", request=request), Queued(position=0))
    mirror.note(JobEvent(job="a", time=1, event=Queued(position=0)))
    assert mirror.replace([], {}, []) == ([], ["a"])
    assert mirror.jobs["a"].state is JobState.QUEUED
    paths = [f"/pictures/{number}.png" for number in range(pictures)]
    missed = mirror.end_missing("a", paths, record("a cat") if pictures else None)
    kinds = [each.event.kind for each in missed]
    assert kinds == [*["started"] * bool(pictures), *["saved"] * pictures, end]
    assert mirror.jobs["a"].pictures == tuple(paths)
    assert mirror.jobs["a"].state.is_over


def test_step_of_a_training_that_was_missed_is_told_after_a_cut() -> None:
    def step(number: int) -> JobEvent:
        made = TrainingStep(
            **{"step": number, "steps": 9, "loss": 1, "smoothed": 1, "learning_rate": 1},
            **{"seconds": 1, "memory": 1},
        )
        return JobEvent(job="t", time=number, event=TrainingProgress(name="dog", event=made))

    mirror = Mirror()
    mirror.note(step(1))
    assert mirror.replace([], {}, [step(1)]) == ([], [])
    assert mirror.replace([], {}, [step(3)]) == ([step(3)], [])
    mirror.note(JobEvent(job="t", time=4, event=Training(name="dog", event=Paused(step=3))))
    assert not mirror.trainings
