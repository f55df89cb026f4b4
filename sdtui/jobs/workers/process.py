"""A worker in a process of its own, one for each device.

An error of CUDA can make a device useless for the whole process, and memory may run out: then that
process ends alone. It is a new interpreter, which is told its device before it imports torch, and
is at the other end of a socket. (`multiprocessing` can't start one under Textual, whose stderr has
no file.)
"""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import SdtuiError, WorkerLostError
from sdtui.jobs.preload import PreloadTask
from sdtui.jobs.workers import child
from sdtui.jobs.workers.child import ChildOptions, Kind
from sdtui.jobs.workers.run import JobResult
from sdtui.jobs.workers.worker import Assignment, Save, UnsavedPicture
from sdtui.requests.events import EngineStarting, Event, Preview, Report, Step

_SILENCE_SECONDS = 30.0
"""Time without an event while denoising after which a process hangs, if steps are quick."""
_SLOW_STEPS = 4.0
"""The same in times of the slowest step."""
_CLOSE_SECONDS = 2.0
"""Time for a process to end by itself."""

_log = logging.getLogger(__name__)


class ProcessWorker:
    """Makes pictures in a child process, which is started when it is needed. Implements the
    protocol `Worker`."""

    def __init__(
        self, name: str, options: ChildOptions, silence_seconds: float = _SILENCE_SECONDS
    ) -> None:
        self._name = name
        self._options = options
        self._least_silence = silence_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._sending = threading.Lock()
        self._silence: float | None = None
        """Seconds without an event after which the process hangs; None outside of denoising."""
        self._slowest = 0.0
        """Seconds of the slowest step of this run."""

    @property
    def process_id(self) -> int | None:
        """The id of the process; None if there is none."""
        return None if self._process is None else self._process.pid

    def start(self, report: Report) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        self._silence = None
        report(EngineStarting())
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", child.__name__, str(theirs.fileno())]
        with theirs:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()]
            )
        self._connection = Connection(ours.detach())
        self._send(Kind.START, self._options)
        self._answer(report)

    def run(
        self, assignment: Assignment, report: Report, save: Save, cancellation: Cancellation
    ) -> JobResult:
        result: JobResult = self._ask(Kind.RUN, assignment, report, cancellation, save)
        return result

    def load(self, task: PreloadTask, report: Report) -> None:
        target = (task.model, task.dtype, task.memory_mode, task.quantize)
        self._ask(Kind.LOAD, target, report, task.cancellation)

    def unload(self) -> None:
        if self._process is not None:
            self._ask(Kind.UNLOAD, None, lambda _: None, Cancellation())

    def device_works(self) -> bool:
        return True  # else the process has ended itself

    def close(self) -> None:
        process, connection = self._process, self._connection
        self._process = self._connection = None
        if process is None or connection is None:
            return
        connection.close()  # the process ends when it sees that
        try:
            process.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _ask(
        self,
        kind: Kind,
        argument: object,
        report: Report,
        cancellation: Cancellation,
        save: Save | None = None,
    ) -> child.Payload:
        """Let the process do something; return the result or raise its error."""
        self._silence, self._slowest = None, 0.0
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

    def _answer(self, report: Report, save: Save | None = None) -> child.Payload:
        while True:
            kind, payload = self._receive()
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
            self._silence = None

    def _send(self, kind: Kind, payload: object) -> None:
        connection = self._connection
        if connection is None:
            raise self._lost("has ended")
        with self._sending:
            try:
                connection.send((kind, payload))
            except OSError as error:
                raise self._lost(self._end_text()) from error

    def _receive(self) -> tuple[Kind, child.Payload]:
        connection = self._connection
        assert connection is not None
        try:
            if not connection.poll(self._silence):
                assert self._process is not None
                self._process.kill()
                raise self._lost(f"was silent for {self._silence:.0f} s while denoising")
            message: tuple[Kind, child.Payload] = connection.recv()
        except (EOFError, OSError) as error:
            raise self._lost(self._end_text()) from error
        return message

    def _end_text(self) -> str:
        process = self._process
        if process is None:
            return "has ended"
        try:
            code = process.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            return "doesn't answer"
        return f"ended with signal {-code}" if code < 0 else f"ended with code {code}"

    def _lost(self, why: str) -> WorkerLostError:
        return WorkerLostError(f"the process of {self._name} {why}")


def _problem_of(save: Callable[[UnsavedPicture], None], picture: UnsavedPicture) -> object:
    """Save a picture; return the error that stops the run, if any."""
    try:
        save(picture)
    except SdtuiError as error:
        return error
    return None
