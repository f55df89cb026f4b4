"""Where a backend is, and how a connection to it is opened."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from sdtui.core.errors import SettingsError
from sdtui.core.text import shortened

HERE = "here"
"""This process."""
_PORTS = {"http": 7860, "https": 443}
_FORMS = "here, http://HOST[:PORT][/PREFIX] or https://HOST[:PORT][/PREFIX]"


class Where(Protocol):
    """Where a backend's server is."""

    @property
    def name(self) -> str:
        """What people call it, such as the name of its host."""
        ...

    @property
    def prefix(self) -> str:
        """What the paths of requests begin with; "" or "/sd"."""
        ...

    @property
    def host_header(self) -> str:
        """The Host header of requests."""
        ...

    @property
    def is_this_machine(self) -> bool:
        """True if the server is a process of this user on this machine, so that both see the same
        files."""
        ...

    def open(self, timeout: float) -> socket.socket:
        """Return a new connection that waits at most `timeout` seconds for anything. Raises
        OSError."""
        ...


@dataclass(frozen=True)
class HttpServer:
    """A server at an address of the network."""

    host: str
    port: int
    prefix: str = ""
    is_encrypted: bool = False
    is_this_machine: bool = False

    @property
    def name(self) -> str:
        return self.host

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_encrypted else 80) else f"{host}:{self.port}"

    def open(self, timeout: float) -> socket.socket:
        connection = socket.create_connection((self.host, self.port), timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self.is_encrypted:
            return connection
        import ssl  # 10 ms that most don't need

        return ssl.create_default_context().wrap_socket(connection, server_hostname=self.host)


def parse_where(text: str) -> Where | None:
    """Return where a backend is, or None for this process. Raises SettingsError."""
    if text in ("", HERE):
        return None
    try:
        parts = urlsplit(text)
        if parts.scheme in _PORTS and parts.hostname and not parts.query and not parts.fragment:
            return HttpServer(
                parts.hostname,
                parts.port or _PORTS[parts.scheme],
                parts.path.rstrip("/"),
                is_encrypted=parts.scheme == "https",
            )
    except ValueError:  # a port that is no number
        pass
    raise SettingsError(f'"{shortened(text)}" is no place to connect to', f"Give {_FORMS}")
