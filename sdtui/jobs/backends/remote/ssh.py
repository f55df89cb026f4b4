"""The daemon on another machine, through ssh.

`sdtui daemon dial` on the other side connects ssh's stdin and stdout with the daemon, so nothing is
forwarded and no port is open.
"""

from __future__ import annotations

import shlex
import socket
import subprocess
import threading
from dataclasses import dataclass, field

from sdtui.core.errors import ConnectionLostError
from sdtui.core.text import one_line
from sdtui.core.unix_sockets import DIAL_GREETING

_START_SECONDS = 60.0
"""Time for login and the start of the daemon, in which nothing may come."""
_END_SECONDS = 5.0
"""Time for ssh to end once its connection is closed."""
_MOST_BEFORE = 65_536
"""Bytes that a login shell may print before the greeting."""
_FAILED = 255
"""The exit code of ssh for its own failures."""
_NOT_FOUND = 127
"""The exit code of a shell for a command that it can't find."""
_FINAL = {
    "permission denied": "{command} must work without a password: with a key, an agent or a shared"
    " connection",
    "host key verification failed": "Run {command} once, and look at the host's key",
    "could not resolve hostname": "Check the name",
    "identification has changed": "Run {command}, which says more",
    "too many authentication failures": "Run {command}, which says more",
}
"""What ssh says where another attempt won't help, and what does help."""
_OPTIONS = (
    *("-T", "-e", "none"),
    *("-o", "BatchMode=yes"),  # nothing may ask on the app's terminal
    *("-o", "ClearAllForwardings=yes"),  # those of the configuration may be in use
    *("-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=2"),
)


@dataclass
class SshHost:
    """A machine that ssh reaches. `program` is the path of sdtui there, if the shell doesn't find
    it; one that begins with "/~/" is in the home folder."""

    host: str
    user: str = ""
    port: int | None = None
    program: str = ""
    prefix: str = ""
    host_header: str = "localhost"
    is_this_machine: bool = False
    _was_reached: bool = field(default=False, init=False, compare=False)

    @property
    def name(self) -> str:
        return self.host

    @property
    def _program(self) -> str:
        return self.program.removeprefix("/~/") or "sdtui"

    def open(self, timeout: float) -> socket.socket:
        own, other = socket.socketpair()
        try:
            with other:
                process = subprocess.Popen(
                    self._command(timeout),
                    stdin=other.fileno(),
                    stdout=other.fileno(),
                    stderr=subprocess.PIPE,
                    start_new_session=True,  # without a terminal to ask on, or to be interrupted by
                )
        except OSError as error:
            own.close()
            raise ConnectionLostError(
                f"ssh can't be started: {error.strerror}", "Install OpenSSH's client"
            ) from error
        errors = _Errors(process)
        try:
            own.settimeout(_START_SECONDS)
            is_connected = _skip_to_greeting(own)
        except BaseException:
            own.close()
            process.kill()
            raise
        if not is_connected:
            own.close()
            raise self._failure(*errors.wait())
        own.settimeout(timeout)
        self._was_reached = True
        return own

    def _command(self, timeout: float) -> list[str]:
        program = shlex.quote(self._program)
        # For any shell of the user: sh alone sees the variables.
        again = " --again" if self._was_reached else ""
        dial = f'PATH="$PATH:$HOME/.local/bin"; exec {program} daemon dial{again}'
        port = [] if self.port is None else ["-p", str(self.port)]
        user = ["-l", self.user] if self.user else []
        patience = ["-o", f"ConnectTimeout={max(1, round(timeout))}"]
        where = [*port, *user, "--", self.host]
        return ["ssh", *_OPTIONS, *patience, *where, f"exec sh -c {shlex.quote(dial)}"]

    def _failure(self, code: int, said: str) -> Exception:
        """Return why ssh ended with this exit code and this text on stderr."""
        lines = [line for line in said.splitlines() if line.strip()]
        last = one_line(lines[-1]).rstrip(".") if lines else f"ssh ended with code {code}"
        command = f"ssh {f'{self.user}@' if self.user else ''}{self.host}"
        if code == _NOT_FOUND:
            return ConnectionLostError(
                f"there is no {self._program} on {self.host}",
                f"Install it there, or name its path: ssh://{self.host}/~/venv/bin/sdtui",
            )
        if "No such command" in said:
            return ConnectionLostError(f"sdtui on {self.host} has no daemon", "Update it there")
        if code != _FAILED:
            return ConnectionLostError(f"{self.host}: {last.removeprefix('sdtui: ')}")
        for words, hint in _FINAL.items():
            if words in said.lower():
                return ConnectionLostError(last, hint.format(command=f'"{command}"'))
        return ConnectionError(last)


class _Errors:
    """What a process writes to stderr, read on a thread that also waits for its end."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._text = b""
        self._thread = threading.Thread(target=self._read, name="sdtui-ssh", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stderr:
            while data := stderr.readline():
                self._text = (self._text + data)[-_MOST_BEFORE:]
        self._process.wait()

    def wait(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and the text."""
        self._thread.join(_END_SECONDS)
        self._process.kill()
        self._thread.join()
        return self._process.wait(), self._text.decode(errors="replace")


def _skip_to_greeting(connection: socket.socket) -> bool:
    """Read up to the greeting of `sdtui daemon dial`; return False if the connection is closed
    before. Raises TimeoutError, and ConnectionLostError if it is something else that answers."""
    seen = b""
    while not seen.endswith(DIAL_GREETING):
        # Not a byte more than the greeting: what follows is the server's.
        wanted = max(1, len(DIAL_GREETING) - _overlap(seen))
        data = connection.recv(wanted)
        if not data:
            return False
        seen += data
        if len(seen) > _MOST_BEFORE:
            raise ConnectionLostError(
                "something else than sdtui answers through ssh", "Check the login shell there"
            )
    return True


def _overlap(seen: bytes) -> int:
    """Return how many bytes at the end may be the beginning of the greeting."""
    most = min(len(seen), len(DIAL_GREETING) - 1)
    return next((size for size in range(most, 0, -1) if seen.endswith(DIAL_GREETING[:size])), 0)
