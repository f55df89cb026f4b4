"""The trainings of this machine's user."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

from sdtui.core.errors import TrainingConflictError, TrainingError, TrainingNotFoundError
from sdtui.core.files import write_atomic
from sdtui.core.locks import is_held
from sdtui.jobs.training_log import TrainingLog
from sdtui.requests.training.events import Kept
from sdtui.requests.training.request import TrainingRequest
from sdtui.requests.training.status import TrainingCondition, TrainingCurve, TrainingStatus
from sdtui.training.folder import TrainingFolder, all_trainings, find_training

_ACTIVE = (TrainingCondition.QUEUED, TrainingCondition.RUNNING)


class LocalTrainings:
    """Implements the protocol `Trainings`, which documents its methods. Thread-safe."""

    def __init__(self) -> None:
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
        raise TrainingError("trainings can't be queued yet", "`sdtui train lora` begins one")

    def resume(self, name: str) -> str:
        raise TrainingError("trainings can't be queued yet", "`sdtui train lora` begins one")

    def pause(self, name: str) -> None:
        raise TrainingError("trainings can't be queued yet", "`sdtui train lora` begins one")

    def stop(self, name: str) -> None:
        raise TrainingError("trainings can't be queued yet", "`sdtui train lora` begins one")

    def keep(self, name: str, step: int) -> str:
        folder = self._inactive(name)
        found = next((each for each in self.status(name).checkpoints if each.step == step), None)
        if found is None:
            steps = ", ".join(str(each.step) for each in self.status(name).checkpoints)
            raise TrainingNotFoundError(
                f"{name} has no checkpoint of step {step}",
                f"There are: {steps}" if steps else "A training writes them as it goes on",
            )
        checkpoint = Path(found.path)
        lora = checkpoint.with_name(f"{name}.safetensors")
        try:
            write_atomic(lora, checkpoint.read_bytes())
            folder.add_event(Kept(step=step, path=str(lora)))
        except OSError as error:
            raise TrainingError(f"{lora} can't be written: {error.strerror}") from error
        return str(lora)

    def delete(self, name: str) -> None:
        folder = self._inactive(name)
        try:
            shutil.rmtree(folder.path)
        except OSError as error:
            raise TrainingError(f"{folder.path} can't be deleted: {error.strerror}") from error

    def continue_interrupted(self) -> list[str]:
        return []

    def _inactive(self, name: str) -> TrainingFolder:
        """Return the folder of a training that is neither queued nor running. Raises
        TrainingError."""
        folder = find_training(name)
        condition = self._status(folder).condition
        if condition in _ACTIVE:
            raise TrainingConflictError(
                f"the training {name} is {condition}", "Pause or stop it first"
            )
        return folder

    def _status(self, folder: TrainingFolder) -> TrainingStatus:
        is_running = is_held(folder.lock_file)
        with self._lock:
            return self._log(folder).status(
                TrainingCondition.RUNNING if is_running else None, is_elsewhere=is_running
            )

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
