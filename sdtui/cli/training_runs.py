"""Following a training that a backend carries out."""

from __future__ import annotations

import queue
import sys
from typing import TYPE_CHECKING

import click

from sdtui.cli.codes import INTERRUPTED
from sdtui.cli.output import echo_json, echo_path
from sdtui.cli.progress_output import ProgressOutput
from sdtui.cli.training_output import TrainingOutput
from sdtui.core.errors import TrainingError
from sdtui.core.text import one_line
from sdtui.requests.events import JobEvent, Training, TrainingProgress
from sdtui.requests.training.events import END_KINDS, TrainingEvent
from sdtui.requests.training.request import TrainingRequest
from sdtui.requests.training.status import TrainingCondition
from sdtui.training.folder import find_training

if TYPE_CHECKING:
    from sdtui.jobs import Backend

_LOOK_SECONDS = 5.0
"""Without an event, the training is looked at so often: a line may have been cut meanwhile."""
_ACTIVE = (TrainingCondition.QUEUED, TrainingCondition.RUNNING)


class TrainingRun:
    """A training and the events of it that a command shows."""

    def __init__(self, backend: Backend, name: str) -> None:
        self._backend = backend
        self._name = name
        self._events: queue.SimpleQueue[TrainingEvent] = queue.SimpleQueue()
        backend.jobs.subscribe(self._put)

    def start(self, request: TrainingRequest, *, anew: bool) -> None:
        """Begin the training. Raises the errors of `Trainings.start`."""
        self._check_shared()
        self._backend.trainings.start(request, anew=anew)

    def resume(self, processes: int | None) -> None:
        """Go on with the training, with as many processes if a number is given. Raises the errors
        of `Trainings.resume`."""
        if processes is not None:
            self._check_shared()
            find_training(self._name).use_processes(processes)
        self._backend.trainings.resume(self._name)

    def _check_shared(self) -> None:
        """Raise TrainingError if the backend sees other files."""
        connection = self._backend.connection
        if connection is not None and not connection.shares_files:
            raise TrainingError(
                f"{connection.name} doesn't see the files of this machine",
                f"Copy the pictures to {connection.name}, and begin the training there",
            )

    def follow(self, *, as_json: bool, quiet: bool) -> int:
        """Show what happens until it ends; return the exit code. Ctrl-C stops the training."""
        with ProgressOutput(quiet=quiet, bar=sys.stderr.isatty()) as progress_output:
            output = TrainingOutput(progress_output)
            while True:
                try:
                    event = self._next_event()
                except KeyboardInterrupt:
                    self._backend.trainings.stop(self._name)
                    continue
                if event is None:
                    return self._code_of_condition()
                if as_json:
                    echo_json(event.model_dump_json())
                output.put(event)
                if event.kind in END_KINDS:
                    return _code_of_end(event, as_json=as_json)

    def _put(self, envelope: JobEvent) -> None:
        """Note an event of the training. Called on any thread."""
        event = envelope.event
        if isinstance(event, Training | TrainingProgress) and event.name == self._name:
            self._events.put(event.event)

    def _next_event(self) -> TrainingEvent | None:
        """Wait for an event; return None if the training has ended without one."""
        while True:
            try:
                return self._events.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                is_active = self._backend.trainings.status(self._name).condition in _ACTIVE
                if not is_active and self._events.empty():
                    return None

    def _code_of_condition(self) -> int:
        status = self._backend.trainings.status(self._name)
        click.echo(f"sdtui: the training is {status.condition}", err=True)
        return 0 if status.condition is TrainingCondition.FINISHED else 1


def _code_of_end(event: TrainingEvent, *, as_json: bool) -> int:
    """Print the result of a training; return the exit code."""
    if event.kind == "failed":
        click.echo(f"sdtui: {one_line(event.error)}", err=True)
        return 1
    if event.kind == "finished" and event.path and not as_json:
        echo_path(event.path)
    return 0 if event.kind == "finished" and not event.is_stopped else INTERRUPTED
