"""The daemon of this user on this machine, as a place to connect to."""

from __future__ import annotations

import socket
import sys
from dataclasses import dataclass

from sdtui.core.errors import ConnectionLostError
from sdtui.core.text import one_line
from sdtui.core.unix_sockets import (
    check_socket_folder,
    connect_unix,
    daemon_socket,
    was_stopped,
)

_START_SECONDS = 90.0


@dataclass
class OwnDaemon:
    """The daemon of this user. It is started by the first connection; by a later one, unless it was
    stopped on purpose meanwhile."""

    name: str = "daemon"
    prefix: str = ""
    host_header: str = "localhost"
    is_this_machine: bool = True
    was_reached: bool = False
    """True if an earlier connection reached it."""

    def open(self, timeout: float) -> socket.socket:
        path = daemon_socket()
        check_socket_folder(path)
        try:
            connection = connect_unix(path, timeout)
        except (FileNotFoundError, ConnectionRefusedError) as error:
            if self.was_reached and was_stopped(path):
                raise ConnectionLostError(
                    "the daemon was stopped", '"sdtui daemon start" starts it again'
                ) from error
            _start()
            connection = connect_unix(path, timeout)
        self.was_reached = True
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
