"""How long jobs will take."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from sdtui.core.enums import JobState
from sdtui.jobs import Job
from sdtui.jobs.backends.pictures import LocalPictures
from sdtui.jobs.eta import TimeEstimator, earlier_runs, total_time
from sdtui.jobs.progress import JobProgress
from sdtui.requests.events import Saved
from sdtui.requests.record import AttemptRecord, GenerationRecord
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.image_to_image import ImageToImage
from tests.support.events import step_event
from tests.support.records import NOON, picture, record

MEASURED = record(steps=20, width=64, height=64)
"""The model's own values: 20 steps in 3.5 s, 64×64; decoding took 0.5 s."""


def estimator(*earlier: GenerationRecord) -> TimeEstimator:
    """Return an estimator that knows earlier runs, oldest first."""
    made = TimeEstimator()
    for each in earlier:
        made.learn(each)
    return made


def seconds(request: GenerationRequest, *earlier: GenerationRecord) -> float | None:
    """Return the estimate for one waiting job after earlier runs, oldest first."""
    return estimator(*earlier).remaining_times([Job(id="a", request=request)], {})["a"]


def test_time_of_an_equal_request_is_the_measured_one() -> None:
    assert seconds(GenerationRequest(prompt="x"), MEASURED) == pytest.approx(4.0)


def test_time_grows_with_steps_and_pictures() -> None:
    request = GenerationRequest(prompt="x", num_inference_steps=40, num_images_per_prompt=8)
    assert seconds(request, MEASURED) == pytest.approx(8 * (7.0 + 0.5))


def test_own_size_of_the_model_is_recognised_when_it_is_requested() -> None:
    request = GenerationRequest(prompt="x", width=64, height=64)
    assert seconds(request, MEASURED) == pytest.approx(4.0)


def test_time_of_a_batch_is_divided_among_its_pictures() -> None:
    assert seconds(GenerationRequest(prompt="x"), record(pictures=4)) == pytest.approx(1.0)


def test_init_image_takes_only_its_share_of_the_steps() -> None:
    start = ImageToImage(Path("/a.png"), strength=0.5)
    request = GenerationRequest(prompt="x", image_to_image=start)
    assert seconds(request, MEASURED) == pytest.approx(3.5 / 2 + 0.5)


@pytest.mark.parametrize(
    "request_",
    [
        GenerationRequest(prompt="x", model="another"),
        GenerationRequest(prompt="x", width=128, height=64),
    ],
)
def test_another_model_or_size_is_unknown(request_: GenerationRequest) -> None:
    assert seconds(request_, MEASURED) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"success": False},
        {"timings": {}},
        {"settings": None},
        {"attempts": (AttemptRecord(number=2, lossless=False),)},
    ],
)
def test_run_that_failed_or_had_to_change_the_picture_shows_nothing(
    changes: dict[str, object],
) -> None:
    assert seconds(GenerationRequest(prompt="x"), MEASURED.model_copy(update=changes)) is None


def test_newer_runs_replace_older_ones() -> None:
    slower = MEASURED.model_copy(update={"timings": {"denoise": 35.0}})
    assert seconds(GenerationRequest(prompt="x"), MEASURED, slower) == pytest.approx(35.0)


def test_running_job_shows_the_time_of_those_that_wait() -> None:
    request = GenerationRequest(prompt="x", width=64, height=64)
    jobs = [
        Job(id="runs", request=request, state=JobState.RUNNING),
        Job(id="waits", request=request.changed(num_images_per_prompt=2)),
        Job(id="unknown", request=request.changed(model="another")),
    ]
    progress = JobProgress("runs", step=step_event(15, 20))
    times = estimator().remaining_times(jobs, {"runs": progress})
    assert times == {"runs": pytest.approx(0.5), "waits": pytest.approx(4.0), "unknown": None}


def test_remaining_time_of_a_running_job_includes_decoding() -> None:
    job = Job(id="a", request=GenerationRequest(prompt="x", num_images_per_prompt=2))
    job = job.model_copy(update={"state": JobState.RUNNING})
    estimate = estimator(MEASURED).remaining_times
    assert estimate([job], {"a": JobProgress("a")})["a"] == pytest.approx(8.0)
    saved = (Saved(image_index=0, seed=1, path="/a.png"),)
    decoding = JobProgress("a", num_images=2, step=step_event(20, 20), saved=saved)
    assert estimate([job], {"a": decoding})["a"] == pytest.approx(0.5)


def test_jobs_that_are_over_take_no_time() -> None:
    job = Job(id="a", request=MEASURED.request, state=JobState.DONE, record=MEASURED)
    assert estimator(MEASURED).remaining_times([job], {}) == {}


def test_total_counts_each_kind_of_job_and_what_is_left_of_running_ones() -> None:
    request = GenerationRequest(prompt="x")
    jobs = [Job(id=str(number), request=request) for number in range(4)]
    estimate = estimator(MEASURED).remaining_times
    begun = {"0": JobProgress("0", step=step_event(20, 20))}
    assert estimate(jobs, {}).total == pytest.approx(16.0)
    times = estimate(jobs, begun)
    assert times.total == pytest.approx(sum(each or 0.0 for each in times.values()))
    assert (times["0"] or 0.0) < (times["1"] or 0.0) == times["3"]
    unknown = Job(id="unknown", request=request.changed(model="another"))
    assert estimate([*jobs, unknown], begun).total is None


def test_total_is_unknown_if_a_part_is() -> None:
    assert total_time([1.0, 2.5]) == 3.5
    assert total_time([]) == 0.0
    assert total_time([1.0, None]) is None


def test_earlier_sessions_show_the_time_of_each_model_and_size(tmp_path: Path) -> None:
    history = LocalPictures(tmp_path, index_file=tmp_path / "index.db")
    for minutes, steps in enumerate((10, 20)):
        made = record(steps=steps, timestamp=NOON + timedelta(minutes=minutes))
        history.save(picture(), made, 0)
    wide = record(width=128, timestamp=NOON - timedelta(minutes=1))
    history.save(picture(128, 64), wide, 0)
    found = earlier_runs(history)
    made_with = [each.settings for each in found if each.settings is not None]
    assert [(each.width, each.num_inference_steps) for each in made_with] == [(128, 20), (64, 20)]
    history.close()
