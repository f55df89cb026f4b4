"""What the operating system can do for a server. Where it can't, nothing happens."""

from __future__ import annotations

import array
import asyncio
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType

if sys.platform != "win32":
    import fcntl
    import resource
    import termios

_FILES = 65_536
"""That the process may have open: each connection is one, and 1024, the soft limit of many systems,
is for programs that can't count further."""
_TCP_USER_TIMEOUT_SECONDS = 120
"""Seconds in which a client has to take something of its answer. One that reads very slowly tells
the system only now and then that it did: with 30 s, 5 KB/s was too slow."""


def allow_more_files() -> None:
    """Raise the limit of open files, as far as that is allowed."""
    if sys.platform != "win32":
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        infinity = resource.RLIM_INFINITY
        wanted = _FILES if hard == infinity else min(_FILES, hard)
        if soft != infinity and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def on_sighup(end: Callable[[int, FrameType | None], None]) -> None:
    """Have `end` called as the handler of SIGHUP, unless it is ignored, as nohup has it."""
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, end)


def set_tcp_user_timeout(transport: asyncio.BaseTransport) -> None:
    """Have a connection ended whose client takes nothing of its answer, or is no more."""
    if sys.platform == "linux":
        own = transport.get_extra_info("socket")
        own.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _TCP_USER_TIMEOUT_SECONDS * 1000
        )


def unsent_bytes(transport: asyncio.Transport) -> int:
    """Of what was answered, how much the client hasn't taken: it may lie in the system's buffer for
    long, while that in our own doesn't change."""
    in_system = array.array("i", [0])
    if sys.platform != "win32" and not transport.is_closing():
        fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, in_system)
    return transport.get_write_buffer_size() + in_system[0]
