"""The daemon of this user on this machine, as a place to connect to."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field

from sdtui.core.daemon_connection import connect_daemon


@dataclass
class OwnDaemon:
    """The daemon of this user. It is started by the first connection; by a later one, unless it was
    stopped on purpose meanwhile."""

    name: str = "daemon"
    prefix: str = ""
    host_header: str = "localhost"
    is_this_machine: bool = True
    _was_reached: bool = field(default=False, init=False, compare=False)

    def open(self, timeout: float) -> socket.socket:
        connection = connect_daemon(timeout, again=self._was_reached)
        self._was_reached = True
        return connection
