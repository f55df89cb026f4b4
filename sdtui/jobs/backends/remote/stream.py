"""Follows the event stream of a server, through cuts of the line."""

from __future__ import annotations

import logging
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress

from sdtui.core.errors import ConnectionLostError, SdtuiError
from sdtui.jobs.api import ConnectionStatus
from sdtui.jobs.backends.remote.calls import Hand
from sdtui.jobs.backends.remote.http import CUT, Answer, Connection, Requests, check, unreachable
from sdtui.jobs.wire.messages import Message, read_message

_SILENT_SECONDS = 12.0
"""Without even a comment, which come every five seconds, the line is cut."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 8.0
"""Seconds between two attempts."""
_log = logging.getLogger(__name__)


class ServerConnection:
    """The name of a server and how it can be reached. Implements the protocol `Connection`."""

    def __init__(self, name: str, *, shares_files: bool) -> None:
        self.name = name
        self.shares_files = shares_files
        self.status = ConnectionStatus()
        self._subscribers: tuple[Callable[[ConnectionStatus], object], ...] = ()
        self._lock = threading.Lock()

    def subscribe(self, on_change: Callable[[ConnectionStatus], object]) -> Callable[[], None]:
        with self._lock:
            self._subscribers = (*self._subscribers, on_change)

        def remove() -> None:
            with self._lock:
                self._subscribers = tuple(
                    each for each in self._subscribers if each is not on_change
                )

        return remove

    def change(self, status: ConnectionStatus) -> None:
        """Replace the status, and tell the subscribers, also if it is the same."""
        self.status = status
        for subscriber in self._subscribers:
            subscriber(status)


class Receipts:
    """Tells a server how much of the stream is read, on a thread: one count after the other, since
    only the newest matters."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._stream_id = ""
        self._hand = Hand()
        self._newest = 0
        self._is_sending = False
        self._lock = threading.Lock()

    def begin(self) -> str:
        """Return the id of a new stream; "" if nothing has to be told."""
        with self._lock:
            is_needed = not self._requests.where.is_this_machine
            self._stream_id = secrets.token_hex(8) if is_needed else ""
            return self._stream_id

    def send(self, read: int) -> None:
        """Send how many bytes are read of the newest stream."""
        with self._lock:
            if not self._stream_id:
                return
            self._newest = read
            if self._is_sending:
                return
            self._is_sending = True
        self._hand.do(self._send_all)

    def _send_all(self) -> None:
        sent = ""
        while True:
            with self._lock:
                path = f"/attach/events/{self._stream_id}/read?bytes={self._newest}"
                if path == sent:
                    self._is_sending = False
                    return
                sent = path
            with suppress(SdtuiError):  # the line is cut, or the server is older
                self._requests.send("POST", path, patience=0.0)


class EventStream:
    """A thread that reads messages, and connects again when the line is cut."""

    def __init__(
        self,
        requests: Requests,
        connection: ServerConnection,
        take: Callable[[Message], None],
        *,
        pace: float,
        previews: str,
    ) -> None:
        """`take` is called with every message, on the thread."""
        self._receipts = Receipts(requests)
        self._requests = requests
        self._connection = connection
        self._take = take
        self._path = f"/attach/events?pace={pace:g}&previews={previews}"
        self._last_id = ""
        self._closed = threading.Event()
        self._http: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="sdtui-events", daemon=True)

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def close(self) -> None:
        """Hang up."""
        self._closed.set()
        if (http := self._http) is not None and http.sock is not None:
            with suppress(OSError):
                http.sock.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while not self._closed.is_set():
            try:
                if self._follow():
                    pause = _FIRST_PAUSE
                problem = "the line was cut"
            except CUT as error:
                problem = unreachable(self._requests.where, error).what
            except SdtuiError as error:
                problem = str(error)
                pause = max(pause, 2.0)  # nothing changes by itself
            if self._closed.is_set():
                return
            if self._connection.status.is_connected:
                pause = _FIRST_PAUSE
            _log.info("%s: %s", self._connection.name, problem)
            self._connection.change(
                ConnectionStatus(retry_at=time.monotonic() + pause, problem=problem)
            )
            self._closed.wait(pause)
            pause = min(_LONGEST_PAUSE, 2 * pause)
            self._connection.change(ConnectionStatus(problem=problem))

    def _follow(self) -> bool:
        """Read messages until the server ends the stream; return True if there were any. Raises
        OSError, HTTPException or SdtuiError."""
        headers = self._requests.headers()
        del headers["Accept-Encoding"]
        if self._last_id:
            headers["Last-Event-ID"] = self._last_id
        where = self._requests.where
        http = self._http = Connection(where, _SILENT_SECONDS)
        try:
            path = f"{where.prefix}{self._path}&stream={self._receipts.begin()}"
            http.request("GET", path, headers=headers)
            with closing(http.getresponse()) as response:
                headers = {name.lower(): each for name, each in response.getheaders()}
                is_refused = response.status != 200
                data = response.read(2**16) if is_refused else b""
                check(where, Answer(response.status, headers, data))
                if is_refused:
                    raise ConnectionLostError(
                        f"{where.name} answered with status {response.status}",
                        f"The log on {where.name} says more",
                    )
                return self._read(response.readline)
        finally:
            http.close()

    def _read(self, readline: Callable[[int], bytes]) -> bool:
        name, data, event_id = "", b"", ""
        has_any = False
        read = 0
        while line := readline(2**30):
            read += len(line)
            text = line.rstrip(b"\r\n")
            if not line.endswith(b"\n"):
                break  # it was cut within a line
            key, _, value = text.partition(b": ")
            if key == b"event":
                name = value.decode()
            elif key == b"data":
                data = value
            elif key == b"id":
                event_id = value.decode()
            elif not text:
                self._receipts.send(read)
                if name:
                    self._handle(name, data)
                    self._last_id = event_id or self._last_id
                    has_any = True
                name, data, event_id = "", b"", ""
        return has_any

    def _handle(self, name: str, data: bytes) -> None:
        try:
            message = read_message(name, data)
        except ValueError as error:  # of a newer server
            _log.info("a message of the kind %s isn't understood: %s", name, error)
            return
        if message is not None:
            self._take(message)
            if not self._connection.status.is_connected:
                self._connection.change(ConnectionStatus(is_connected=True))
