"""What systemd is told of the server's state (sd_notify(3)), without its library."""

from __future__ import annotations

import logging
import math
import os
import socket
import time
from collections.abc import Mapping
from typing import Self

_log = logging.getLogger(__name__)


class Notifier:
    """Sends messages to the service manager, or none if there is none."""

    def __init__(self, address: str = "", watchdog_seconds: float = math.inf) -> None:
        """`address` is the path of a Unix socket, or "@" and the name of an abstract one."""
        self._address = address
        self.watchdog_seconds = watchdog_seconds
        """Without `is_alive` for this time the manager ends the process."""
        self._status = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Return the notifier of this process as its manager wants it."""
        address = environment.get("NOTIFY_SOCKET", "")
        microseconds = environment.get("WATCHDOG_USEC", "")
        is_own = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        is_watched = is_own and microseconds.isdecimal() and int(microseconds) > 0
        return cls(address, int(microseconds) / 1e6 if is_watched else math.inf)

    def ready(self) -> None:
        """Report that the server has started, or has loaded its configuration again."""
        self._send("READY=1")

    def reloading(self) -> None:
        """Report that the configuration is being loaded again; `ready` ends that."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, seconds: float) -> None:
        """Report that the server ends, and may take `seconds` for it."""
        self._send(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={math.ceil(seconds * 1e6)}")

    def is_alive(self) -> None:
        """Report that everything works, if the manager watches."""
        if self.watchdog_seconds < math.inf:
            self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """Show a line in `systemctl status`. Sends nothing if it is the last one."""
        if text != self._status:
            self._status = text
            self._send(f"STATUS={text}")

    def _send(self, message: str) -> None:
        if self._address[:1] not in ("/", "@"):
            return
        address = f"\0{self._address[1:]}" if self._address[0] == "@" else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                sender.sendto(message.encode(), address)
        except OSError as error:
            _log.debug("systemd isn't told %s: %s", message, error)
