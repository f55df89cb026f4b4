"""Connecting to this user's daemon, which is started if need be.

Without a backend's libraries, for `sdtui daemon dial`, of which a client over ssh has several.
"""

from __future__ import annotations

import socket
import sys

from sdtui.core.errors import ConnectionLostError
from sdtui.core.text import one_line
from sdtui.core.unix_sockets import (
    check_socket_folder,
    connect_unix,
    daemon_socket,
    was_stopped,
)

_START_SECONDS = 90.0


def connect_daemon(timeout: float | None, *, again: bool) -> socket.socket:
    """Connect to the daemon; `again` if an earlier connection reached it, and one that was stopped
    on purpose is to stay so. Raises SdtuiError or OSError."""
    path = daemon_socket()
    check_socket_folder(path)
    try:
        return connect_unix(path, timeout)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        if again and was_stopped(path):
            raise ConnectionLostError(
                "the daemon was stopped", '"sdtui daemon start" starts it again'
            ) from error
    _start()
    return connect_unix(path, timeout)


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
