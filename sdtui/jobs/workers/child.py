"""The process of a worker: does what its parent asks for, and ends with it. Run as a module, with
the file descriptor of a socket."""

from __future__ import annotations

import logging
import os
import pickle
import queue
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from sdtui.core import paths, runtime
from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import SdtuiError
from sdtui.core.settings import Settings
from sdtui.jobs.generator import MakeGenerator
from sdtui.jobs.preload import PreloadTask
from sdtui.jobs.workers.local import LocalWorker
from sdtui.jobs.workers.worker import Assignment, UnsavedPicture
from sdtui.requests.events import EngineStarting, Event

if TYPE_CHECKING:
    from sdtui.jobs.job import Output

Payload = Any
"""What a message carries, depending on its kind."""


_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class Kind(Enum):
    """The kinds of messages between a worker's process and its parent."""

    START = auto()
    RUN = auto()
    LOAD = auto()
    UNLOAD = auto()
    CANCEL = auto()
    """At once if its payload is true, else after the picture."""
    SAVED = auto()
    """A picture was saved, or (the payload) why the run should stop."""
    EVENT = auto()
    PICTURE = auto()
    LOG = auto()
    ERROR = auto()
    LOST = auto()
    """The device can't be used any more; the process ends."""
    DONE = auto()


@dataclass(frozen=True)
class ChildOptions:
    """How the process works."""

    settings: Settings
    """With the device as the process sees it."""
    environment: Mapping[str, str]
    """Variables that are set before torch is imported."""
    make_generator: MakeGenerator
    """Found by its name in its module."""


def main(file_descriptor: int) -> None:
    """Serve the parent at the other end of a socket until it closes that or ends."""
    runtime.redirect_streams(paths.log_file())  # the parent's terminal may show a window
    ignore_signals()
    connection = Connection(file_descriptor)
    kind, options = connection.recv()
    assert kind is Kind.START
    os.environ.update(options.environment)
    Child(connection, LocalWorker(options.settings, options.make_generator), runtime.leave).serve()


def ignore_signals() -> None:
    """Leave signals to the parent, which may let a picture be finished."""
    for each in _SIGNALS:
        signal.signal(each, lambda *_: None)  # SIG_IGN would be inherited by other programs


class _LogToParent(logging.Handler):
    def __init__(self, child: Child) -> None:
        super().__init__()
        self._child = child

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        plain = logging.makeLogRecord(
            {**record.__dict__, "msg": text, "args": None, "exc_info": None, "exc_text": None}
        )
        self._child.send(Kind.LOG, plain)


class MessageConnection(Protocol):
    """The end of a connection to the parent."""

    def recv(self) -> tuple[Kind, Payload]:
        """Wait for a message. Raises EOFError or OSError if there will be no more."""
        ...

    def send(self, message: tuple[Kind, Payload], /) -> None:
        """Send a message. Raises OSError."""
        ...


class Child:
    """Reads messages on one thread, so that a run can be cancelled, and works on the calling
    one."""

    def __init__(
        self,
        connection: MessageConnection,
        worker: LocalWorker,
        leave: Callable[[int], NoReturn],
    ) -> None:
        """`leave` ends the process, or the calling thread if the parent ends the process."""
        self._connection = connection
        self._worker = worker
        self._leave = leave
        self._tasks: queue.SimpleQueue[tuple[Kind, Payload]] = queue.SimpleQueue()
        self._saved: queue.SimpleQueue[SdtuiError | None] = queue.SimpleQueue()
        self._cancellation = Cancellation()
        self._sending = threading.Lock()

    def serve(self) -> None:
        root = logging.getLogger()
        root.addHandler(_LogToParent(self))
        root.setLevel(logging.INFO)
        threading.Thread(target=self._read, name="sdtui-parent", daemon=True).start()
        self._do(lambda: self._worker.start(self._report))
        while True:
            kind, payload = self._tasks.get()
            match kind:
                case Kind.RUN:
                    self._do(lambda payload=payload: self._run(payload))
                case Kind.LOAD:
                    model, execution = payload
                    task = PreloadTask("", model, execution, self._cancellation)
                    self._do(lambda task=task: self._worker.load(task, self._report))
                case Kind.UNLOAD:
                    self._do(self._worker.unload)

    def _read(self) -> None:
        """Receive messages. The process ends with its parent, whatever it does."""
        while True:
            try:
                kind, payload = self._connection.recv()
            except (EOFError, OSError):
                self._leave(0)
            if kind is Kind.CANCEL:
                cancellation = self._cancellation
                (cancellation.stop_now if payload else cancellation.stop_after_picture)()
            elif kind is Kind.SAVED:
                self._saved.put(payload)
            else:
                self._cancellation = Cancellation()
                self._tasks.put((kind, payload))

    def send(self, kind: Kind, payload: Payload) -> None:
        """Send a message, on any thread."""
        with self._sending:
            try:
                self._connection.send((kind, payload))
            except OSError:
                self._leave(0)

    def _report(self, event: Event) -> None:
        if not isinstance(event, EngineStarting):  # the parent has reported it
            self.send(Kind.EVENT, event)

    def _do(self, action: Any) -> None:
        """Do something and send the result or the error."""
        try:
            result = action()
        except SdtuiError as error:
            self.send(Kind.ERROR, error)
        except BaseException as error:
            if not self._worker.device_works():
                self.send(Kind.LOST, f"{type(error).__name__}: {error}"[:300])
                self._leave(1)
            logging.getLogger(__name__).exception("a task failed")
            self.send(Kind.ERROR, _picklable(error))
        else:
            self.send(Kind.DONE, result)

    def _run(self, assignment: Assignment) -> object:
        def save(picture: UnsavedPicture) -> None:
            encoded = encoded_picture(picture, assignment.job.output)
            self.send(Kind.PICTURE, encoded)
            if (problem := self._saved.get()) is not None:
                raise problem

        return self._worker.run(assignment, self._report, save, self._cancellation)


def encoded_picture(picture: UnsavedPicture, output: Output) -> UnsavedPicture:
    """Return a picture as the file that its job's output wants."""
    from sdtui.history import encoded

    assert not isinstance(picture.image, bytes)
    data = encoded(picture.image, picture.record, picture.index, output.file, output.format)
    return UnsavedPicture(data, picture.record, picture.index, picture.attachments)


def _picklable(error: BaseException) -> BaseException:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - whatever it is, its text can be sent
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


if __name__ == "__main__":
    # As a module of its name, so that both ends have the same classes.
    from sdtui.jobs.workers.child import main as run

    run(int(sys.argv[1]))
