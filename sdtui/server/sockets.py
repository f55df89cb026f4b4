"""Operating system settings of a server; they do nothing on systems that lack them."""

from __future__ import annotations

import array
import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType

from sdtui.core.unix_sockets import peer_uid

if sys.platform != "win32":
    import fcntl
    import resource
    import termios

_MAX_FILES = 65_536
"""Open files of the process, of which each connection is one; the usual soft limit is 1024."""
_TCP_NOTSENT_LOWAT = 25
"""From linux/tcp.h; Python 3.11 has no name for it."""
_MOST_UNSENT = 2**14
"""Bytes that wait for the line, in each of the buffers of asyncio and of the system. What waits
there can't be replaced by something newer: with the usual buffers, a slow line shows steps that are
seconds old."""
_TCP_USER_TIMEOUT_SECONDS = 120
"""Seconds in which a client must acknowledge data. One that reads slowly acknowledges rarely: with
30 s, 5 KB/s was too slow."""


def allow_more_files() -> None:
    """Raise the limit of open files as far as allowed."""
    if sys.platform != "win32":
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        infinity = resource.RLIM_INFINITY
        limit = _MAX_FILES if hard == infinity else min(_MAX_FILES, hard)
        if soft != infinity and soft < limit:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def on_sighup(end: Callable[[int, FrameType | None], None], reload: Callable[[], None]) -> None:
    """End on SIGHUP where it says that the terminal is lost, and reload where there is none, as for
    services. It stays ignored if it is (nohup)."""
    if sys.platform == "win32" or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return
    signal.signal(signal.SIGHUP, end if _has_terminal() else lambda *_: reload())


def _has_terminal() -> bool:
    """True if the process has a controlling terminal."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def set_tcp_user_timeout(transport: asyncio.BaseTransport) -> None:
    """Drop peers that stop acknowledging data (TCP_USER_TIMEOUT). TCP on Linux only."""
    own = transport.get_extra_info("socket")
    if sys.platform == "linux" and own.family != socket.AF_UNIX:
        own.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _TCP_USER_TIMEOUT_SECONDS * 1000
        )


def limit_unsent_bytes(transport: asyncio.Transport) -> None:
    """Let senders wait early on a slow line (TCP_NOTSENT_LOWAT on Linux)."""
    transport.set_write_buffer_limits(_MOST_UNSENT)
    own = transport.get_extra_info("socket")
    if sys.platform == "linux" and own.family != socket.AF_UNIX:
        own.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, _MOST_UNSENT)


def unsent_bytes(transport: asyncio.Transport) -> int:
    """The bytes that the client hasn't received, in the buffers of asyncio and of the system."""
    in_system = array.array("i", [0])
    if sys.platform != "win32" and not transport.is_closing():
        fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, in_system)
    return transport.get_write_buffer_size() + in_system[0]


def unix_peer(transport: asyncio.BaseTransport) -> tuple[str, int] | None:
    """Return the client of a Unix socket as its user, "unix:1000", in the place of an address; None
    for TCP."""
    own = transport.get_extra_info("socket")
    if own.family != getattr(socket, "AF_UNIX", None):
        return None
    return f"unix:{peer_uid(own)}", 0
