"""Connections to a server that can be cut."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field

from sdtui.jobs.backends.remote.where import HttpServer


@dataclass
class Line:
    """A server of this machine, over connections that can be cut. Implements `Where`."""

    port: int
    name: str = "gpu1"
    prefix: str = ""
    is_this_machine: bool = False
    opened: list[socket.socket] = field(default_factory=list)
    """All connections so far."""
    is_down: bool = False
    """True if nothing can be connected."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def host_header(self) -> str:
        return "127.0.0.1"

    def open(self, timeout: float) -> socket.socket:
        if self.is_down:
            raise ConnectionRefusedError(111, "Connection refused")
        connection = HttpServer("127.0.0.1", self.port).open(timeout)
        with self._lock:
            self.opened.append(connection)
        return connection

    def cut(self) -> None:
        """Cut all connections."""
        with self._lock:
            connections, self.opened[:] = self.opened[:], []
        for each in connections:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
