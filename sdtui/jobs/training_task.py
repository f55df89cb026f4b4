"""A training that a worker's device carries out."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from sdtui.core.locks import is_held
from sdtui.jobs.training_process import TrainingProcess
from sdtui.requests.training.events import END_KINDS, Preparing, ReportTraining, TrainingEvent
from sdtui.training.folder import TrainingFolder

_LOOK_SECONDS = 0.2
_END_SECONDS = 120.0
"""How long an earlier process of the training is waited for, which may be loading a model."""


@dataclass
class TrainingTask:
    """A training to carry out. The last event with its id is `training` with the end of its
    process."""

    id: str
    folder: TrainingFolder
    jobs_before: frozenset[str] = frozenset()
    """Ids of the jobs that waited when it was queued."""
    _command: str = ""
    _has_process: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        """The name of the training."""
        return self.folder.path.name

    def send(self, command: str) -> None:
        """Send "pause" or "stop", also before there is a process. Raises TrainingError."""
        with self._lock:
            self._command = command
            if self._has_process:
                self.folder.send(command)

    def run(self, environment: Mapping[str, str], report: ReportTraining) -> TrainingEvent:
        """Run the training's process with these variables; return its last event, which isn't
        reported. Raises OSError if it can't be started."""
        begins = Preparing(what="model")  # a process needs seconds before it can say so
        self.folder.note(begins)
        report(begins)
        self._await_earlier_process()
        process = self._start(environment)
        last: TrainingEvent | None = None
        while (event := process.next_event()) is not None:
            if event.kind in END_KINDS:
                last = event
            else:
                report(event)
        assert last is not None
        return last

    def _start(self, environment: Mapping[str, str]) -> TrainingProcess:
        with self._lock:
            process = TrainingProcess(self.folder, environment)
            self._has_process = True
            if self._command:
                self.folder.send(self._command)
        return process

    def _await_earlier_process(self) -> None:
        """Wait until an earlier process has ended, which pauses when what started it was killed."""
        end = time.monotonic() + _END_SECONDS
        while is_held(self.folder.lock_file) and time.monotonic() < end and not self._command:
            time.sleep(_LOOK_SECONDS)
