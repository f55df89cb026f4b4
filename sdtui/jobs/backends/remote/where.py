"""Where a backend is, and how a connection to it is opened."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

from sdtui.core import paths
from sdtui.core.errors import ConnectionLostError, SettingsError
from sdtui.core.text import shortened
from sdtui.core.unix_sockets import connect_unix

if TYPE_CHECKING:
    import ssl

HERE = "here"
"""This process."""
DAEMON = "daemon"
"""The daemon of this user, which is started if need be."""
_UNIX = "unix:"
_PORTS = {"http": 7860, "https": 443}
_FORMS = "here, daemon, ssh://[USER@]HOST, http(s)://HOST[:PORT][/PREFIX] or unix:PATH"
_HOST_NAME = re.compile(r"([\w-]+@)?[\w-]+(\.[\w-]+)*(:\d{1,5})?", re.ASCII)


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
        return f"{_UNIX}{self.path}"

    def open(self, timeout: float) -> socket.socket:
        return connect_unix(self.path, timeout)


def parse_where(text: str) -> Where | None:
    """Return where a backend is, or None for this process. Raises SettingsError."""
    if text in ("", HERE):
        return None
    if text == DAEMON:
        from sdtui.jobs.backends.remote.daemon import OwnDaemon

        return OwnDaemon()
    if text.startswith(_UNIX) and len(text) > len(_UNIX):
        return UnixServer(paths.expanded(text.removeprefix(_UNIX)).absolute())
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:  # such as a port that is no number
        raise _wrong(text) from error
    if not parts.hostname or parts.query or parts.fragment or port == 0:
        raise _wrong(text)
    if parts.password or (parts.username and parts.scheme != "ssh"):
        raise SettingsError(
            "a password or key doesn't belong in an address, which others may see",
            "Write a server's key into keys.toml beside config.toml",
        )
    if parts.scheme == "ssh":
        return _ssh_host(parts, text)
    if parts.scheme not in _PORTS:
        raise _wrong(text)
    return HttpServer(
        parts.hostname,
        port or _PORTS[parts.scheme],
        parts.path.rstrip("/"),
        is_encrypted=parts.scheme == "https",
    )


def _ssh_host(parts: SplitResult, text: str) -> Where:
    from sdtui.jobs.backends.remote.ssh import SshHost

    host, user = parts.hostname or "", unquote(parts.username or "")
    # ssh takes what begins with a dash for an option, one of which runs a command.
    if host.startswith("-") or user.startswith("-"):
        raise _wrong(text)
    # With its capitals, which urlsplit lowers: it may be a name in the configuration of ssh.
    _, _, authority = parts.netloc.rpartition("@")
    start = authority.lower().index(host)
    return SshHost(
        authority[start : start + len(host)],
        user=user,
        port=parts.port,
        program=unquote(parts.path),
    )


def _wrong(text: str) -> SettingsError:
    hint = f"Give {_FORMS}"
    if _HOST_NAME.fullmatch(text):
        hint = f"Give its kind too: ssh://{text} or http://{text}"
    return SettingsError(f'"{shortened(text)}" is no place to connect to', hint)
