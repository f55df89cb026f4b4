"""The server's end: a bridge to the cluster, and a worker for each device of its machines."""

from __future__ import annotations

import itertools
import logging
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from sdtui.cluster.messages import (
    BridgeOptions,
    Control,
    RemoteAssignment,
    RemoteDevice,
    WorkerOptions,
)
from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import CancelledError, ImageError, WorkerLeftError, WorkerLostError
from sdtui.jobs.generator import MakeGenerator, make_generator
from sdtui.jobs.workers.child import Kind, Payload
from sdtui.jobs.workers.remote import Message, RemoteWorker
from sdtui.jobs.workers.run import JobResult
from sdtui.jobs.workers.worker import Assignment, Save, WorkerSlot
from sdtui.requests.events import EngineStarting, Report

_MODULE = "sdtui.cluster.bridge"
"""Not imported here: it may import Ray."""
_AGAIN_SECONDS = 7.0
"""Time until another bridge is started. Ray on the machines has to have ended: one that finds
another head in place of its own takes a minute to notice."""
_CLOSE_SECONDS = 15.0
"""Time for the bridge to end Ray."""

_log = logging.getLogger(__name__)

AddWorker = Callable[[WorkerSlot], None]
LookAgain = Callable[[], None]


class ClusterPool:
    """The workers of a cluster. Implements the protocol `WorkerPool`."""

    def __init__(
        self,
        address: str,
        key_file: Path,
        *,
        previews: bool = True,
        make_generator: MakeGenerator = make_generator,
    ) -> None:
        """`address` is HOST:PORT, at which the machines reach this one."""
        self._options = BridgeOptions(address, key_file)
        self._make_generator = make_generator
        self._previews = previews
        self._bridge = _Bridge()
        self._devices: dict[str, RemoteDevice] = {}
        """Those that are there, by name."""
        self._known: dict[str, RemoteDevice] = {}
        """All that were there, as they were last."""
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, add_worker: AddWorker, look_again: LookAgain) -> None:
        self._thread = threading.Thread(
            target=self._run, args=(add_worker, look_again), name="sdtui-cluster", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._bridge.close()
        if self._thread is not None:
            self._thread.join(_CLOSE_SECONDS)

    def device(self, name: str) -> RemoteDevice | None:
        """Return a device as its machine has reported it; None while that is away."""
        return self._devices.get(name)

    def _run(self, add_worker: AddWorker, look_again: LookAgain) -> None:
        while not self._closing.is_set():
            self._bridge.serve(
                self._options, lambda devices: self._note(devices, add_worker, look_again)
            )
            if not self._closing.is_set():
                _log.warning("the bridge to the cluster has ended; another is started")
                self._closing.wait(_AGAIN_SECONDS)

    def _note(
        self, devices: Iterable[RemoteDevice], add_worker: AddWorker, look_again: LookAgain
    ) -> None:
        self._devices = {each.name: each for each in devices}
        new = self._devices.keys() - self._known.keys()
        self._known.update(self._devices)
        for name in sorted(new):
            _log.info("worker %s has joined", name)
            add_worker(self._slot(name))
        look_again()

    def _slot(self, name: str) -> WorkerSlot:
        worker = _ClusterWorker(
            name,
            self._bridge,
            lambda: self.device(name),
            lambda device: WorkerOptions(device, self._previews, self._make_generator),
        )
        return WorkerSlot(
            name,
            worker,
            self._devices[name].memory,
            worker.is_available,
            lambda: self._known[name].files,
        )


class _Bridge:
    """The process of the bridge, and what each worker has sent. Thread-safe."""

    def __init__(self) -> None:
        self._sending = threading.Lock()
        self._connection: Connection | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._inboxes: dict[str, queue.SimpleQueue[tuple[object, Payload]]] = {}
        self._is_closed = False

    def serve(
        self, options: BridgeOptions, on_devices: Callable[[Iterable[RemoteDevice]], None]
    ) -> None:
        """Start the process and receive its messages until it has ended."""
        ours, theirs = socket.socketpair()
        connection = Connection(ours.detach())
        with theirs, self._sending:
            if self._is_closed:
                connection.close()
                return
            process = self._process = subprocess.Popen(
                [sys.executable, "-m", _MODULE, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
            self._connection = connection
        self.send(options)
        with suppress(EOFError, OSError):
            while True:
                worker, kind, payload = connection.recv()
                if kind is Control.DEVICES:
                    on_devices(payload)
                elif (inbox := self._inboxes.get(worker)) is not None:
                    inbox.put((kind, payload))
        on_devices(())  # before any worker looks for its machine
        with self._sending:
            self._connection = None
            connection.close()
        for inbox in list(self._inboxes.values()):
            inbox.put((Control.ENDED, None))
        process.wait()

    def close(self) -> None:
        """Let the process end, with all workers."""
        with self._sending:
            self._is_closed = True
            if self._connection is not None:
                # The thread that reads has to see the end, so that the socket isn't just closed.
                with suppress(OSError), socket.socket(fileno=self._connection.fileno()) as end:
                    try:
                        end.shutdown(socket.SHUT_RDWR)
                    finally:
                        end.detach()

    def open(self, worker: str) -> queue.SimpleQueue[tuple[object, Payload]]:
        """Return where the messages of a new worker arrive."""
        inbox = self._inboxes[worker] = queue.SimpleQueue()
        return inbox

    def forget(self, worker: str) -> None:
        """Take no more messages of a worker."""
        self._inboxes.pop(worker, None)

    def send(self, message: object) -> bool:
        """Send a message; return False if there is no process."""
        with self._sending:
            if self._connection is None:
                return False
            try:
                self._connection.send(message)
            except OSError:
                return False
        return True


class _ClusterWorker(RemoteWorker):
    """Makes pictures on another machine."""

    _numbers = itertools.count(1)

    def __init__(
        self,
        name: str,
        bridge: _Bridge,
        device: Callable[[], RemoteDevice | None],
        options: Callable[[RemoteDevice], WorkerOptions],
    ) -> None:
        super().__init__()
        self._name = name
        self._bridge = bridge
        self._device = device
        self._options = options
        self._started: RemoteDevice | None = None
        """Where the process is; None if there is none."""
        self._left: str | None = None
        """The machine that takes no more work."""
        self._id = ""
        """Of this process, so that nothing of an older one counts."""
        self._inbox: queue.SimpleQueue[tuple[object, Payload]] = queue.SimpleQueue()

    def is_available(self) -> bool:
        """True if the machine is there and takes work."""
        device = self._device()
        return device is not None and device.machine != self._left

    @property
    def _is_started(self) -> bool:
        return self._started is not None

    def start(self, report: Report) -> None:
        device = self._device()
        if device is None or not self.is_available():
            raise WorkerLeftError(f"the machine of {self._name} is away")
        if self._is_alive(device):
            return
        self.close()
        report(EngineStarting())
        self._id = f"{self._name} {next(self._numbers)}"
        self._inbox = self._bridge.open(self._id)
        self._started = device
        self._post(Control.OPEN, self._options(device))
        self._await_start(report)

    def _is_alive(self, device: RemoteDevice) -> bool:
        """True if there is a process, as far as it has said, and its machine didn't join anew."""
        if self._started is None or self._started.machine != device.machine:
            return False
        while not self._inbox.empty():
            kind, payload = self._inbox.get()
            if kind is Control.ENDED:
                return False
            if kind is Kind.LOG:
                logging.getLogger(payload.name).handle(payload)
        return True

    def run(
        self, assignment: Assignment, report: Report, save: Save, cancellation: Cancellation
    ) -> JobResult:
        result = super().run(_with_files(assignment), report, save, cancellation)
        if isinstance(result.error, CancelledError) and not cancellation.is_requested:
            self._left = None if self._started is None else self._started.machine
            raise WorkerLeftError(f"the machine of {self._name} takes no more work")
        return result

    def close(self) -> None:
        if self._started is not None:
            self._started = None
            self._bridge.forget(self._id)
            self._bridge.send((self._id, Control.CLOSE, None))

    def _send(self, kind: Kind, payload: object) -> None:
        self._post(kind, payload)

    def _post(self, kind: Kind | Control, payload: object) -> None:
        if not self._bridge.send((self._id, kind, payload)):
            raise self._left_with_head()

    def _receive(self, timeout: float | None) -> Message:
        try:
            kind, payload = self._inbox.get(timeout=timeout)
        except queue.Empty as error:
            raise self._lost(f"was silent for {timeout:.0f} s while denoising") from error
        if kind is Control.ENDED:
            raise self._left_with_head() if payload is None else self._lost(payload)
        assert isinstance(kind, Kind)
        return kind, payload

    def _left_with_head(self) -> WorkerLeftError:
        return WorkerLeftError(f"{self._name} was lost with the cluster's head")

    def _lost(self, why: str) -> WorkerLostError:
        return WorkerLostError(f"the process of {self._name} {why}")


def _with_files(assignment: Assignment) -> RemoteAssignment:
    """Return an assignment with the files that its request names. Raises ImageError."""
    files = {}
    for path in assignment.job.request.input_images().values():
        try:
            files[path] = path.read_bytes()
        except OSError as error:
            raise ImageError(f"{path} can't be read: {error.strerror}", "Check the path") from error
    return RemoteAssignment(
        assignment.job, assignment.attempt, assignment.done, assignment.source, files
    )
