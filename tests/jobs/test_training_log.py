"""What the events of a training say of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdtui.core.errors import TrainingError
from sdtui.core.locks import try_hold
from sdtui.core.settings import Settings
from sdtui.jobs.backends.trainings import LocalTrainings
from sdtui.jobs.queue import JobQueue
from sdtui.requests.training.events import (
    CheckpointWritten,
    Notice,
    Paused,
    Preparing,
    Sample,
    TrainingFailed,
    TrainingFinished,
    TrainingStep,
)
from sdtui.requests.training.request import TrainingRequest
from sdtui.requests.training.status import TrainingCondition
from sdtui.training.folder import TrainingFolder, begin_training
from tests.support.picture_store import PictureStore

TRAININGS = LocalTrainings(JobQueue(Settings(device="cpu"), PictureStore()).trainings)


@pytest.fixture
def folder() -> TrainingFolder:
    request = TrainingRequest.parse({"instance_data_dir": "/pictures", "output_name": "dog"})
    return begin_training(request, anew=False)


def _steps(folder: TrainingFolder, *steps: int, loss: float = 1.0) -> None:
    for step in steps:
        folder.add_event(
            TrainingStep(
                **{"step": step, "steps": 100, "loss": loss, "smoothed": loss / 2},
                **{"learning_rate": 1e-4, "seconds": 2.0, "memory": 7},
            )
        )


def test_status_of_a_running_training_says_how_far_it_is(folder: TrainingFolder) -> None:
    folder.add_event(Preparing(what="latents"))
    handle = try_hold(folder.lock_file)
    assert handle is not None
    assert TRAININGS.status("dog").activity == "latents"
    _steps(folder, 1, 2, 3, 4)
    found = TRAININGS.status("dog")
    assert (found.condition, found.step, found.steps) == (TrainingCondition.RUNNING, 4, 100)
    assert found.is_elsewhere
    assert (found.model, found.activity) == ("pocket", "")
    assert found.seconds_left == pytest.approx(2.0 * 96)
    with pytest.raises(TrainingError, match="dog is running"):
        TRAININGS.delete("dog")


def test_condition_is_that_of_the_last_end_until_it_goes_on(folder: TrainingFolder) -> None:
    assert TRAININGS.status("dog").condition is TrainingCondition.INTERRUPTED
    folder.add_event(Notice(text="blurred"))
    folder.add_event(TrainingFailed(error="memory ran out", error_type="OutOfMemoryError"))
    found = TRAININGS.status("dog")
    assert (found.condition, found.error) == (TrainingCondition.FAILED, "memory ran out")
    assert found.notices == ("blurred",)
    _steps(folder, 1)
    found = TRAININGS.status("dog")
    assert (found.condition, found.error) == (TrainingCondition.INTERRUPTED, "")
    folder.add_event(Paused(step=1))
    assert TRAININGS.status("dog").condition is TrainingCondition.PAUSED
    folder.add_event(TrainingFinished(step=1, path="/dog.st", seconds=1, is_stopped=True))
    assert TRAININGS.status("dog").condition is TrainingCondition.STOPPED
    folder.add_event(TrainingFinished(step=100, path="/dog.st", seconds=1))
    found = TRAININGS.all()[0]
    assert (found.condition, found.lora) == (TrainingCondition.FINISHED, "/dog.st")


def test_curve_has_the_means_of_stretches_and_steps_that_were_repeated_once(
    folder: TrainingFolder,
) -> None:
    _steps(folder, *range(1, 7), loss=9)
    _steps(folder, *range(5, 12), loss=1)  # after a crash
    whole = TRAININGS.curve("dog")
    assert whole.steps == tuple(range(1, 12))
    assert whole.losses == (9,) * 4 + (1,) * 7
    short = TRAININGS.curve("dog", 3)
    assert short.steps == (4, 8, 11)
    assert short.losses == (9, 1, 1)
    assert short.smoothed == (4.5, 0.5, 0.5)


def test_log_of_a_training_that_was_begun_anew_is_read_from_its_beginning(
    folder: TrainingFolder,
) -> None:
    _steps(folder, 1, 2, 3)
    assert TRAININGS.status("dog").step == 3
    begin_training(folder.request(), anew=True)
    _steps(folder, 1)
    assert TRAININGS.status("dog").step == 1


def test_line_that_is_being_written_is_read_when_it_is_whole(folder: TrainingFolder) -> None:
    _steps(folder, 1, 2)
    whole = folder.events_file.read_bytes()
    folder.events_file.write_bytes(whole[:-20])
    assert TRAININGS.status("dog").step == 1
    folder.events_file.write_bytes(whole)
    assert TRAININGS.status("dog").step == 2


def test_kept_checkpoint_becomes_the_lora(folder: TrainingFolder, tmp_path: Path) -> None:
    path = tmp_path / "dog-000002.safetensors"
    path.write_bytes(b"weights")
    _steps(folder, 1, 2)
    folder.add_event(CheckpointWritten(step=2, path=str(path)))
    _steps(folder, 3)
    folder.add_event(CheckpointWritten(step=3, path=str(tmp_path / "gone")))
    folder.add_event(Sample(step=2, number=0, prompt="a dog", path="/a.png"))
    found = TRAININGS.status("dog")
    assert [(each.step, each.smoothed) for each in found.checkpoints] == [(2, 0.5)]
    assert [each.path for each in found.samples] == ["/a.png"]
    with pytest.raises(TrainingError, match="no checkpoint of step 3"):
        TRAININGS.keep("dog", 3)
    assert TRAININGS.keep("dog", 2) == str(tmp_path / "dog.safetensors")
    assert (tmp_path / "dog.safetensors").read_bytes() == b"weights"
    found = TRAININGS.status("dog")
    assert (found.lora, found.lora_step) == (str(tmp_path / "dog.safetensors"), 2)


def test_end_of_a_training_can_be_kept_after_another_checkpoint(
    folder: TrainingFolder, tmp_path: Path
) -> None:
    lora, early = tmp_path / "dog.safetensors", tmp_path / "dog-000002.safetensors"
    early.write_bytes(b"early")
    folder.add_event(CheckpointWritten(step=2, path=str(early)))
    for step in (3, 4):  # stopped, and resumed
        _steps(folder, step)
        lora.write_bytes(b"end")
        folder.add_event(TrainingFinished(step=step, path=str(lora), seconds=1, is_stopped=True))
    found = TRAININGS.status("dog")
    assert ([each.step for each in found.checkpoints], found.lora_step) == ([2, 4], 4)
    TRAININGS.keep("dog", 2)
    assert lora.read_bytes() == b"early"
    TRAININGS.keep("dog", 4)
    assert lora.read_bytes() == b"end"
    found = TRAININGS.status("dog")
    assert (found.lora_step, found.condition) == (4, TrainingCondition.STOPPED)


def test_deleted_training_is_unknown_and_damaged_files_are_none(folder: TrainingFolder) -> None:
    (folder.path / "request.json").write_text("[1]")
    folder.events_file.write_bytes(b"\xff{}\nno json\n")
    assert TRAININGS.status("dog").model == ""
    TRAININGS.delete("dog")
    with pytest.raises(TrainingError, match="no training dog"):
        TRAININGS.status("dog")
