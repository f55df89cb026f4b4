"""Following a training that a backend carries out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sdtui.cli.training_runs import TrainingRun
from sdtui.core.settings import Settings
from sdtui.jobs.backends.local import LocalBackend
from sdtui.training.folder import find_training
from tests.support.backends import until
from tests.support.scripted_generator import ScriptedGenerator
from tests.support.trainings import script_trainings, training_request


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalBackend]:
    """A backend whose trainings wait for a command."""
    script_trainings(tmp_path, monkeypatch)
    settings = Settings(device="cpu", pictures=tmp_path / "pictures")
    opened = LocalBackend(settings, make_generator=lambda _: ScriptedGenerator())
    yield opened
    assert opened.close(20)


@pytest.fixture
def run(backend: LocalBackend, tmp_path: Path) -> TrainingRun:
    started = TrainingRun(backend, "dog")
    started.start(training_request(tmp_path), anew=False)
    until(lambda: backend.trainings.status("dog").step)
    return started


@pytest.mark.parametrize(("command", "code"), [("finish", 0), ("stop", 130), ("pause", 130)])
def test_code_says_how_the_training_ended(
    run: TrainingRun, command: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    find_training("dog").send(command)
    assert run.follow(as_json=False, quiet=True) == code
    out, err = capsys.readouterr()
    assert out == ("" if command == "pause" else "/lora\n")
    assert err == ""


def test_every_event_is_a_line_of_json(
    run: TrainingRun, capsys: pytest.CaptureFixture[str]
) -> None:
    find_training("dog").send("finish")
    run.follow(as_json=True, quiet=True)
    kinds = [json.loads(line)["kind"] for line in capsys.readouterr().out.splitlines()]
    assert kinds == ["queued", "preparing", "notice", "step", "finished"]


def test_a_crash_is_an_error(run: TrainingRun, capsys: pytest.CaptureFixture[str]) -> None:
    find_training("dog").send("crash")
    assert run.follow(as_json=False, quiet=True) == 1
    assert "sdtui: The training's process was killed by signal 9" in capsys.readouterr().err


def test_interrupt_stops_the_training(run: TrainingRun, monkeypatch: pytest.MonkeyPatch) -> None:
    next_event: Callable[[TrainingRun], object] = TrainingRun._next_event
    interrupts = iter([True])

    def interrupted(self: TrainingRun) -> object:
        if next(interrupts, False):
            raise KeyboardInterrupt
        return next_event(self)

    monkeypatch.setattr(TrainingRun, "_next_event", interrupted)
    assert run.follow(as_json=False, quiet=True) == 130


def test_end_whose_event_was_lost_is_seen_by_the_condition(
    run: TrainingRun, backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdtui.cli.training_runs._LOOK_SECONDS", 0.01)
    monkeypatch.setattr(run, "_put", lambda _: None)
    lost = TrainingRun(backend, "dog")
    find_training("dog").send("finish")
    until(lambda: backend.trainings.status("dog").condition == "finished")
    assert lost.follow(as_json=False, quiet=True) == 0
