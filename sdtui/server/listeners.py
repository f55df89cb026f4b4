"""The socket that a server listens on: TCP, a Unix socket, or one that systemd passed."""

from __future__ import annotations

import os
import socket
import stat
import sys
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from sdtui.core.errors import SettingsError
from sdtui.core.unix_sockets import check_socket_path
from sdtui.server.options import ServerOptions

_FIRST_PASSED = 3
"""The file descriptor of the first socket that systemd passes (sd_listen_fds(3))."""


@dataclass(frozen=True)
class Listener:
    """A listening socket."""

    socket: socket.socket
    file: tuple[Path, os.stat_result] | None = None
    """The Unix socket that this process made, and what its path was then."""
    scheme: str = "http"

    @property
    def url(self) -> str:
        """Where clients connect."""
        if is_unix(self.socket):
            return f"unix:{self.socket.getsockname()}"
        host, port = self.socket.getsockname()[:2]
        return (
            f"{self.scheme}://[{host}]:{port}" if ":" in host else f"{self.scheme}://{host}:{port}"
        )

    @property
    def is_reachable(self) -> bool:
        """False if the Unix socket that this process made was deleted or replaced."""
        if self.file is None:
            return True
        path, made = self.file
        with suppress(OSError):
            found = path.lstat()
            # The number of a deleted file may be used again.
            return os.path.samestat(found, made) and found.st_mtime_ns == made.st_mtime_ns
        return False

    def delete_file(self) -> None:
        """Delete the Unix socket that this process made, unless it was replaced.

        Called before the socket is closed: a client that finds one that refuses takes the server
        for crashed.
        """
        if self.file is not None and self.is_reachable:
            with suppress(OSError):
                self.file[0].unlink()

    def close(self) -> None:
        """Close the socket and delete its file."""
        self.delete_file()
        self.socket.close()


def is_unix(connection: socket.socket) -> bool:
    """True for a Unix socket."""
    return connection.family == getattr(socket, "AF_UNIX", None)


def passed_listener(environment: Mapping[str, str], first: int = _FIRST_PASSED) -> Listener | None:
    """Return the listening socket that systemd passed to this process, if it did. `first` is its
    file descriptor. Raises SettingsError if it can't be used."""
    if environment.get("LISTEN_PID") != str(os.getpid()):
        return None
    number = environment.get("LISTEN_FDS", "0")
    if number != "1":
        raise SettingsError(
            f"systemd passed {number} sockets", "Name one ListenStream in the socket unit"
        )
    try:
        passed = socket.socket(fileno=first)
        is_listening = passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
    except OSError as error:
        raise SettingsError(
            f"the socket that systemd passed can't be used: {error.strerror}",
            "Name one ListenStream in the socket unit",
        ) from error
    if passed.type != socket.SOCK_STREAM or not is_listening:
        passed.detach()
        raise SettingsError(
            "the socket that systemd passed doesn't listen",
            "Use ListenStream and Accept=no in the socket unit",
        )
    os.set_inheritable(passed.fileno(), False)
    return Listener(passed)


def options_of(listener: Listener, options: ServerOptions) -> ServerOptions:
    """Return the options with the address of a listener, which says who can reach it."""
    name = listener.socket.getsockname()
    if is_unix(listener.socket):
        return replace(options, unix_socket=Path(os.fsdecode(name)))
    return replace(options, host=name[0], port=name[1], unix_socket=None)


def listen(options: ServerOptions) -> Listener:
    """Listen at the address or the Unix socket of the options. Raises SettingsError."""
    if options.unix_socket is not None:
        return _listen_unix(options.unix_socket, open_to_all=not options.own_user_only)
    return Listener(_listen_tcp(options.host, options.port))


def _listen_tcp(host: str, port: int) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # With the protocol given, asyncio disables Nagle's algorithm, which would delay the second
        # part of an answer by 40 ms.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        with ExitStack() as on_error:
            on_error.callback(listener.close)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen()  # clients that connect from now on wait until the server is ready
            on_error.pop_all()
    except (OSError, UnicodeError) as error:
        why = "no such name can be" if isinstance(error, UnicodeError) else error.strerror or error
        raise SettingsError(
            f"{host} port {port} can't be used: {why}", "Give another with --host or --port"
        ) from error
    return listener


def _listen_unix(path: Path, *, open_to_all: bool) -> Listener:
    """Listen on a Unix socket in place of one that nobody listens on. The caller holds the right to
    (`hold_socket`)."""
    if sys.platform == "win32":
        raise SettingsError("there are no Unix sockets on Windows", "Use --host and --port")
    check_socket_path(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _delete_stale(path)
        listener.bind(str(path))
        path.chmod(0o666 if open_to_all else 0o600)  # before anyone can connect
        listener.listen()
    except OSError as error:
        listener.close()
        raise _unusable(path, error.strerror or str(error)) from error
    except SettingsError:
        listener.close()
        raise
    return Listener(listener, (path, path.lstat()))


def _delete_stale(path: Path) -> None:
    """Delete a socket that nobody listens on. Raises SettingsError if something else is there, and
    OSError."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise _unusable(path, "it is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
    raise _unusable(path, "another program listens there")


def _unusable(path: Path, why: str) -> SettingsError:
    return SettingsError(f"the socket {path} can't be used: {why}", "Give another path")
