"""Where a backend is, and how a connection to it is opened."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sdtui.core.errors import ConnectionLostError
from sdtui.core.places import parse_place
from sdtui.core.unix_sockets import connect_unix

if TYPE_CHECKING:
    import ssl

_PORTS = {"http": 7860, "https": 443}


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
        OSError if the line is cut, and SdtuiError if another attempt won't help."""
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

    @cached_property
    def _encryption(self) -> ssl.SSLContext:
        import ssl  # 10 ms that most don't need

        return ssl.create_default_context()

    def open(self, timeout: float) -> socket.socket:
        try:
            connection = socket.create_connection((self.host, self.port), timeout)
        except UnicodeError as error:  # a label of the name is empty or too long
            raise ConnectionLostError(
                f'"{self.host}" is not the name of a host', "Check the address"
            ) from error
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._encrypted(connection) if self.is_encrypted else connection

    def _encrypted(self, connection: socket.socket) -> socket.socket:
        import ssl

        try:
            return self._encryption.wrap_socket(connection, server_hostname=self.host)
        except ssl.SSLCertVerificationError as error:
            connection.close()
            raise ConnectionLostError(
                f"the certificate of {self.host} is refused: {error.verify_message}",
                "Name the file of its authority in SSL_CERT_FILE",
            ) from error
        except ssl.SSLError as error:
            connection.close()
            if error.reason not in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
                raise
            raise ConnectionLostError(
                f"{self.host_header} doesn't speak https", f"Try http://{self.host_header}"
            ) from error


@dataclass(frozen=True)
class UnixServer:
    """A server of this user on a Unix socket. The socket may be forwarded from another machine."""

    path: Path
    prefix: str = ""
    host_header: str = "localhost"
    is_this_machine: bool = False

    @property
    def name(self) -> str:
        return f"unix:{self.path}"

    def open(self, timeout: float) -> socket.socket:
        return connect_unix(self.path, timeout)


def parse_where(text: str) -> Where | None:
    """Return where a backend is, or None for this process. Raises SettingsError."""
    place = parse_place(text)
    match place.kind:
        case "here":
            return None
        case "daemon":
            from sdtui.jobs.backends.remote.daemon import OwnDaemon

            return OwnDaemon()
        case "unix":
            return UnixServer(Path(place.path))
        case "ssh":
            from sdtui.jobs.backends.remote.ssh import SshHost

            return SshHost(place.host, user=place.user, port=place.port, program=place.path)
        case "http" | "https":
            port = place.port or _PORTS[place.kind]
            return HttpServer(place.host, port, place.path, is_encrypted=place.kind == "https")
