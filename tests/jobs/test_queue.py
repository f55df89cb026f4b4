"""The queue with a real generator on a tiny model."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path

import pytest

from sdtui.core.errors import OutputError
from sdtui.jobs import Job, JobState
from sdtui.jobs.queue import JobQueue
from sdtui.requests.events import Event, JobEvent
from sdtui.requests.request import MAX_SEED, GenerationRequest
from tests.support.backends import until
from tests.support.picture_store import PictureStore
from tests.support.requests import make_request


@pytest.fixture
def received(queue: JobQueue) -> list[JobEvent]:
    events: list[JobEvent] = []
    queue.subscribe(events.append)
    return events


_request = partial(make_request, seed=None)


def _kinds(events: list[JobEvent], job: str) -> list[str]:
    return [envelope.event.kind for envelope in events if envelope.job == job]


def test_job_runs_from_queued_to_done(
    queue: JobQueue, store: PictureStore, received: list[JobEvent], tiny_sd1: Path
) -> None:
    job = queue.submit(_request(tiny_sd1, num_images_per_prompt=2, seed=5))
    over = queue.wait(job.id, timeout=60)
    assert over.state is JobState.DONE
    assert over.pictures == ("/pictures/5.png", "/pictures/6.png")
    assert over.record is not None
    assert [image.path for image in over.record.images] == list(over.pictures)
    assert len(store.saved) == 2
    kinds = _kinds(received, job.id)
    assert kinds[:3] == ["queued", "engine_starting", "started"]
    assert kinds[-1] == "finished"
    for envelope in received:
        assert JobEvent.model_validate_json(envelope.model_dump_json()) == envelope


def test_failed_job_does_not_stop_the_next(
    queue: JobQueue, received: list[JobEvent], tiny_sd1: Path
) -> None:
    bad = queue.submit(_request(Path("/no/such/model")))
    good = queue.submit(_request(tiny_sd1))
    failed = queue.wait(bad.id, timeout=60)
    assert failed.state is JobState.FAILED
    assert failed.error is not None
    assert "/no/such/model" in failed.error
    assert queue.wait(good.id, timeout=60).state is JobState.DONE
    assert _kinds(received, bad.id)[-1] == "failed"


def test_waiting_and_running_jobs_can_be_cancelled(
    queue: JobQueue, received: list[JobEvent], tiny_sd1: Path
) -> None:
    started = threading.Event()

    def on_event(envelope: JobEvent) -> None:
        if envelope.event.kind == "step":
            started.set()

    queue.subscribe(on_event)
    running = queue.submit(_request(tiny_sd1, num_inference_steps=150))
    waiting = queue.submit(_request(tiny_sd1))
    queue.cancel(waiting.id)
    assert queue.job(waiting.id).state is JobState.CANCELLED
    assert started.wait(60)
    queue.cancel(running.id)
    assert queue.wait(running.id, timeout=30).state is JobState.CANCELLED
    assert _kinds(received, running.id)[-1] == "cancelled"
    assert "started" not in _kinds(received, waiting.id)


def test_paused_queue_starts_nothing_and_resumes_in_the_new_order(
    queue: JobQueue, tiny_sd1: Path
) -> None:
    started: list[str] = []
    unloaded = threading.Event()

    def on_event(envelope: JobEvent) -> None:
        if envelope.event.kind == "started":
            started.append(envelope.job)
        elif envelope.event.kind == "unloaded":
            unloaded.set()

    queue.subscribe(on_event)
    queue.pause()
    jobs = [queue.submit(_request(tiny_sd1, seed=seed)) for seed in (1, 2, 3)]
    first, second, third = (job.id for job in jobs)
    queue.move(third, 0)
    assert [job.id for job in queue.jobs()] == [third, first, second]
    # Jobs take precedence over the preload, so no job can start any more once it is done.
    queue.unload()
    assert unloaded.wait(60)
    assert started == []
    assert all(job.state is JobState.QUEUED for job in queue.jobs())
    queue.resume()
    for job in jobs:
        assert queue.wait(job.id, timeout=60).state is JobState.DONE
    assert started == [third, first, second]
    assert [job.id for job in queue.jobs()] == [second, first, third], "last to end first"


def test_job_takes_the_model_as_it_was_loaded_in_advance(
    queue: JobQueue, received: list[JobEvent], tiny_sd1: Path
) -> None:
    request = _request(tiny_sd1, speed="fast", quantize="int8")
    queue.load(request.model, request.execution)
    until(lambda: "model_ready" in [each.event.kind for each in received])
    job = queue.submit(request)
    assert queue.wait(job.id, timeout=60).state is JobState.DONE
    assert "loaded" not in _kinds(received, job.id)


def test_unsaved_picture_is_held_and_can_be_saved_again(
    queue: JobQueue, store: PictureStore, tiny_sd1: Path
) -> None:
    store.full = True
    job = queue.submit(_request(tiny_sd1, seed=5))
    failed = queue.wait(job.id, timeout=60)
    assert failed.state is JobState.FAILED
    assert failed.error == "no space left. Make room."
    with pytest.raises(OutputError):
        queue.save_again(job.id)
    store.full = False
    assert queue.save_again(job.id) == ["/pictures/5.png"]
    assert queue.job(job.id).pictures == ("/pictures/5.png",)
    assert queue.save_again(job.id) == []


def test_failing_subscriber_does_not_affect_others(
    queue: JobQueue, tiny_sd1: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: JobEvent) -> None:
        raise ValueError("subscriber")

    unsubscribe = queue.subscribe(fail)
    seen: list[Event] = []
    queue.subscribe(lambda envelope: seen.append(envelope.event))
    job = queue.submit(_request(tiny_sd1))
    assert queue.wait(job.id, timeout=60).state is JobState.DONE
    assert seen[-1].kind == "finished"
    unsubscribe()
    assert "subscriber" in caplog.text


def test_stopped_job_resumes_with_the_remaining_pictures() -> None:
    request = GenerationRequest(prompt="x", seed=MAX_SEED, num_images_per_prompt=3)
    job = Job(id="1", request=request, state=JobState.CANCELLED, seed=MAX_SEED)
    remaining = job.model_copy(update={"pictures": ("/one.png",)}).remaining()
    assert remaining is not None
    assert (remaining.id, remaining.state) == ("1", JobState.QUEUED)
    assert (remaining.request.seed, remaining.request.num_images_per_prompt) == (0, 2)
    for state in (JobState.DONE, JobState.FAILED):
        assert job.model_copy(update={"state": state}).remaining() is None
