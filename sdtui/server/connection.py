"""Close connections that don't send a request in time."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from starlette.types import ASGIApp
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol

from sdtui.server.services.refusals import ConnectionLogger, RefusalLog
from sdtui.server.sockets import (
    limit_unsent_bytes,
    set_tcp_user_timeout,
    unix_peer,
    unsent_bytes,
)

_BUSY = object()


class ConnectionConfig(Config):
    """uvicorn's configuration with the log of refused requests."""

    def __init__(self, app: ASGIApp, refusals: RefusalLog, **options: Any) -> None:
        """`options` are those of uvicorn."""
        super().__init__(cast("Any", app), http=Connection, **options)
        self.refusals = refusals


class Connection(H11Protocol):
    """uvicorn's HTTP/1 connection with time limits.

    uvicorn waits forever for the first byte of a request and between bytes of its head, so a few
    hundred idle clients could use up the file descriptors of the process without any key. Always
    h11, whether httptools is installed or not, so that parsing doesn't depend on the environment.
    """

    head_seconds = 30.0
    """Time for the head of a request to arrive."""
    max_silent = 500
    """Most connections without a request; beyond that the oldest is closed."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start checking the connection."""
        super().connection_made(transport)
        assert isinstance(self.config, ConnectionConfig)
        self.client = self.client or unix_peer(transport)
        address = self.client[0] if self.client else "unknown"
        self.logger = ConnectionLogger(  # type: ignore[assignment]
            self.logger, self.config.refusals, address
        )
        self._drop_silent()
        set_tcp_user_timeout(transport)
        limit_unsent_bytes(transport)
        self._answered: object = None
        self._drained = 0
        self._next_check = self.loop.call_later(self.head_seconds, self._check)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop checking."""
        self._next_check.cancel()
        super().connection_lost(exc)

    def resume_writing(self) -> None:
        """Count how often the client has made room for more."""
        self._drained += 1
        super().resume_writing()

    @property
    def unsent(self) -> tuple[int, int]:
        """The bytes that the client hasn't received, and a number that grows when it receives some
        and others take their place."""
        return unsent_bytes(self.transport), self._drained

    def _drop_silent(self) -> None:
        """Close the oldest silent connection if there are too many."""
        if len(self.connections) <= self.max_silent:
            return
        others = (each for each in self.connections if isinstance(each, Connection))
        silent = [each for each in others if each._is_silent() and each is not self]
        if len(silent) >= self.max_silent:
            min(silent, key=lambda each: each._next_check.when()).transport.close()

    def _is_silent(self) -> bool:
        return self.cycle is None and not self.transport.is_closing()

    def _check(self) -> None:
        """Close if no request has started since the last check.

        uvicorn itself closes connections that are idle after an answer.
        """
        is_idle = self.cycle is None or self.cycle.response_complete
        if is_idle and self.cycle is self._answered:
            self.transport.close()
            return
        self._answered = self.cycle if is_idle else _BUSY
        self._next_check = self.loop.call_later(self.head_seconds, self._check)
