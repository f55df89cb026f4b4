"""The folder of a training: its request, events, states and samples. Needs no torch."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sdtui.core import paths
from sdtui.core.errors import TrainingConflictError, TrainingError, TrainingNotFoundError
from sdtui.core.files import write_atomic
from sdtui.core.locks import is_held
from sdtui.core.settings import Settings, load_settings
from sdtui.models import lora_folders
from sdtui.requests.training.events import (
    TrainingEvent,
    TrainingFinished,
    TrainingStep,
    event_line,
    event_of_line,
)
from sdtui.requests.training.request import TRAINING_FIELDS, TrainingRequest

CACHE = "cache"
"""The folder of latents and embeddings in that of a training."""

_log = logging.getLogger(__name__)


def checkpoint_name(name: str, step: int) -> str:
    """Return the name of a checkpoint's file."""
    return f"{name}-{step:06}.safetensors"


@dataclass(frozen=True)
class TrainingState:
    """How far a training has come."""

    name: str
    step: int
    steps: int
    """0 before the first step."""
    is_running: bool
    lora: str
    """The file that it ended with; "" if it has not ended, or was stopped."""


class TrainingFolder:
    """The files of one training."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.events_file = path / "events.jsonl"
        self.log_file = path / "training.log"
        self.lock_file = path / "lock"
        self.queue_file = path / "queue"
        """Names the queue that the training belongs to, and is held by its process."""
        self._command_file = path / "command"
        self._request_file = path / "request.json"

    def request(self) -> TrainingRequest:
        """Return what was asked for. Raises TrainingError and InvalidRequestError."""
        try:
            values = dict(json.loads(self._request_file.read_bytes()))
        except (OSError, ValueError, TypeError) as error:
            raise TrainingError(
                f"there is no training in {self.path}", "`sdtui train list` shows all"
            ) from error
        return TrainingRequest.parse(values)

    def note(self, event: TrainingEvent) -> None:
        """Add an event if that can be done."""
        try:
            self.add_event(event)
        except OSError as error:
            _log.warning("%s can't be written: %s", self.events_file, error)

    def begun_at(self) -> int:
        """Return when the training was begun, in nanoseconds; 0 if it is unknown. Another one of
        its name has another time."""
        try:
            return self._request_file.stat().st_mtime_ns
        except OSError:
            return 0

    def begin(self, request: TrainingRequest) -> None:
        """Make the folder, without anything of an earlier training. Raises OSError."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True, mode=0o700)
        self._write(request)

    def use_processes(self, count: int) -> None:
        """Let the training go on with so many processes. Raises TrainingError, InvalidRequestError
        and OSError."""
        request = self.request()
        execution = replace(request.execution, num_processes=count)
        self._write(replace(request, execution=execution))

    def _write(self, request: TrainingRequest) -> None:
        values = TRAINING_FIELDS.values_of(request)
        write_atomic(self._request_file, json.dumps(values, default=str, indent=1).encode())

    def events(self) -> Iterator[TrainingEvent]:
        """Yield the events so far."""
        try:
            lines = self.events_file.read_text("utf-8", errors="replace").splitlines()
        except OSError:
            return
        yield from (event for line in lines if (event := event_of_line(line)))

    def add_event(self, event: TrainingEvent) -> None:
        """Add an event of a training whose process doesn't run. Raises OSError."""
        with self.events_file.open("a", encoding="utf-8") as events:
            events.write(event_line(event))

    def send(self, command: str) -> None:
        """Send "pause" or "stop" to the training's process, whichever has started it. Raises
        TrainingError."""
        try:
            write_atomic(self._command_file, command.encode(), durable=False)
        except OSError as error:
            raise TrainingError(f"{self.path} can't be written: {error.strerror}") from error

    def take_command(self) -> str:
        """Return the command that was sent, and forget it; "" if there is none."""
        try:
            command = self._command_file.read_text("utf-8")
            self._command_file.unlink()
        except OSError:
            return ""
        return command

    def state(self) -> TrainingState:
        """Return how far the training has come."""
        step = steps = 0
        lora = ""
        for event in self.events():
            if isinstance(event, TrainingStep):
                step, steps, lora = event.step, event.steps, ""
            elif isinstance(event, TrainingFinished) and not event.is_stopped:
                lora = event.path
        return TrainingState(self.path.name, step, steps, is_held(self.lock_file), lora)

    def clean(self) -> None:
        """Delete what only an unfinished training needs."""
        shutil.rmtree(self.path / CACHE, ignore_errors=True)
        for state in self.path.glob("state-*.pt"):
            state.unlink(missing_ok=True)


def trainings_folder() -> Path:
    """Return the folder of all trainings."""
    return paths.state_folder() / "trainings"


def all_trainings() -> list[TrainingFolder]:
    """Return all trainings in the order of their names."""
    root = trainings_folder()
    found = sorted(root.iterdir()) if root.is_dir() else []
    return [TrainingFolder(each) for each in found if each.is_dir()]


def lora_folder(request: TrainingRequest, settings: Settings) -> Path:
    """Return the folder that a training's LoRAs are written to."""
    return request.output.output_dir or lora_folders(settings)[0]


def begin_training(request: TrainingRequest, *, anew: bool) -> TrainingFolder:
    """Return the folder of a new training. Raises TrainingConflictError if one of its name is
    running or, unless `anew`, unfinished, or if there is a LoRA of its name; and OSError."""
    folder = TrainingFolder(trainings_folder() / request.output_name)
    if folder.path.is_dir():
        state = folder.state()
        if state.is_running:
            raise TrainingConflictError(
                f"the training {state.name} is running already", "Give another --name"
            )
        if state.step and not state.lora and not anew:
            raise TrainingConflictError(
                f"the training {state.name} was interrupted after step {state.step}",
                f'Go on with `sdtui train resume "{state.name}"`, or begin it --anew',
            )
    lora = lora_folder(request, load_settings()) / f"{request.output_name}.safetensors"
    if lora.exists() and not anew:
        raise TrainingConflictError(
            f"there is a LoRA {lora} already",
            "Give another --name, or train --anew to replace it",
        )
    folder.begin(request)
    return folder


def find_training(name: str) -> TrainingFolder:
    """Return the folder of a training. Raises TrainingNotFoundError."""
    found = next((each for each in all_trainings() if each.path.name == name), None)
    if found is None:
        names = ", ".join(each.path.name for each in all_trainings())
        hint = f"There are: {names}" if names else "`sdtui train lora` begins one"
        raise TrainingNotFoundError(f"there is no training {name}", hint)
    return found
