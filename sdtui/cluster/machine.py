"""What runs on a machine of the cluster: its workers, and what it says of itself.

Both are called by Ray, which isn't imported here.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import psutil

from sdtui import __version__
from sdtui.cluster.messages import MachineReport, RemoteAssignment, WorkerOptions
from sdtui.cluster.ray_node import FOLDER_VARIABLE
from sdtui.core.cancellation import Cancellation
from sdtui.core.settings import Settings, load_settings
from sdtui.jobs.wire.files import map_request
from sdtui.jobs.workers.child import Child, Kind, Payload
from sdtui.jobs.workers.files import files_here
from sdtui.jobs.workers.local import LocalWorker
from sdtui.jobs.workers.run import JobResult
from sdtui.jobs.workers.worker import Assignment, Save, UnsavedPicture
from sdtui.monitor import Monitor
from sdtui.requests.events import Report
from sdtui.requests.record import GenerationRecord

_LEAVING = "leaving"
"""A file of this name says that the machine takes no more work."""
_REFUSED = "refused"
"""A file of this name says why the server doesn't use the machine."""
_BUSY = "busy-"
"""Files whose names begin so say which processes make pictures."""
_LOOK_SECONDS = 0.5

Message = tuple[Kind, Payload]


def report(version: str) -> MachineReport:
    """Say what this machine has. `version` is the server's, without which it is of no use."""
    if version != __version__:
        (_folder() / _REFUSED).write_text(f"the server has sdtui {version}, this is {__version__}")
    settings = load_settings()
    memory = {str(each.index): each.memory_total for each in Monitor().sample().gpus}
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    used = memory if visible is None else [each.strip() for each in visible.split(",")]
    return MachineReport(
        __version__, files_here(settings), tuple(memory.get(each) for each in used)
    )


def _folder() -> Path:
    return Path(os.environ[FOLDER_VARIABLE])


def refusal(folder: Path) -> str:
    """Return why the server doesn't use a machine; "" if it does."""
    file = folder / _REFUSED
    return file.read_text() if file.exists() else ""


def leave(folder: Path) -> None:
    """Let the workers of a machine finish their pictures and take no more."""
    (folder / _LEAVING).touch()


def is_busy(folder: Path) -> bool:
    """True if a worker of a machine makes a picture."""
    processes = (each.name.removeprefix(_BUSY) for each in folder.glob(f"{_BUSY}*"))
    return any(psutil.pid_exists(int(each)) for each in processes)


class RemoteWorkerProcess:
    """A worker's process, as an actor of Ray. Its methods are called on threads of their own, each
    one call at a time."""

    def __init__(self, options: WorkerOptions) -> None:
        """`options` say how it works."""
        settings = replace(
            load_settings(),
            device="cuda" if options.device.is_gpu else "cpu",
            gpus=(),
            previews=options.previews,
        )
        self._inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        worker = _MachineWorker(settings, options, _folder())
        # The process is ended by the bridge.
        child = Child(_Queues(self._inbox, self._outbox), worker, sys.exit)
        threading.Thread(target=child.serve, name="sdtui-worker", daemon=True).start()

    def post(self, message: Message) -> None:
        """Receive a message."""
        self._inbox.put(message)

    def messages(self) -> Iterator[Message]:
        """Yield what the worker sends. Called once."""
        while True:
            yield self._outbox.get()


class _Queues:
    """The worker's end of a connection that is two queues."""

    def __init__(
        self, inbox: queue.SimpleQueue[Message], outbox: queue.SimpleQueue[Message]
    ) -> None:
        self._inbox = inbox
        self._outbox = outbox

    def recv(self) -> Message:
        return self._inbox.get()

    def send(self, message: Message, /) -> None:
        self._outbox.put(message)


class _MachineWorker(LocalWorker):
    """Makes pictures from the files that come with an assignment, until its machine leaves."""

    def __init__(self, settings: Settings, options: WorkerOptions, folder: Path) -> None:
        super().__init__(settings, options.make_generator)
        self._folder = folder

    def run(
        self, assignment: Assignment, report: Report, save: Save, cancellation: Cancellation
    ) -> JobResult:
        assert isinstance(assignment, RemoteAssignment)
        here = {path: self._written(path, data) for path, data in assignment.files.items()}
        there = {file: path for path, file in here.items()}
        request = map_request(assignment.job.request, lambda path: here.get(path, path))
        job = assignment.job.model_copy(update={"request": request})

        def save_as_asked(picture: UnsavedPicture) -> None:
            save(replace(picture, record=_with_paths(picture.record, there)))

        with self._busy(cancellation):
            local = replace(assignment, job=job, files={})
            result = super().run(local, report, save_as_asked, cancellation)
        return JobResult(_with_paths(result.record, there), result.error)

    def _written(self, path: Path, data: bytes) -> Path:
        """Return the file of this machine that has the content of one of the server's."""
        folder = self._folder / "inputs"
        folder.mkdir(exist_ok=True, mode=0o700)
        file = folder / f"{sha256(data).hexdigest()}{path.suffix}"
        if not file.exists():
            new = file.with_suffix(f".{os.getpid()}")
            new.write_bytes(data)
            new.rename(file)
        return file

    @contextmanager
    def _busy(self, cancellation: Cancellation) -> Iterator[None]:
        """Note that a run is under way, and stop it after a picture when the machine leaves."""
        file = self._folder / f"{_BUSY}{os.getpid()}"
        file.touch()
        is_over = threading.Event()

        def watch() -> None:
            while not (self._folder / _LEAVING).exists():
                if is_over.wait(_LOOK_SECONDS):
                    return
            cancellation.stop_after_picture()

        watcher = threading.Thread(target=watch, name="sdtui-leaving", daemon=True)
        if (self._folder / _LEAVING).exists():
            cancellation.stop_now()
        watcher.start()
        try:
            yield
        finally:
            is_over.set()
            file.unlink(missing_ok=True)


def _with_paths(record: GenerationRecord, paths: Mapping[Path, Path]) -> GenerationRecord:
    """Return a record with other paths of the files that its request names."""
    if record.request is None or not paths:
        return record
    request = map_request(record.request, lambda path: paths.get(path, path))
    return record.model_copy(update={"request": request})
