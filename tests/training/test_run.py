"""Whole trainings of tiny models."""

from __future__ import annotations

import errno
import itertools
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from sdtui.core.errors import (
    CancelledError,
    OutOfMemoryError,
    OutputError,
    SdtuiError,
    TrainingError,
    UnsupportedModelError,
)
from sdtui.core.files import write_atomic
from sdtui.core.settings import Settings
from sdtui.engine.generator import generate
from sdtui.history import History
from sdtui.models.headers import read_header
from sdtui.requests.training.events import TrainingEvent
from sdtui.requests.training.request import TrainingRequest
from sdtui.training import checkpoint, objective, run, samples, steps, trainer
from sdtui.training.checkpoint import Checkpoint, read_checkpoint
from sdtui.training.control import TrainingControl
from sdtui.training.folder import TrainingFolder
from sdtui.training.plan import MemoryNeeds
from tests.support.faults import cuda_out_of_memory
from tests.support.thread_processes import TwoThreads
from tests.support.tiny_models import make_sd1_inpainting, make_sdxl_refiner
from tests.support.training_pictures import AddPicture

Learn = Callable[..., Path]


class _Training:
    """Trains with a tiny SD 1 model and keeps the events."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder = folder
        self.model = model
        self.events: list[TrainingEvent] = []
        self.control = TrainingControl()
        self.stop_after = 0
        self.keeps_events = False
        """True to write them into the training's folder, as its process does."""
        self.end = TrainingControl.stop

    def run(self, name: str = "new", work: str = "work", **values: Any) -> dict[str, torch.Tensor]:
        """Train and return the tensors of the file."""
        usual = {
            **{"instance_data_dir": self.folder / "data", "output_dir": self.folder / "loras"},
            **{"resolution": 64, "max_train_steps": 4, "train_batch_size": 2, "rank": 2},
            **{"model": str(self.model), "output_name": name, "learning_rate": 1e-3},
        }
        request = TrainingRequest.parse({**usual, **values})
        settings = Settings(
            device="cpu",
            lora_folders=(self.folder / "loras",),
            pictures=self.folder / "pictures",
        )
        path = run.train(request, settings, self.folder / work, self._note, self.control)
        return load_file(path)

    def _note(self, event: TrainingEvent) -> None:
        self.events.append(event)
        if self.keeps_events:
            TrainingFolder(self.folder / "work").add_event(event)
        if event.kind == "step" and event.step == self.stop_after:
            self.end(self.control)

    def kinds(self) -> list[str]:
        """Return the kinds of the events but those of preparations."""
        return [each.kind for each in self.events if each.kind != "preparing"]


@pytest.fixture
def training(
    tmp_path: Path, tiny_sd1: Path, add_picture: AddPicture, monkeypatch: pytest.MonkeyPatch
) -> _Training:
    """Trains without the estimate of memory, which takes longer than all steps."""
    monkeypatch.setattr(steps, "memory_needs", lambda *_: MemoryNeeds(1000, 1000, 500))
    model = shutil.copytree(tiny_sd1, tmp_path / "model")
    quick = {"num_inference_steps": 1, "guidance_scale": 1, "width": 64, "height": 64}
    (model / "sdtui.json").write_text(json.dumps(quick))
    for number in range(3):
        add_picture(f"2_dog/{number}.png", f"a dog, number {number}")
    add_picture("2_dog/wide.png", "a wide dog", size=(128, 64))
    return _Training(tmp_path, model)


def test_training_writes_checkpoints_and_samples_that_name_the_lora_of_their_step(
    training: _Training, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"checkpointing_steps": 2, "validation_steps": 2, "seed": 3}
    tensors = training.run("my dog", validation_prompts=("a dog",), **options)
    assert training.kinds() == [
        *("planned", "sample", "step", "step", "checkpoint", "sample"),
        *("step", "step", "sample", "finished"),
    ]
    planned = next(each for each in training.events if each.kind == "planned")
    assert planned.buckets == {"64x64": 3, "80x48": 1}
    assert planned.trainable == sum(
        each.numel() for name, each in tensors.items() if not name.endswith("alpha")
    )
    assert {each.name for each in (tmp_path / "loras").iterdir()} == {
        *("my dog.safetensors", "my dog-000002.safetensors"),
    }
    with History(tmp_path / "pictures") as history:
        entries = history.entries("tag:my-dog").entries[::-1]
        records = [history.record(each) for each in entries]
    samples = [each for each in training.events if each.kind == "sample"]
    assert [str(each.path) for each in entries] == [each.path for each in samples]
    tags = ("", " <lora:my dog-000002:1>", " <lora:my dog:1>")
    assert [each.prompt for each in records] == [f"a dog{tag}" for tag in tags]
    loras = [each.settings.lora_files if each.settings else () for each in records]
    header = read_header(tmp_path / "loras/my dog.safetensors")
    assert loras[0] == ()
    assert loras[2][0].autov3 == header.metadata["sshs_model_hash"][:12]
    assert records[1].notices == ("Made during the training my dog, after step 2",)
    changed = [each for name, each in tensors.items() if "lora_up" in name]
    assert all(each.abs().max() > 0 for each in changed)


def test_a_stopped_or_paused_training_goes_on_as_if_it_had_not_been(
    training: _Training, tmp_path: Path
) -> None:
    options: dict[str, Any] = {
        "random_flip": True,
        "shuffle_caption": True,
        "caption_dropout_rate": 0.3,
    }
    whole = training.run(work="whole", **options)
    training.stop_after = 1
    begun = training.run(**options)
    assert training.events[-1].kind == "finished"
    assert training.events[-1].is_stopped
    training.stop_after, training.control, training.end = (
        3,
        TrainingControl(),
        TrainingControl.pause,
    )
    with pytest.raises(CancelledError):
        training.run(**options)
    assert training.kinds()[-1] == "checkpoint"
    training.stop_after, training.control = 0, TrainingControl()
    resumed = training.run(**options)
    assert any(not torch.equal(whole[name], begun[name]) for name in whole)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_memory_that_runs_out_costs_time_and_not_the_training(
    training: _Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = training.run(work="whole", gradient_checkpointing=False)
    loss = objective.batch_loss
    failures = iter([True, False, True, *[False] * 99])

    def sometimes(*arguments: Any) -> torch.Tensor:
        if next(failures):
            raise cuda_out_of_memory()
        return loss(*arguments)

    monkeypatch.setattr(trainer, "batch_loss", sometimes)
    found = training.run()
    short = [each for each in training.events if each.kind == "memory_short"]
    assert [(each.step, each.change) for each in short] == [
        *((1, "gradient checkpointing"), (2, "batches in 2 pieces")),
    ]
    for name, tensor in undisturbed.items():
        assert torch.allclose(tensor.float(), found[name].float(), atol=1e-4), name


def test_processes_that_share_batches_go_on_to_the_lora_of_one(
    training: _Training, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"train_text_encoder": True, "train_batch_size": 3}
    training.stop_after = 2
    training.run(**options)
    shutil.copytree(tmp_path / "work", tmp_path / "shared")
    training.stop_after, training.control = 0, TrainingControl()
    alone = training.run(**options)
    training.events.clear()
    second = TwoThreads()
    second.take_part(monkeypatch)
    loss, failures = objective.batch_loss, iter([True])

    def sometimes(unet: Any, scheduler: Any, batch: objective.Batch, *others: Any) -> torch.Tensor:
        if len(batch.latents) == 1 and next(failures, False):
            raise cuda_out_of_memory()
        return loss(unet, scheduler, batch, *others)

    monkeypatch.setattr(trainer, "batch_loss", sometimes)
    shared = training.run(work="shared", num_processes=2, **options)
    assert training.kinds() == ["planned", "memory_short", "step", "step", "finished"]
    assert [each.kind for each in second.events if each.kind == "memory_short"] == ["memory_short"]
    for name, tensor in alone.items():
        assert torch.allclose(tensor.float(), shared[name].float(), atol=1e-4), name


def test_a_batch_is_not_shared_by_more_processes_than_it_has_pictures(training: _Training) -> None:
    with pytest.raises(TrainingError, match="3 processes can't share a batch of 2"):
        training.run(num_processes=3)


def test_memory_that_is_never_enough_ends_it_with_a_sentence(
    training: _Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any) -> torch.Tensor:
        raise cuda_out_of_memory()

    monkeypatch.setattr(trainer, "batch_loss", never)
    with pytest.raises(OutOfMemoryError, match="memory ran out in step 1, also with"):
        training.run()


def test_a_picture_that_turns_out_to_be_damaged_is_left_out(
    training: _Training, add_picture: AddPicture
) -> None:
    path = add_picture("2_dog/cut.jpg", "a dog")
    Image.effect_noise((64, 64), 50).convert("RGB").save(path)
    path.write_bytes(path.read_bytes()[:2000])
    training.run(max_train_steps=1)
    notices = [each.text for each in training.events if each.kind == "notice"]
    assert len(notices) == 1
    assert notices[0].startswith("1 picture left out")


def test_missing_class_pictures_are_made_with_the_model_and_learnt_with_the_others(
    training: _Training, add_picture: AddPicture, tmp_path: Path
) -> None:
    there = add_picture("../class/class-0.png", "a dog").read_bytes()
    training.run(
        class_prompt="a {@dog|cat|cow} {|__no__}",
        num_class_images=3,
        class_data_dir=tmp_path / "class",
        max_train_steps=1,
    )
    planned = next(each for each in training.events if each.kind == "planned")
    assert planned.class_pictures == len(list((tmp_path / "class").glob("*.png"))) == 3
    assert (tmp_path / "class/class-0.png").read_bytes() == there
    captions = [each.read_text() for each in sorted((tmp_path / "class").glob("*.txt"))]
    assert [each.split()[1] for each in captions] == ["dog", "cat", "cow"]


def test_text_encoders_are_trained_if_that_is_asked_for(training: _Training) -> None:
    tensors = training.run(train_text_encoder=True, max_train_steps=2)
    ups = [each for name, each in tensors.items() if name.startswith("lora_te_") and "up" in name]
    assert ups
    assert all(each.abs().max() > 0 for each in ups)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"class_data_dir": "nowhere"}, "there are no class pictures in"),
        ({"class_data_dir": "data"}, "has the pictures to learn"),
        ({"output_dir": "data/2_dog/0.png"}, "can't be written: File exists"),
        ({"output_dir": "data/2_dog/0.png/in"}, "can't be written: Not a directory"),
    ],
)
def test_folders_that_cannot_be_used_are_named_before_the_model_is_loaded(
    training: _Training, tmp_path: Path, values: dict[str, str], problem: str
) -> None:
    paths: dict[str, Any] = {name: tmp_path / path for name, path in values.items()}
    with pytest.raises(SdtuiError, match=problem):
        training.run(**paths)
    assert training.events == []


def test_the_state_of_another_training_is_refused(training: _Training) -> None:
    training.run()
    with pytest.raises(TrainingError, match="that of another training"):
        training.run(rank=4)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (make_sd1_inpainting, "is a model for inpainting, which can't be trained"),
        (make_sdxl_refiner, "is a refiner, which can't be trained"),
    ],
)
def test_a_model_that_cannot_be_trained_is_refused(
    training: _Training, tmp_path: Path, make: Callable[[Path], Path], problem: str
) -> None:
    with pytest.raises(UnsupportedModelError, match=problem):
        training.run(model=str(make(tmp_path / "other")))


def test_a_model_says_what_it_learns_with_where_the_request_leaves_it_open(
    training: _Training,
) -> None:
    own = {"training": {"learning_rate": 0.05, "max_train_steps": 1}}
    (training.model / "sdtui.json").write_text(json.dumps(own))
    training.run(learning_rate=None, max_train_steps=None)
    planned = next(each for each in training.events if each.kind == "planned")
    assert (planned.learning_rate, planned.steps) == (0.05, 1)


def _kept(folder: Path) -> Checkpoint:
    """Return the last checkpoint of the training below a folder."""
    kept = read_checkpoint(folder / "work")
    assert kept is not None
    return kept


@pytest.mark.parametrize("wrong", ["loss", "gradients"])
def test_a_training_that_diverges_ends_with_a_sentence_and_keeps_its_checkpoint(
    training: _Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    loss, calls = objective.batch_loss, itertools.count(1)

    def later_not_a_number(*arguments: Any) -> torch.Tensor:
        found = loss(*arguments)
        if next(calls) < 3:
            return found
        if wrong == "gradients":
            found.register_hook(lambda gradient: gradient * torch.inf)
            return found
        return found * torch.nan

    monkeypatch.setattr(trainer, "batch_loss", later_not_a_number)
    with pytest.raises(TrainingError, match=r"diverged in step 3: .* lower --lr"):
        training.run(checkpointing_steps=1)
    kept = _kept(tmp_path)
    assert kept.step == 2
    assert all(each.isfinite().all() for each in kept.tensors.values())


def test_a_sample_that_fails_is_reported_once(
    training: _Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OutOfMemoryError("memory ran out", "Close something", stage="decode")

    monkeypatch.setattr(samples, "generate", fail)
    training.run(validation_prompts=("a dog",), validation_steps=1, max_train_steps=2)
    notices = [each.text for each in training.events if each.kind == "notice"]
    assert notices == ['No samples of "a dog": memory ran out. Close something.']


def test_samples_that_a_kill_has_cut_off_are_made_when_the_training_goes_on(
    training: _Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {
        **{"validation_prompts": ("a dog", "a cat"), "max_train_steps": 2, "rank": 1},
        **{"validation_steps": 1, "checkpointing_steps": 1},
    }
    make, calls = generate, itertools.count(1)

    def killed_at_the_fourth(*arguments: Any, **named: Any) -> Any:
        if next(calls) == 4:
            raise SystemExit
        return make(*arguments, **named)

    training.keeps_events = True
    monkeypatch.setattr(samples, "generate", killed_at_the_fourth)
    with pytest.raises(SystemExit):
        training.run(**options)
    training.run(**options)
    made = [(each.step, each.number) for each in training.events if each.kind == "sample"]
    assert made == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]


def test_a_disk_that_is_full_ends_the_training_with_a_sentence_and_keeps_the_last_state(
    training: _Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_later(path: Path, data: bytes) -> None:
        if path.name == "state-000002.pt":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_atomic(path, data)

    monkeypatch.setattr(checkpoint, "write_atomic", full_later)
    with pytest.raises(OutputError, match=r"work can't be written: No space left"):
        training.run(checkpointing_steps=1)
    assert _kept(tmp_path).step == 1
