"""`sdtui train caption`, with a captioner's process that is scripted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from sdtui.cli.captions import caption
from sdtui.cli.codes import INTERRUPTED
from sdtui.core.errors import TrainingError, UnsupportedModelError
from sdtui.jobs import caption_process
from sdtui.requests.training.captioning import (
    Captioned,
    CaptionEvent,
    CaptioningFailed,
    CaptioningFinished,
    CaptionRequest,
)

FINISHED = CaptioningFinished(captioned=1, kept=0, left_out=2, seconds=3)
CAPTIONED = Captioned(picture="/x/a dog.png", caption="a dog", done=1, total=1)


class ScriptedProcess:
    """A process that reports these events, once for each run."""

    events: tuple[CaptionEvent | type[BaseException], ...] = (CAPTIONED, FINISHED)

    def __init__(self, request: CaptionRequest) -> None:
        self.request = request
        self.sent: list[str] = []
        self._next: Iterator[CaptionEvent | type[BaseException]] = iter(self.events)

    def next_event(self) -> CaptionEvent | None:
        event = next(self._next, None)
        if isinstance(event, type):
            raise event
        return event

    def stop(self) -> None:
        self.sent.append("stop")

    def kill(self) -> None:
        self.sent.append("killed")


class Started:
    """Runs the command on a folder of one picture, and remembers the process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.processes: list[ScriptedProcess] = []
        self.folder = folder / "my pictures"
        self.folder.mkdir()
        Image.new("RGB", (8, 8)).save(self.folder / "a dog.png")
        self.model = folder / "model"
        self.model.mkdir()
        (self.model / "config.json").write_text('{"model_type": "blip"}')
        (self.model / "model.safetensors").touch()
        monkeypatch.setattr(caption_process, "CaptionProcess", self._start)

    def _start(self, request: CaptionRequest) -> ScriptedProcess:
        self.processes.append(ScriptedProcess(request))
        return self.processes[-1]

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Return exit code, stdout and stderr."""
        given = [str(self.folder), "-c", str(self.model), *arguments]
        result = CliRunner().invoke(caption, given, standalone_mode=False)
        if result.exception is not None:
            raise result.exception
        return result.return_value, result.stdout, result.stderr


@pytest.fixture
def caption_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Started:
    return Started(monkeypatch, tmp_path)


def test_flags_reach_the_process_and_progress_is_shown(caption_command: Started) -> None:
    code, out, err = caption_command("--prefix", "zorb", "--prompt", "a photo of", "--overwrite")
    request = caption_command.processes[0].request
    assert request.pictures == (str(caption_command.folder / "a dog.png"),)
    assert (request.prefix, request.prompt) == ("zorb", "a photo of")
    assert request.overwrite
    assert request.writes
    assert (code, out) == (0, "")
    assert err.splitlines() == [
        "1/1 a dog.png: a dog",
        "1 caption written, 0 kept, 2 left out, in 3.0 s",
    ]


def test_a_dry_run_prints_captions(caption_command: Started) -> None:
    code, out, _ = caption_command("--dry-run", "--quiet")
    assert not caption_command.processes[0].request.writes
    assert (code, out) == (0, "a dog.png: a dog\n")


def test_events_are_lines_of_json(
    caption_command: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = CaptioningFailed(error="Memory ran out.", error_type="OutOfMemoryError")
    monkeypatch.setattr(ScriptedProcess, "events", (CAPTIONED, failed))
    code, out, err = caption_command("--json", "--quiet")
    assert [json.loads(line)["kind"] for line in out.splitlines()] == ["caption", "failed"]
    assert (code, err) == (1, "sdtui: Memory ran out.\n")


def test_one_interrupt_keeps_what_is_done_and_two_end_it(
    caption_command: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = FINISHED.model_copy(update={"is_stopped": True})
    monkeypatch.setattr(ScriptedProcess, "events", (CAPTIONED, KeyboardInterrupt, stopped))
    assert caption_command()[0] == INTERRUPTED
    monkeypatch.setattr(ScriptedProcess, "events", (KeyboardInterrupt, KeyboardInterrupt))
    assert caption_command()[0] == INTERRUPTED
    assert [each.sent for each in caption_command.processes] == [["stop"], ["stop", "killed"]]


def test_what_is_missing_is_said_before_anything_is_started(caption_command: Started) -> None:
    (caption_command.model / "config.json").unlink()
    with pytest.raises(UnsupportedModelError, match="is no captioner"):
        caption_command()
    (caption_command.folder / "a dog.png").unlink()
    with pytest.raises(TrainingError, match="there are no pictures in"):
        caption_command()
    assert not caption_command.processes
