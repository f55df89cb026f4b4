"""Requests to a backend's server: repeated after a cut, over connections that are kept open."""

from __future__ import annotations

import http.client
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass

from sdtui.core.errors import ConnectionLostError
from sdtui.jobs.backends.remote.where import Where
from sdtui.jobs.wire import PROTOCOL, PROTOCOL_HEADER

ATTEMPT_SECONDS = 15.0
"""The longest that the server may be silent; a request that takes longer is repeated, and answered
when the first one is done."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
"""Seconds between two attempts."""
_FIRST_SECONDS = 2.0
"""How long a request is repeated before the server has ever answered."""
_IDLE = 4
"""Connections that are kept."""

CUT = (OSError, http.client.HTTPException)
"""What a cut line raises."""


@dataclass(frozen=True)
class Answer:
    """An answer to a request."""

    status: int
    headers: Mapping[str, str]
    """With names in lower case."""
    data: bytes


class Connection(http.client.HTTPConnection):
    """A connection to a place."""

    def __init__(self, where: Where, timeout: float) -> None:
        super().__init__("sdtui", timeout=timeout)
        self._where = where
        self._seconds = timeout

    def connect(self) -> None:
        """Open the connection. Raises OSError."""
        self.sock = self._where.open(self._seconds)


class Requests:
    """Sends requests, on any thread."""

    def __init__(self, where: Where, key: Callable[[], str | None]) -> None:
        """`key` returns the API key; it may raise SettingsError."""
        self.where = where
        self._key = key
        self._was_answered = False
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def headers(self) -> dict[str, str]:
        """Return the headers that every request has. Raises SettingsError."""
        headers = {
            "Host": self.where.host_header,
            "Accept-Encoding": "gzip",
            PROTOCOL_HEADER: str(PROTOCOL),
        }
        if key := self._key():
            headers["Authorization"] = f"Bearer {key}"
        return headers

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        patience: float = 30.0,
    ) -> Answer:
        """Send a request that may safely be sent again; `patience` is how many seconds it is
        repeated while the line is cut, or less until the first answer. Raises ConnectionLostError,
        also for an answer that refuses this client."""
        sent = {**self.headers(), **(headers or {})}
        if not self._was_answered:  # the address may be wrong
            patience = min(patience, _FIRST_SECONDS)
        end = time.monotonic() + patience
        pause = _FIRST_PAUSE
        while True:
            try:
                answer = self._attempt(method, path, body, sent)
            except CUT as error:
                if time.monotonic() + pause > end or self._closed.wait(pause):
                    raise unreachable(self.where, error) from error
                pause = min(_LONGEST_PAUSE, 2 * pause)
            else:
                check(self.where, answer, is_attach=path.startswith("/attach/"))
                self._was_answered = True
                return answer

    def _attempt(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is not None:
            try:
                return self._on(connection, method, path, body, headers)
            except TimeoutError:
                raise
            except CUT:  # the server has closed it meanwhile
                pass
        return self._on(Connection(self.where, ATTEMPT_SECONDS), method, path, body, headers)

    def _on(
        self,
        connection: Connection,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> Answer:
        try:
            connection.request(method, f"{self.where.prefix}{path}", body, dict(headers))
            with closing(connection.getresponse()) as response:
                data = response.read()
        except BaseException:
            connection.close()
            raise
        found = {name.lower(): value for name, value in response.getheaders()}
        if response.will_close or self._closed.is_set():
            connection.close()
        else:
            with self._lock:
                self._idle.append(connection)
                surplus, self._idle = self._idle[:-_IDLE], self._idle[-_IDLE:]
            for each in surplus:
                each.close()
        if found.get("content-encoding") == "gzip":
            data = zlib.decompress(data, wbits=31)
        return Answer(response.status, found, data)

    def close(self) -> None:
        """Repeat nothing any more, and close the connections."""
        self._closed.set()
        with self._lock:
            idle, self._idle = self._idle, []
        for each in idle:
            each.close()


def check(where: Where, answer: Answer, *, is_attach: bool = True) -> None:
    """Raise ConnectionLostError if the server refuses this client or, by an answer of its API for
    attached clients, isn't one of sdtui."""
    if answer.status in (401, 403):
        raise ConnectionLostError(
            f"{where.name} wants an API key"
            if answer.status == 401
            else f"{where.name} refuses this client",
            "Set SDTUI_API_KEY, or write the key into keys.toml beside config.toml",
        )
    protocol = answer.headers.get(PROTOCOL_HEADER.lower())
    if protocol is not None and protocol != str(PROTOCOL):
        is_newer = protocol.isdecimal() and int(protocol) > PROTOCOL
        if where.is_this_machine:
            hint = '"sdtui daemon stop" ends it, so that one of this version can start'
        else:
            hint = f"Update sdtui on {'this machine' if is_newer else where.name}"
        raise ConnectionLostError(
            f"{where.name} speaks protocol {protocol} and this sdtui {PROTOCOL}", hint
        )
    is_error = b'"error":{"id":' in answer.data[:200]
    is_unknown = answer.status == 404 and b'"detail":"Not Found"' in answer.data
    if is_attach and protocol is None and answer.status < 500 and (is_unknown or not is_error):
        raise ConnectionLostError(
            f"{where.name} has no server of sdtui that can be attached to",
            "Check the address, or update sdtui there",
        )


def unreachable(where: Where, error: Exception) -> ConnectionLostError:
    """Return the error for a line that is cut."""
    if isinstance(error, TimeoutError):
        reason = "it doesn't answer"
    else:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return ConnectionLostError(
        f"{where.name} can't be reached: {reason}", "Check that its server runs"
    )
