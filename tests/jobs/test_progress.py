"""The fold over a job's events, and their texts."""

from __future__ import annotations

from functools import reduce

import pytest

from sdtui.core.enums import EventLevel
from sdtui.jobs.event_text import event_text, images_text, loading_text, stage_text
from sdtui.jobs.model_status import ModelStatus
from sdtui.jobs.progress import JobProgress, apply_event
from sdtui.requests.events import (
    Attempt,
    Cancelled,
    EngineStarting,
    Event,
    Failed,
    Finished,
    Loaded,
    Loading,
    ModelReady,
    Queued,
    Saved,
    StageStarted,
    Started,
    Step,
    Superseded,
    Unloaded,
)
from sdtui.requests.record import Stage
from tests.support.events import EVENTS, in_envelope, step_event
from tests.support.records import record

LOADED = Loaded(
    model="m", family="sd1", device="cpu", dtype="float32", memory_mode="full", seconds=0.1
)


def progress_of(*events: Event) -> JobProgress:
    envelopes = [in_envelope("a", event, float(time)) for time, event in enumerate(events)]
    return reduce(JobProgress.apply, envelopes, JobProgress("a"))


def test_progress_follows_a_job_to_its_end() -> None:
    waiting = progress_of(Queued(position=1))
    assert not waiting.is_running
    assert waiting.queued_at == 0.0
    running = progress_of(Queued(position=0), Started(seed=7, num_images=4))
    assert running.is_running
    assert (running.seed, running.started_at, running.fraction) == (7, 1.0, 0.0)
    over = progress_of(
        Queued(position=0),
        Started(seed=7, num_images=1),
        LOADED,
        step_event(4, 4),
        Saved(image_index=0, seed=7, path="/a.png"),
        Finished(record=record()),
    )
    assert over.is_over
    assert not over.is_running
    assert over.paths == ("/a.png",)
    assert over.loaded == LOADED
    assert over.memory_peak == 2**30


def test_done_and_total_count_what_is_going_on() -> None:
    loading = Loading(model="m", component="vae", number=2, total=5)
    assert (progress_of(loading).done, progress_of(loading).total) == (2, 5)
    denoising = progress_of(loading, StageStarted(stage=Stage.DENOISE), step_event(3, 20))
    assert (denoising.done, denoising.total) == (3, 20)
    decoding = progress_of(step_event(20, 20), StageStarted(stage=Stage.DECODE))
    assert (decoding.done, decoding.total, decoding.stage) == (0, 0, "decode")


def test_part_of_a_model_that_is_ready_is_loaded_within_a_job() -> None:
    part = Loading(model="m", component="text_encoder_2", number=1, total=2, is_part=True)
    progress = progress_of(Started(seed=0), StageStarted(stage=Stage.LOAD), part)
    assert loading_text(progress) == "loading the text encoder 2 (1 of 2)"
    assert loading_text(progress_of(part, StageStarted(stage=Stage.ENCODE))) == ""
    ready = ModelStatus(loaded=LOADED, was_loaded=True)
    assert ready.apply(in_envelope("a", part), progress) == ready


def test_steps_of_a_second_pass_go_on_counting() -> None:
    first = progress_of(Started(seed=0), StageStarted(stage=Stage.DENOISE), step_event(20, 30))
    between = first.apply(in_envelope("a", StageStarted(stage=Stage.DENOISE)))
    assert between.fraction == first.fraction == pytest.approx(2 / 3)
    assert between.apply(in_envelope("a", step_event(30, 30))).fraction == 1.0


def test_fraction_counts_all_pictures() -> None:
    started = Started(seed=0, num_images=4)
    assert progress_of(started, step_event(10, 20, first_image=2, batch_size=2)).fraction == 0.75


def test_jobs_on_several_workers_are_kept_apart() -> None:
    open_jobs: dict[str, JobProgress] = {}
    for job in ("a", "b"):
        apply_event(open_jobs, in_envelope(job, Queued(position=0)))
        apply_event(open_jobs, in_envelope(job, Started(seed=1)))
    apply_event(open_jobs, in_envelope("a", step_event(1, 4)))
    apply_event(open_jobs, in_envelope("b", step_event(3, 4)))
    assert {job: each.done for job, each in open_jobs.items()} == {"a": 1, "b": 3}
    assert apply_event(open_jobs, in_envelope("a", Cancelled())).is_over
    assert list(open_jobs) == ["b"]


@pytest.mark.parametrize("end", [LOADED, Unloaded(), ModelReady(model="pocket"), Superseded()])
def test_a_load_without_a_job_is_forgotten_when_it_is_done(end: Event) -> None:
    open_jobs: dict[str, JobProgress] = {}
    apply_event(open_jobs, in_envelope("load", EngineStarting()))
    assert list(open_jobs) == ["load"]
    apply_event(open_jobs, in_envelope("load", end))
    assert not open_jobs


def test_model_status_knows_why_a_load_failed() -> None:
    failed = Failed(error="no such model")
    load, job = JobProgress("load"), JobProgress("job", queued_at=1.0)
    status = ModelStatus().apply(in_envelope("load", EngineStarting()), load)
    assert status.loading == "load"
    assert status.apply(in_envelope("job", failed), job) == status
    status = status.apply(in_envelope("load", failed), load)
    assert (status.loading, status.problem, status.was_loaded) == (None, failed, False)
    status = status.apply(in_envelope("job", LOADED), job)
    assert status == ModelStatus(loaded=LOADED, was_loaded=True)
    assert status.apply(in_envelope("load", Unloaded()), load) == ModelStatus(was_loaded=True)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.kind)
def test_every_event_can_be_applied_and_put_into_words(event: Event) -> None:
    progress_of(event)
    found = event_text(event)
    silent = {"attached", "preview", "unloaded", "model_ready", "superseded", "training_step"}
    assert (found is None) == (event.kind in silent)


def test_levels_say_how_an_event_matters() -> None:
    levels = {event.kind: found.level for event in EVENTS if (found := event_text(event))}
    assert levels["step"] is levels["loading"] is EventLevel.DETAIL
    assert levels["finished"] is EventLevel.SUCCESS
    assert levels["attempt"] is levels["cancelled"] is EventLevel.WARNING
    assert levels["failed"] is EventLevel.ERROR


def test_an_unknown_stage_is_named_by_its_id() -> None:
    assert stage_text("denoise") == "denoising"
    assert stage_text("face_restoration") == "face restoration"


def test_an_attempt_says_that_it_changes_the_picture() -> None:
    attempt = Attempt(
        number=2, stage=Stage.DECODE, rung="tile", changes="tiled", lossless=False, error="oom"
    )
    found = event_text(attempt)
    assert found is not None
    assert found.text == (
        "out of memory while decoding: tiled (attempt 2, which changes the picture)"
    )


def test_pictures_in_progress_are_named() -> None:
    def which(num_images: int, step: Step) -> str:
        return images_text(JobProgress("a", num_images=num_images, step=step))

    assert which(1, step_event(1, 4)) == ""
    assert which(5, step_event(1, 4, first_image=2)) == "picture 3 of 5"
    assert which(5, step_event(1, 4, first_image=2, batch_size=2)) == "pictures 3-4 of 5"
