"""The screen of trainings, the form of a new one, and what the window shows of a training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from sdtui.core.errors import ConnectionLostError
from sdtui.jobs import ConnectionStatus
from sdtui.models import InstalledLora
from sdtui.requests.events import Event, Training, TrainingProgress
from sdtui.requests.training.events import TrainingFinished, TrainingStep
from sdtui.requests.training.request import TRAINING_FIELDS
from sdtui.requests.training.status import TrainingCondition, TrainingSample, TrainingStatus
from sdtui.tui.form_texts import FormTexts
from sdtui.tui.screens import new_training, training
from sdtui.tui.screens.captions import CaptionScreen
from sdtui.tui.screens.new_training import NewTrainingScreen
from sdtui.tui.screens.training import TrainingScreen
from sdtui.tui.training_form import training_texts
from sdtui.tui.training_text import fact_lines
from sdtui.tui.widgets.line_input import LineInput
from tests.support.app_harness import AppHarness, running
from tests.support.events import in_envelope
from tests.support.fake_trainings import FakeTrainings, running_training
from tests.support.fakes import FakeConnection
from tests.support.records import record


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "_PACE", 0.01)
    monkeypatch.setattr(new_training, "_PAUSE_SECONDS", 0.01)


CAT = TrainingStatus("cat", TrainingCondition.STOPPED, step=200, steps=1000)


def with_trainings(harness: AppHarness, *trainings: TrainingStatus) -> FakeTrainings:
    fake = FakeTrainings(*trainings)
    vars(harness.backend)["trainings"] = fake
    return fake


async def opened(harness: AppHarness) -> TrainingScreen:
    """Open the screen; return it once it shows what it reads."""
    await harness.press("alt+t")
    screen = harness.app.screen
    assert isinstance(screen, TrainingScreen)
    await harness.until(lambda: screen.list.empty != "Looking…")
    return screen


def name_of(screen: TrainingScreen) -> str:
    return screen.chosen.name if screen.chosen else ""


def condition_of(screen: TrainingScreen) -> TrainingCondition | None:
    return screen.chosen.condition if screen.chosen else None


async def test_keys_change_the_training_with_the_cursor(harness: AppHarness) -> None:
    trainings = with_trainings(harness, CAT, running_training())
    async with running(harness, (80, 24)):
        screen = await opened(harness)
        assert name_of(screen) == "zorb"  # the one that goes on
        await harness.until(lambda: screen.plot.curve)
        assert "step 412 of 1500 · 15:14 left" in harness.screen_text()
        await harness.press("p")
        await harness.until(lambda: trainings.calls == [("pause", "zorb")])
        await harness.until(lambda: condition_of(screen) is TrainingCondition.PAUSED)
        await harness.until(lambda: "p Resume" in harness.screen_text())
        await harness.press("b", "down", "b")
        await harness.until(lambda: trainings.calls[-1] == ("keep", "zorb", 200))
        await harness.until(lambda: "200  0.0711  LoRA" in harness.screen_text())
        await harness.press("p")
        await harness.until(lambda: trainings.calls[-1] == ("resume", "zorb"))
        await harness.until(lambda: condition_of(screen) is TrainingCondition.QUEUED)
        await harness.press("s", "escape", "s", "enter")
        await harness.until(lambda: trainings.calls[-1] == ("stop", "zorb"))
        await harness.until(lambda: condition_of(screen) is TrainingCondition.STOPPED)
        await harness.press("tab", "d", "enter")
        await harness.until(lambda: trainings.calls[-1] == ("delete", "zorb"))
        await harness.until(lambda: [each.name for each in screen.list.items] == ["cat"])


async def test_samples_are_those_of_the_checkpoint_with_the_cursor(
    harness: AppHarness, tmp_path: Path
) -> None:
    saved = [
        harness.history.save(Image.new("RGB", (64, 64)), record(prompt, seed=step), 0)
        for step, prompt in ((100, "a zorb"), (400, "a zorb"))
    ]
    samples = [
        TrainingSample(step, 0, "a zorb", str(each.path))
        for step, each in zip((100, 400), saved, strict=True)
    ]
    with_trainings(harness, running_training(samples))
    async with running(harness):
        screen = await opened(harness)
        await harness.until(lambda: screen.samples.chosen == samples[1])
        await harness.press("tab", "down")  # that of step 200
        assert screen.samples.chosen == samples[0]
        await harness.press("enter")
        gallery = harness.panes.gallery
        await harness.until(lambda: gallery.selected and gallery.selected.path == saved[0].path)
        assert harness.at_main


async def test_new_training_shows_mistakes_and_remembers_its_values(
    harness: AppHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "my zorbs"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    trainings = with_trainings(harness, CAT)
    async with running(harness, (80, 24)):
        await opened(harness)
        await harness.press("n")
        form = harness.app.screen
        assert isinstance(form, NewTrainingScreen)
        await harness.press("enter")
        await harness.write("my")
        line = harness.app.screen.query_one(LineInput)
        assert line.region.y == form.form.fields["instance_data_dir"].region.y
        await harness.press("tab", "enter")
        await harness.press("ctrl+t")
        assert isinstance(harness.app.screen, CaptionScreen)
        await harness.press("escape")
        form.values.change({"rank": "9000"})
        await harness.press("ctrl+g")
        await harness.until(lambda: form.values.problems)
        assert set(form.values.problems) == {"output_name", "rank"}
        assert form.form.fields["output_name"].has_focus
        await harness.write("cat")
        form.values.change({"rank": "8", "validation_prompts": "a zorb, red; a zorb on grass"})
        await harness.press("ctrl+g")
        await harness.until(lambda: set(form.values.problems) == {"instance_data_dir"})
        assert "there are no pictures" in form.values.problems["instance_data_dir"]
        Image.new("RGB", (64, 64)).save(folder / "a.png")
        await harness.press("ctrl+g")
        await harness.until(lambda: harness.app.screen is not form)
        assert "cat has done 200 of 1000 steps" in harness.screen_text()
        await harness.press("enter")
        await harness.until(lambda: trainings.calls == [("start", "cat", True)])
        (request,) = trainings.requests
        assert request.output.validation_prompts == ("a zorb, red", "a zorb on grass")
        assert request.instance_data_dir == folder
        await harness.until(lambda: isinstance(harness.app.screen, TrainingScreen))
        again = training_texts(harness.app.main.context.state.training, "pocket")
        assert (again["output_name"], again["rank"]) == ("cat", "8")


async def test_a_lora_of_the_name_is_replaced_only_after_a_question(
    harness: AppHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    trainings = with_trainings(harness)
    found = [InstalledLora("zorb", tmp_path, None)]
    monkeypatch.setattr(harness.backend.models, "loras", lambda: found)
    async with running(harness, (80, 24)):
        await opened(harness)
        await harness.press("n")
        form = harness.app.screen
        assert isinstance(form, NewTrainingScreen)
        form.values.change({"instance_data_dir": str(tmp_path), "output_name": "zorb"})
        await harness.press("ctrl+g")
        await harness.until(lambda: "There is a LoRA zorb" in harness.screen_text())
        assert trainings.calls == []
        await harness.press("enter")
        await harness.until(lambda: trainings.calls == [("start", "zorb", True)])


async def test_window_shows_how_far_a_training_is(harness: AppHarness) -> None:
    trainings = with_trainings(harness, running_training())

    def happens(event: Event) -> None:
        harness.app.main.queue.presenter._mailbox.put(in_envelope("task", event))

    def step(number: int) -> TrainingProgress:
        made = TrainingStep(
            step=number,
            steps=1500,
            loss=0.1,
            smoothed=0.1,
            learning_rate=1e-4,
            seconds=2.0,
            memory=1,
        )
        return TrainingProgress(name="zorb", event=made)

    async with running(harness):
        happens(step(500))
        await harness.until(lambda: harness.progress.training == "zorb")
        await harness.until(lambda: "training zorb 500/1500" in harness.screen_text())
        await harness.press("f3")
        status = "trains zorb · 500/1500 · 33:20 left"
        await harness.until(lambda: status in harness.screen_text())
        screen = await opened(harness)
        trainings.by_name["zorb"] = replace(running_training(), step=501)
        happens(step(501))
        await harness.until(lambda: screen.chosen and screen.chosen.step == 501)
        end = TrainingFinished(step=1500, path="zorb.safetensors", seconds=3000)
        happens(Training(name="zorb", event=end))
        await harness.until(lambda: harness.progress.outcome)
        assert "zorb: finished after 1,500 steps in 50 min 00 s" in harness.panes.log.text


async def test_backend_that_is_away_is_read_again_later(harness: AppHarness) -> None:
    trainings = with_trainings(harness, running_training())
    trainings.problem = ConnectionLostError("gpu1 can't be reached", "Check the network")
    async with running(harness, (60, 16)):
        screen = await opened(harness)
        assert "gpu1 can't be reached" in harness.screen_text()
        trainings.problem = None
        screen.look_soon()
        await harness.until(lambda: screen.chosen)
        assert "gpu1" not in harness.screen_text()
        connection = FakeConnection()
        connection.status = ConnectionStatus(problem="the line was cut")
        harness.backend.connection = connection
        harness.app.main.training.look()
        await harness.until(lambda: "the line was cut. What is shown" in harness.screen_text())
        await harness.press("down")
        assert "the line was cut. What is shown" in harness.screen_text()
        connection.status = ConnectionStatus(is_connected=True)
        harness.app.main.training.look()
        await harness.until(lambda: "the line was cut" not in harness.screen_text())


def test_arrows_begin_at_the_usual_value_of_an_open_field() -> None:
    fields = FormTexts(TRAINING_FIELDS, {}).fields
    for name, text in (("learning_rate", "0.0001"), ("max_train_steps", "1000"), ("rank", "1")):
        assert fields[name].stepped("", 1) == text
    assert fields["learning_rate"].stepped("", -1) == "0.0001"


def test_no_fact_is_split_in_two_lines() -> None:
    for width in range(20, 120):
        lines = fact_lines(running_training(), width)
        assert all(len(line) <= max(width, len("learning rate 9.1e-05")) for line in lines)
        assert "learning rate 9.1e-05" in "\n".join(lines)
