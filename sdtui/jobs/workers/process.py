"""A worker in a process of its own, one for each device.

An error of CUDA can make a device useless for the whole process, and memory may run out: then that
process ends alone. It is a new interpreter, which is told its device before it imports torch, and
is at the other end of a socket. (`multiprocessing` can't start one under Textual, whose stderr has
no file.)
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from multiprocessing.connection import Connection

from sdtui.core.errors import WorkerLostError
from sdtui.jobs.workers import child
from sdtui.jobs.workers.child import ChildOptions, Kind
from sdtui.jobs.workers.remote import SILENCE_SECONDS, Message, RemoteWorker
from sdtui.requests.events import EngineStarting, Report

_CLOSE_SECONDS = 2.0
"""Time for a process to end by itself."""


class ProcessWorker(RemoteWorker):
    """Makes pictures in a child process, which is started when it is needed. Implements the
    protocol `Worker`."""

    def __init__(
        self,
        name: str,
        options: ChildOptions,
        silence_seconds: float = SILENCE_SECONDS,
        stall_seconds: float | None = None,
    ) -> None:
        super().__init__(silence_seconds, stall_seconds)
        self._name = name
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._sending = threading.Lock()

    @property
    def process_id(self) -> int | None:
        """The id of the process; None if there is none."""
        return None if self._process is None else self._process.pid

    def start(self, report: Report) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        report(EngineStarting())
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", child.__name__, str(theirs.fileno())]
        with theirs:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()]
            )
        self._connection = Connection(ours.detach())
        self._send(Kind.START, self._options)
        self._await_start(report)

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

    @property
    def _is_started(self) -> bool:
        return self._process is not None

    def _send(self, kind: Kind, payload: object) -> None:
        connection = self._connection
        if connection is None:
            raise self._lost("has ended")
        with self._sending:
            try:
                connection.send((kind, payload))
            except OSError as error:
                raise self._lost(self._end_text()) from error

    def _receive(self, timeout: float | None) -> Message:
        connection = self._connection
        assert connection is not None
        try:
            if not connection.poll(timeout):
                assert self._process is not None
                self._process.kill()
                raise self._lost(f"was silent for {timeout:.0f} s")
            message: Message = connection.recv()
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
