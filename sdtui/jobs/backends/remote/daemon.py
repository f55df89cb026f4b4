"""The daemon of this user on this machine, as a place to connect to."""

from __future__ import annotations

import socket
import sys
from dataclasses import dataclass, field

from sdtui.core.errors import ConnectionLostError
from sdtui.core.text import one_line
from sdtui.core.unix_sockets import check_socket_folder, connect_unix, daemon_socket

_START_SECONDS = 90.0


@dataclass
class OwnDaemon:
    """The daemon of this user. It is started by the first connection, and by a later one only if it
    crashed: one that ended has deleted its socket."""

    name: str = "daemon"
    prefix: str = ""
    host_header: str = "localhost"
    is_this_machine: bool = True
    _was_reached: bool = field(default=False, init=False)

    def open(self, timeout: float) -> socket.socket:
        path = daemon_socket()
        check_socket_folder(path)
        try:
            connection = connect_unix(path, timeout)
        except FileNotFoundError as error:
            if self._was_reached:
                raise ConnectionLostError(
                    "the daemon has ended", '"sdtui daemon start" starts it again'
                ) from error
            _start()
            connection = connect_unix(path, timeout)
        except ConnectionRefusedError:
            _start()
            connection = connect_unix(path, timeout)
        self._was_reached = True
        return connection


def _start() -> None:
    """Start the daemon in a process of its own. Raises ConnectionLostError."""
    import subprocess  # only where the daemon isn't running

    command = [sys.executable, "-m", "sdtui", "daemon", "start"]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_START_SECONDS,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ConnectionLostError(
            "the daemon doesn't start", '"sdtui daemon start" says more'
        ) from error
    if done.returncode:
        said = one_line(done.stderr.decode(errors="replace")).removeprefix("sdtui: ")
        raise ConnectionLostError(said or "the daemon doesn't start")
