"""The folder of a training, and its process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sdtui.core.errors import InvalidRequestError, TrainingError
from sdtui.core.locks import try_hold
from sdtui.jobs.training_process import TrainingProcess
from sdtui.requests.training.events import (
    TrainingEvent,
    TrainingFinished,
    TrainingStep,
    event_line,
)
from sdtui.requests.training.request import TrainingRequest
from sdtui.training.folder import TrainingFolder, all_trainings, begin_training, find_training


def _request(name: str = "my dog", **values: object) -> TrainingRequest:
    return TrainingRequest.parse(
        {"instance_data_dir": "/pictures", "output_name": name, "rank": 3, **values}
    )


def _step(folder: TrainingFolder, step: int) -> None:
    event = TrainingStep(
        step=step, steps=9, loss=1, smoothed=1, learning_rate=1, seconds=1, memory=1
    )
    with folder.events_file.open("a") as file:
        file.write(event_line(event))


def _finish(folder: TrainingFolder, *, stopped: bool) -> None:
    event = TrainingFinished(step=9, path="/x.safetensors", seconds=1, is_stopped=stopped)
    with folder.events_file.open("a") as file:
        file.write(event_line(event))


def test_a_request_is_read_as_it_was_written() -> None:
    request = _request(validation_prompts=("a dog",), class_data_dir="/class", snr_gamma=None)
    begin_training(request, anew=False)
    assert find_training("my dog").request() == request


def test_an_unfinished_training_is_not_begun_again_by_mistake() -> None:
    folder = begin_training(_request(), anew=False)
    begin_training(_request(), anew=False)  # not a step was made
    _step(folder, 4)
    with pytest.raises(TrainingError, match="interrupted after step 4"):
        begin_training(_request(), anew=False)
    _finish(folder, stopped=True)
    with pytest.raises(TrainingError, match="interrupted"):
        begin_training(_request(), anew=False)
    begin_training(_request(), anew=True)
    assert folder.state().step == 0


def test_a_finished_training_may_be_begun_again() -> None:
    folder = begin_training(_request(), anew=False)
    _step(folder, 9)
    _finish(folder, stopped=False)
    assert folder.state().lora == "/x.safetensors"
    begin_training(_request(), anew=False)
    assert [each.state().lora for each in all_trainings()] == [""]


def test_a_lora_is_replaced_only_if_that_is_asked_for(tmp_path: Path) -> None:
    request = _request(output_dir=tmp_path)
    (tmp_path / "my dog.safetensors").touch()
    with pytest.raises(TrainingError, match=r"there is a LoRA .*my dog.safetensors already"):
        begin_training(request, anew=False)
    assert all_trainings() == []
    begin_training(request, anew=True)


def test_a_running_training_is_left_alone() -> None:
    folder = begin_training(_request(), anew=False)
    assert try_hold(folder.lock_file) is not None
    assert folder.state().is_running
    with pytest.raises(TrainingError, match="running already"):
        begin_training(_request(), anew=True)


def test_an_unknown_training_is_refused_with_the_names_of_others() -> None:
    begin_training(_request(), anew=False)
    with pytest.raises(TrainingError, match="There are: my dog"):
        find_training("cat")


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "a:b", "a>b", " ", "a\nb"])
def test_a_name_that_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequestError, match="output_name"):
        _request(name)


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], TrainingProcess]:
    """Return what starts a training whose process is a shell script."""

    def start_script(script: str) -> TrainingProcess:
        program = tmp_path / "python"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))
        return TrainingProcess(begin_training(_request(), anew=False))

    return start_script


def test_a_process_that_dies_is_a_failure_with_its_last_words(
    start: Callable[[str], TrainingProcess],
) -> None:
    process = start("echo no event; echo 'Bus error' >&2; exit 3")
    events: list[TrainingEvent] = list(iter(process.next_event, None))
    assert [each.kind for each in events] == ["failed"]
    assert "ended with code 3: Bus error. Resume it" in str(events[0])
    assert list(find_training("my dog").events()) == events


def test_commands_reach_the_process_from_any_other() -> None:
    folder = begin_training(_request(), anew=False)
    find_training("my dog").send("pause")
    assert folder.take_command() == "pause"
    assert folder.take_command() == ""


def test_a_process_that_was_killed_has_no_last_words(
    start: Callable[[str], TrainingProcess],
) -> None:
    process = start("echo 'a warning.' >&2; kill -9 $$")
    assert "was killed by signal 9. Resume it" in str(process.next_event())
