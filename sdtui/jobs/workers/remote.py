"""What workers have in common whose engine is in another process, here or on another machine: the
messages to it and what follows from its answers."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import SdtuiError, WorkerLostError
from sdtui.jobs.preload import PreloadTask
from sdtui.jobs.workers.child import Kind, Payload
from sdtui.jobs.workers.run import JobResult
from sdtui.jobs.workers.worker import Assignment, Save, UnsavedPicture
from sdtui.requests.events import Event, Preview, Report, Step

SILENCE_SECONDS = 30.0
"""Time without an event while denoising after which a process hangs, if steps are quick."""
_SLOW_STEPS = 4.0
"""The same in times of the slowest step."""
_START_SECONDS = 600.0
"""At least so long a process may be silent at its start: importing the engine takes a minute on a
busy machine, however short its steps are."""

Message = tuple[Kind, Payload]

_log = logging.getLogger(__name__)


class RemoteWorker(ABC):
    """Makes pictures in another process, by messages. Implements the protocol `Worker`."""

    def __init__(
        self, silence_seconds: float = SILENCE_SECONDS, stall_seconds: float | None = None
    ) -> None:
        """`silence_seconds` count while denoising, `stall_seconds` otherwise; None = no limit."""
        self._least_silence = silence_seconds
        self._stall = stall_seconds
        self._silence = stall_seconds
        """Seconds without an event after which the process hangs now."""
        self._slowest = 0.0
        """Seconds of the slowest step of this run."""

    @abstractmethod
    def start(self, report: Report) -> None: ...

    @abstractmethod
    def close(self) -> None: ...

    @property
    @abstractmethod
    def _is_started(self) -> bool:
        """True if there is a process."""

    @abstractmethod
    def _send(self, kind: Kind, payload: object) -> None:
        """Send a message. Called on any thread. Raises WorkerLostError."""

    @abstractmethod
    def _receive(self, timeout: float | None) -> Message:
        """Wait for the next message. Raises WorkerLostError, also after `timeout` seconds."""

    @abstractmethod
    def _lost(self, why: str) -> WorkerLostError:
        """Return the error for the loss of the process."""

    def run(
        self, assignment: Assignment, report: Report, save: Save, cancellation: Cancellation
    ) -> JobResult:
        result: JobResult = self._ask(Kind.RUN, assignment, report, cancellation, save)
        return result

    def load(self, task: PreloadTask, report: Report) -> None:
        self._ask(Kind.LOAD, (task.model, task.execution), report, task.cancellation)

    def unload(self) -> None:
        if self._is_started:
            self._ask(Kind.UNLOAD, None, lambda _: None, Cancellation())

    def device_works(self) -> bool:
        return True  # else the process has ended itself

    def _await_start(self, report: Report) -> None:
        """Wait until a new process is ready."""
        self._silence = None if self._stall is None else max(self._stall, _START_SECONDS)
        self._answer(report)

    def _ask(
        self,
        kind: Kind,
        argument: object,
        report: Report,
        cancellation: Cancellation,
        save: Save | None = None,
    ) -> Payload:
        """Let the process do something; return the result or raise its error."""
        self._silence, self._slowest = self._stall, 0.0
        self._send(kind, argument)
        cancellation.when_requested(lambda: self._pass_on(cancellation))
        try:
            return self._answer(report, save)
        finally:
            cancellation.when_requested(None)

    def _pass_on(self, cancellation: Cancellation) -> None:
        """Cancel what the process does. Called on any thread."""
        try:
            self._send(Kind.CANCEL, cancellation.is_immediate)
        except WorkerLostError as error:
            _log.info("%s", error)  # the worker's own thread notices it too

    def _answer(self, report: Report, save: Save | None = None) -> Payload:
        while True:
            kind, payload = self._receive(self._silence)
            match kind:
                case Kind.EVENT:
                    self._note(payload)
                    report(payload)
                case Kind.PICTURE:
                    assert save is not None
                    self._send(Kind.SAVED, _problem_of(save, payload))
                case Kind.LOG:
                    logging.getLogger(payload.name).handle(payload)
                case Kind.ERROR:
                    raise payload
                case Kind.LOST:
                    raise self._lost(f"can't use its device any more: {payload}")
                case Kind.DONE:
                    return payload

    def _note(self, event: Event) -> None:
        """Note how long the next event may take."""
        if isinstance(event, Step):
            self._slowest = max(self._slowest, event.seconds)
            self._silence = max(self._least_silence, _SLOW_STEPS * self._slowest)
        elif not isinstance(event, Preview):
            self._silence = self._stall


def _problem_of(save: Save, picture: UnsavedPicture) -> SdtuiError | None:
    """Save a picture; return the error that stops the run, if any."""
    try:
        save(picture)
    except SdtuiError as error:
        return error
    return None
