"""The trainings of this machine's user."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sdtui.core.errors import TrainingConflictError, TrainingError, TrainingNotFoundError
from sdtui.core.files import write_atomic
from sdtui.core.locks import is_held
from sdtui.jobs.training_log import TrainingLog
from sdtui.jobs.training_marks import is_queued
from sdtui.jobs.training_tasks import TrainingTasks
from sdtui.requests.training.events import CheckpointWritten, Kept, Paused, TrainingFinished
from sdtui.requests.training.pictures import check_folder
from sdtui.requests.training.request import TrainingRequest
from sdtui.requests.training.status import (
    TrainingCheckpoint,
    TrainingCondition,
    TrainingCurve,
    TrainingStatus,
)
from sdtui.training.folder import (
    TrainingFolder,
    all_trainings,
    begin_training,
    checkpoint_name,
    find_training,
)

_ACTIVE = (TrainingCondition.QUEUED, TrainingCondition.RUNNING)
_ENDED = (TrainingCondition.FINISHED, TrainingCondition.STOPPED)


class LocalTrainings:
    """Implements the protocol `Trainings`, which documents its methods. Thread-safe."""

    def __init__(self, tasks: TrainingTasks) -> None:
        """`tasks` are those of the queue."""
        self._tasks = tasks
        self._logs: dict[str, TrainingLog] = {}
        self._lock = threading.Lock()

    def all(self) -> list[TrainingStatus]:
        return [self._status(each) for each in all_trainings()]

    def status(self, name: str) -> TrainingStatus:
        return self._status(find_training(name))

    def curve(self, name: str, points: int = 400) -> TrainingCurve:
        with self._lock:
            return self._log(find_training(name)).curve(points)

    def start(self, request: TrainingRequest, *, anew: bool = False) -> str:
        check_folder(request.instance_data_dir)
        self._tasks.check()
        if any(each.path.name == request.output_name for each in all_trainings()):
            self._inactive(request.output_name, "Give another name, or stop it first")
        with _folder_errors(request.output_name):
            folder = begin_training(request, anew=anew)
        return self._tasks.add(folder)

    def resume(self, name: str) -> str:
        folder = self._inactive(name, "Wait until it has ended")
        if self._status(folder).condition is TrainingCondition.FINISHED:
            raise TrainingConflictError(
                f"the training {name} is finished", "Begin another one, or this one anew"
            )
        return self._tasks.add(folder)

    def pause(self, name: str) -> None:
        folder = find_training(name)
        found = self._status(folder)
        if found.condition not in _ACTIVE:
            raise TrainingConflictError(
                f"the training {name} isn't running", f"It is {found.condition}"
            )
        with _folder_errors(name):
            # First whether it waits: it may begin in between, but never waits again.
            is_out = self._tasks.take_out(name, Paused(step=found.step))
            if not is_out and not self._tasks.send(name, "pause"):
                _send_elsewhere(folder, found, "pause")

    def stop(self, name: str) -> None:
        folder = find_training(name)
        found = self._status(folder)
        if found.condition in _ENDED:
            raise TrainingConflictError(f"the training {name} is {found.condition} already")
        if self._tasks.send(name, "stop"):
            return
        if found.is_elsewhere:
            _send_elsewhere(folder, found, "stop")
            return
        with _folder_errors(name):
            step, lora = found.step, ""
            if found.checkpoints:
                step, lora = found.checkpoints[-1].step, str(_copied(name, found.checkpoints[-1]))
            end = TrainingFinished(step=step, path=lora, seconds=0.0, is_stopped=True)
            if not self._tasks.take_out(name, end) and not self._tasks.send(name, "stop"):
                self._tasks.forget(folder)
                folder.add_event(end)

    def keep(self, name: str, step: int) -> str:
        folder = self._inactive(name, "Pause or stop it first")
        status = self._status(folder)
        checkpoints = status.checkpoints
        found = next((each for each in checkpoints if each.step == step), None)
        if found is None:
            steps = ", ".join(str(each.step) for each in checkpoints)
            raise TrainingNotFoundError(
                f"{name} has no checkpoint of step {step}",
                f"There are: {steps}" if steps else "A training writes them as it goes on",
            )
        with _folder_errors(name):
            if found.path != status.lora:
                _save_end(folder, status)
            lora = _copied(name, found)
            folder.add_event(Kept(step=step, path=str(lora)))
        return str(lora)

    def delete(self, name: str) -> None:
        folder = self._inactive(name, "Pause or stop it first")
        self._tasks.forget(folder)
        with _folder_errors(name):
            shutil.rmtree(folder.path)

    def continue_interrupted(self) -> list[str]:
        names = []
        for folder in self._tasks.take_over(all_trainings()):
            with self._lock:
                condition = self._log(folder).condition
            if condition in (TrainingCondition.PAUSED, TrainingCondition.INTERRUPTED):
                self._tasks.add(folder)
                names.append(folder.path.name)
            else:  # its process has ended after that with the queue
                self._tasks.forget(folder)
        return names

    def _inactive(self, name: str, hint: str) -> TrainingFolder:
        """Return the folder of a training that is neither queued nor running. Raises
        TrainingError."""
        folder = find_training(name)
        condition = self._status(folder).condition
        if condition in _ACTIVE:
            raise TrainingConflictError(f"the training {name} is {condition}", hint)
        return folder

    def _status(self, folder: TrainingFolder) -> TrainingStatus:
        condition = self._tasks.condition(folder.path.name)
        is_elsewhere = condition is None
        if condition is None and is_held(folder.lock_file):
            condition = TrainingCondition.RUNNING
        elif condition is None and is_queued(folder):
            condition = TrainingCondition.QUEUED
        with self._lock:
            log = self._log(folder)
            if (
                condition is None
                and folder.queue_file.exists()
                and log.condition is TrainingCondition.PAUSED
            ):
                condition, is_elsewhere = TrainingCondition.INTERRUPTED, False
            return log.status(condition, is_elsewhere=condition in _ACTIVE and is_elsewhere)

    def _log(self, folder: TrainingFolder) -> TrainingLog:
        """Return what the events of a folder say by now."""
        name, begun_at = folder.path.name, folder.begun_at()
        log = self._logs.get(name)
        if log is None or log.begun_at != begun_at:
            log = self._logs[name] = TrainingLog(folder, begun_at)
        try:
            log.read_on()
        except OSError as error:
            raise TrainingError(f"{folder.path} can't be read: {error.strerror}") from error
        return log


def _send_elsewhere(folder: TrainingFolder, status: TrainingStatus, command: str) -> None:
    """Send a command to a training that another process has started. Raises TrainingError."""
    if status.condition is TrainingCondition.QUEUED:
        raise TrainingConflictError(
            f"the training {status.name} is queued in another process",
            f"{command.title()} it there",
        )
    folder.send(command)


def _save_end(folder: TrainingFolder, status: TrainingStatus) -> None:
    """Write the LoRA into a file of its own, if no checkpoint has it: another one takes its place.
    Raises OSError."""
    end = next((each for each in status.checkpoints if each.path == status.lora), None)
    if end is not None:
        written = Path(end.path)
        path = written.with_name(checkpoint_name(status.name, end.step))
        write_atomic(path, written.read_bytes())
        folder.add_event(CheckpointWritten(step=end.step, path=str(path)))


def _copied(name: str, checkpoint: TrainingCheckpoint) -> Path:
    """Make a checkpoint the LoRA of its training; return the path. Raises OSError."""
    written = Path(checkpoint.path)
    lora = written.with_name(f"{name}.safetensors")
    write_atomic(lora, written.read_bytes())
    return lora


@contextmanager
def _folder_errors(name: str) -> Iterator[None]:
    """Raise TrainingError in place of OSError."""
    try:
        yield
    except OSError as error:
        where = error.filename or f"the folder of {name}"
        raise TrainingError(f"{where} can't be used: {error.strerror or error}") from error
