"""Connections whose client doesn't say what it wants are closed."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

from sdtui.server.sockets import set_tcp_user_timeout

_BUSY = object()
_PATIENCE = 30.0
"""Seconds that the head of a request may take to arrive."""
_MOST_SILENT = 500
"""Connections that have not yet asked for anything."""


class Connection(H11Protocol):
    """uvicorn's own, which waits without end for the first byte and between any two of a head: a
    few hundred such clients, whom no key keeps out, would use up the files of the process.

    h11's, whether httptools is installed or not: a request costs next to nothing beside a picture,
    and what is read strictly should not depend on what else lies in an environment."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to look."""
        super().connection_made(transport)
        self._drop_silent()
        set_tcp_user_timeout(transport)
        self._answered: object = None
        self._next_look = self.loop.call_later(_PATIENCE, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Look no more."""
        self._next_look.cancel()
        super().connection_lost(exc)

    def _drop_silent(self) -> None:
        """Close the one that has been silent for longest, if many are."""
        if len(self.connections) <= _MOST_SILENT:
            return
        others = (each for each in self.connections if isinstance(each, Connection))
        silent = [each for each in others if each._is_silent() and each is not self]
        if len(silent) >= _MOST_SILENT:
            min(silent, key=lambda each: each._next_look.when()).transport.close()

    def _is_silent(self) -> bool:
        return self.cycle is None and not self.transport.is_closing()

    def _look(self) -> None:
        """Close if no request has begun since the last look. uvicorn itself closes those that
        wait in silence after an answer."""
        waits = self.cycle is None or self.cycle.response_complete
        if waits and self.cycle is self._answered:
            self.transport.close()
            return
        self._answered = self.cycle if waits else _BUSY
        self._next_look = self.loop.call_later(_PATIENCE, self._look)
