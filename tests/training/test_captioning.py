"""Captions written by models of transformers."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from PIL import Image

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import OutOfMemoryError, UnsupportedModelError
from sdtui.core.settings import Settings
from sdtui.engine.device import choose_device
from sdtui.jobs.caption_process import caption_request
from sdtui.requests.training.captioning import (
    CaptionEvent,
    CaptioningFinished,
    CaptionRequest,
    caption_event_of_line,
)
from sdtui.requests.training.captions import read_caption
from sdtui.training.captioning import __main__ as process
from sdtui.training.captioning import run
from sdtui.training.captioning.batches import CaptionBatches
from sdtui.training.captioning.run import write_captions
from tests.support.faults import cuda_out_of_memory
from tests.support.tiny_captioners import make_blip, make_florence_2, make_llava
from tests.support.training_pictures import AddPicture


class ScriptedCaptioner:
    """Says how wide pictures are. Runs out of memory with more than `most`."""

    def __init__(self, most: int = 100) -> None:
        self.most = most
        self.batches: list[int] = []
        self.before: Callable[[], object] = lambda: None

    def describe(self, images: Sequence[Image.Image], cancellation: Cancellation) -> list[str]:
        self.before()
        self.batches.append(len(images))
        if len(images) > self.most:
            raise cuda_out_of_memory()
        if any(image.width == 13 for image in images):
            raise ValueError("no such picture")
        return [f"{image.width} px\nwide" if image.width > 1 else "" for image in images]


@pytest.fixture
def captioner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ScriptedCaptioner:
    """Take the place of the model in the folder "model"."""
    scripted = ScriptedCaptioner()
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "blip"}))
    (folder / "model.safetensors").touch()
    monkeypatch.setattr(run, "load_captioner", lambda *_: scripted)
    return scripted


def written(
    model: Path,
    pictures: Sequence[Path],
    cancellation: Cancellation | None = None,
    *,
    prompt: str = "",
    prefix: str = "",
    overwrite: bool = False,
    writes: bool = True,
) -> list[CaptionEvent]:
    """Let a model write captions on the CPU; return the events."""
    request = CaptionRequest(
        captioner=str(model),
        pictures=tuple(map(str, pictures)),
        prompt=prompt,
        prefix=prefix,
        overwrite=overwrite,
        writes=writes,
        device="cpu",
    )
    events: list[CaptionEvent] = []
    write_captions(request, Settings(), events.append, cancellation or Cancellation())
    return events


def finished(events: Sequence[CaptionEvent]) -> CaptioningFinished:
    last = events[-1]
    assert isinstance(last, CaptioningFinished)
    return last


def test_blip_goes_on_with_the_prompt(tmp_path: Path, add_picture: AddPicture) -> None:
    pictures = [add_picture("a dog.png"), add_picture("other dog.png", size=(80, 40))]
    model = make_blip(tmp_path / "blip")
    assert finished(written(model, pictures, prompt="a photo of", prefix="zorb")).captioned == 2
    captions = [read_caption(each) or "" for each in pictures]
    assert all(each.startswith("zorb, a photo of") for each in captions)
    assert {word for each in captions for word in each.split()} <= {
        *("zorb,", "a", "red", "dog", "on", "grass", "photo", "of")
    }


def test_florence_2_has_prompts_for_captions(tmp_path: Path, add_picture: AddPicture) -> None:
    pictures = [add_picture("a dog.png"), add_picture("other dog.png")]
    model = make_florence_2(tmp_path / "florence")
    events = written(model, pictures, prompt="<CAPTION>", writes=False)
    assert [event.kind for event in events] == ["loading", "caption", "caption", "finished"]
    assert read_caption(pictures[0]) is None
    with pytest.raises(UnsupportedModelError, match="It has detailed_caption, caption"):
        written(model, pictures, prompt="what is this?")


def test_the_question_of_a_chat_is_not_in_its_answer(
    tmp_path: Path, add_picture: AddPicture
) -> None:
    pictures = [add_picture("a dog.png"), add_picture("other dog.png", size=(80, 40))]
    model = make_llava(tmp_path / "llava")
    events = written(model, pictures, prompt="What is this, in words?", writes=False)
    captions = [event.caption for event in events if event.kind == "caption"]
    assert len(captions) == 2
    assert not any("this" in each or "ASSISTANT" in each for each in captions)


def test_captions_that_are_there_stay(
    tmp_path: Path, captioner: ScriptedCaptioner, add_picture: AddPicture
) -> None:
    old, new = add_picture("old.png", "mine"), add_picture("new.png", size=(30, 30))
    late = add_picture("late.png")
    captioner.before = lambda: late.with_suffix(".txt").write_text("written meanwhile")
    assert finished(written(tmp_path / "model", [old, new, late])).kept == 1
    captions = [read_caption(each) for each in (old, new, late)]
    assert captions == ["mine", "30 px wide", "written meanwhile"]
    written(tmp_path / "model", [old, new], overwrite=True)
    assert read_caption(old) == "64 px wide"


def test_each_kind_of_bad_picture_is_said_once(
    tmp_path: Path, captioner: ScriptedCaptioner, add_picture: AddPicture
) -> None:
    names = [add_picture(f"{n}.png", size=(20 + n, 20)) for n in range(4)]
    bad = [tmp_path / "data" / f"bad {n}.png" for n in range(3)]
    for each in bad:
        each.write_bytes(b"no picture")
    silent = add_picture("silent.png", size=(1, 1))
    unusual = add_picture("unusual.png", size=(13, 20))
    events = written(tmp_path / "model", [*bad, *names, unusual, silent])
    said = [event.text for event in events if event.kind == "notice"]
    assert said == [
        "3 files left out, since it can't be read as a picture (bad 0.png, bad 1.png, bad 2.png)",
        "2 files left out, since the model says nothing of it (unusual.png, silent.png)",
    ]
    assert (finished(events).captioned, finished(events).left_out) == (4, 5)


def test_less_memory_means_smaller_batches(
    tmp_path: Path, captioner: ScriptedCaptioner, add_picture: AddPicture
) -> None:
    pictures = [add_picture(f"{n}.png", size=(20 + n, 20)) for n in range(9)]
    captioner.most = 2
    assert finished(written(tmp_path / "model", pictures)).captioned == 9
    assert captioner.batches == [1, 4, 2, 2, 2, 2]
    assert [read_caption(each) for each in pictures] == [f"{20 + n} px wide" for n in range(9)]


def test_a_picture_that_does_not_fit_ends_it() -> None:
    captioner = ScriptedCaptioner(most=0)
    batches = CaptionBatches(captioner, choose_device("cpu"))
    with pytest.raises(OutOfMemoryError, match="memory ran out with one picture at a time"):
        batches.describe([Image.new("RGB", (8, 8))], Cancellation())


def test_what_is_done_stays_when_it_is_stopped(
    tmp_path: Path, captioner: ScriptedCaptioner, add_picture: AddPicture
) -> None:
    pictures = [add_picture(f"{n}.png") for n in range(4)]
    cancellation = Cancellation()
    captioner.before = lambda: cancellation.stop_now() if captioner.batches else None
    events = written(tmp_path / "model", pictures, cancellation)
    assert finished(events).is_stopped
    assert [read_caption(each) for each in pictures] == ["64 px wide", None, None, None]


def test_a_model_that_lacks_weights_is_refused(tmp_path: Path, add_picture: AddPicture) -> None:
    model = make_blip(tmp_path / "blip")
    file = model / "config.json"
    config = json.loads(file.read_text())
    config["vision_config"]["num_hidden_layers"] = 2
    file.write_text(json.dumps(config))
    with pytest.raises(UnsupportedModelError, match="lacks weights"):
        written(model, [add_picture("a.png")])


@pytest.mark.usefixtures("captioner")
def test_the_process_reads_a_request_and_prints_events(
    tmp_path: Path,
    add_picture: AddPicture,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pictures = [add_picture("a dog 犬.png"), Path(os.fsdecode(b"b\xff.png"))]
    settings = Settings(device="cpu", captioner=str(tmp_path / "model"))
    request = caption_request(settings, "", pictures)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{request.model_dump_json()}\n"))
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("logging.captureWarnings", lambda capture: None)
    monkeypatch.setattr(process, "_wait_for_end", lambda _: None)
    assert process.main() == 0
    events = map(caption_event_of_line, capsys.readouterr().out.splitlines())
    assert [event and event.kind for event in events] == ["loading", "caption", "finished"]
    assert read_caption(pictures[0]) == "64 px wide"
