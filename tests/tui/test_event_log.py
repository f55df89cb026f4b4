"""The text and progress shown for jobs' events."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

import pytest

from sdtui.core.enums import EventLevel
from sdtui.jobs.progress import JobProgress, apply_event
from sdtui.requests.events import (
    Cancelled,
    Downloading,
    Event,
    Failed,
    Finished,
    Loading,
    Queued,
    Saved,
    StageStarted,
    Started,
)
from sdtui.requests.record import Stage
from sdtui.tui.event_log import log_line, shown_after, shown_progress
from sdtui.tui.job_progress import ShownProgress
from tests.support.events import in_envelope, step_event
from tests.support.records import record


def progress_of(*events: Event, job: str = "a") -> JobProgress:
    return reduce(
        JobProgress.apply, [in_envelope(job, event) for event in events], JobProgress(job)
    )


def test_running_job_stays_in_view_while_another_one_starts_and_ends() -> None:
    shown, open_jobs = ShownProgress(), dict[str, JobProgress]()
    for job, event in (
        ("a", Queued(position=0)),
        ("b", Queued(position=0)),
        ("a", Started(seed=1)),
        ("b", Started(seed=2)),
        ("a", StageStarted(stage=Stage.DENOISE)),
        ("a", step_event(1, 4)),
        ("b", step_event(3, 4)),
        ("b", Cancelled()),
    ):
        shown = shown_after(shown, apply_event(open_jobs, in_envelope(job, event)))
    assert (shown.job, shown.place, shown.stage) == ("a", "1/4", "denoising")
    shown = shown_after(shown, apply_event(open_jobs, in_envelope("a", Finished(record=record()))))
    assert shown.outcome is EventLevel.SUCCESS


def test_waiting_job_is_not_shown() -> None:
    before = ShownProgress(job="a", outcome=EventLevel.SUCCESS, message="finished")
    assert shown_after(before, progress_of(Queued(position=0), job="b")) == before


def test_stopping_message_stays_until_the_job_ends() -> None:
    running = progress_of(Started(seed=1), StageStarted(stage=Stage.DENOISE))
    before = replace(shown_progress(running), stopping="stops after this step")
    after = shown_after(before, running.apply(in_envelope("a", step_event(1, 4))))
    assert after.stopping == "stops after this step"
    assert shown_after(after, running.apply(in_envelope("a", Cancelled()))).stopping == ""


def test_outcome_has_the_number_of_saved_pictures() -> None:
    saved = (Started(seed=1, num_images=3), Saved(image_index=0, seed=1, path="/a.png"))
    shown = shown_progress(progress_of(*saved, Failed(error="no", hint="")))
    assert shown.message == "failed: no. · 1 picture saved"


@pytest.mark.parametrize(
    ("event", "stage", "place"),
    [
        (Loading(model="m", component="vae", number=1, total=5), "loading", "1/5"),
        (Downloading(model="m", done=1, total=2, speed=1.0), "downloading", "downloading"),
        (StageStarted(stage=Stage.DECODE), "decoding", "decoding"),
    ],
)
def test_stage_and_place(event: Event, stage: str, place: str) -> None:
    shown = shown_progress(progress_of(event))
    assert (shown.stage, shown.place) == (stage, place)


def test_component_that_is_loaded_is_named_in_words() -> None:
    part = Loading(model="m", component="text_encoder", number=1, total=2, is_part=True)
    assert shown_progress(progress_of(part)).message == "text encoder"


def test_bytes_of_a_download_fill_no_log() -> None:
    downloading = Downloading(model="m", done=1, total=2, speed=1.0)
    assert log_line(in_envelope("a", downloading), progress_of(downloading)) is None
    started = Started(seed=1)
    assert log_line(in_envelope("a", started), progress_of(started)) is not None


def test_log_says_at_which_step_a_job_was_cancelled() -> None:
    progress = progress_of(StageStarted(stage=Stage.DENOISE), step_event(16, 75), Cancelled())
    line = log_line(in_envelope("a", Cancelled()), progress)
    assert line is not None
    assert line.text == "cancelled at step 16 of 75"
