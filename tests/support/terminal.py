"""A pseudo-terminal for tests, with pyte as its screen."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pexpect
import pyte

ROOT = Path(__file__).parents[2]
SCRIPTED = ("-m", "tests.support.scripted_app")
"""The app with a generator that follows a script."""
AUTO = {"SDTUI_IMAGE_PROTOCOL": "auto", "TERM": "xterm-kitty"}
KITTY = b"\x1b_Gi=31;OK\x1b\\\x1b[6;20;10t\x1b[?62c"
SIXEL = b"\x1b[6;20;10t\x1b[?62;4;22c"
"""Replies of terminals that draw pictures by these protocols, if AUTO is in the environment."""

_USER_VARIABLES = (
    "SDTUI_",
    "SSH_",
    "XDG_",
    "NO_COLOR",
    "TMUX",
    "TEXTUAL_",
    "TERM_PROGRAM",
    "LC_TERMINAL",
    "KITTY_",
    "KONSOLE_",
    "VTE_",
    "WT_",
    "COLUMNS",  # pytest-xdist sets it
    "LINES",
    "PYTHONDONTWRITEBYTECODE",  # an installed package has its bytecode
)
"""Prefixes of variables that must not affect tests."""
_QUESTION = b"\x1b[c"
_STATUS, _STATUS_ANSWER = b"\x1b[5n", b"\x1b[0n"
_LINE_BYTES = 100
"""What a slow line delivers at once."""
_COMMANDS = re.compile(rb"\x1b[_P].*?\x1b\\", re.DOTALL)
"""Commands of Kitty and Sixel, which pyte doesn't support."""
_INCOMPLETE = re.compile(rb"\x1b(?:[_P]|$)")
"""A command whose end hasn't arrived yet."""


class Terminal:
    """A program in a terminal of its own."""

    def __init__(
        self,
        arguments: Sequence[str],
        home: Path,
        size: tuple[int, int] = (120, 36),
        environment: Mapping[str, str] | None = None,
        answer: bytes = b"",
        replies: Mapping[bytes, bytes] | None = None,
        program: str = sys.executable,
        line: int | None = None,
    ) -> None:
        """Run `program *arguments` with its folders under `home`.

        `answer` is the terminal's reply to the query for its capabilities (DA1 and others);
        `replies` are those to single queries. `line` is how many bytes it takes in a second, as at
        the other end of a slow line.
        """
        columns, rows = size
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(_USER_VARIABLES)
        }
        own = {
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "PYTHONPATH": str(ROOT),
            "SDTUI_PICTURES": str(home / "pictures"),
            "SDTUI_IMAGE_PROTOCOL": "halfcell",
        }
        own |= {f"XDG_{kind}_HOME": str(home / kind) for kind in ("CONFIG", "STATE", "CACHE")}
        self.started = time.monotonic()
        self.process = pexpect.spawn(
            program,
            list(arguments),
            env={**inherited, **own, **(environment or {})},
            dimensions=(rows, columns),
            timeout=30,
        )
        self.process.delaybeforesend = None
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self._undrawn = bytearray()
        self._replies = {_QUESTION: answer} if answer else {**(replies or {})}
        self._line = line
        self._last_read = time.monotonic()
        self.bytes = 0
        self.sent = bytearray()

    @property
    def text(self) -> str:
        """The text on the screen."""
        self.draw()
        return "\n".join(self.screen.display)

    def send(self, keys: str) -> None:
        self.process.send(keys)

    def read(self, seconds: float = 0.01) -> bytes:
        """Read the output of the next `seconds`."""
        size = 65536 if self._line is None else self._wait_for_line(self._line, seconds)
        try:
            data: bytes = self.process.read_nonblocking(size, timeout=seconds)  # type: ignore[assignment]
        except (pexpect.TIMEOUT, pexpect.EOF):
            return b""
        self.bytes += len(data)
        self._undrawn += data
        self.sent += data
        for query, reply in self._replies.items():
            if query in data:
                self.process.send(reply)
        for _ in range(self.sent[-len(data) - len(_STATUS) + 1 :].count(_STATUS)):
            self.process.send(_STATUS_ANSWER)
        return data

    def _wait_for_line(self, line: int, seconds: float) -> int:
        """Wait at most so long; returns how many bytes the line has taken since the last read."""
        waited = time.monotonic() - self._last_read
        if waited * line < _LINE_BYTES:
            time.sleep(min(seconds, _LINE_BYTES / line - waited))
        now = time.monotonic()
        size = min(_LINE_BYTES, int((now - self._last_read) * line))
        self._last_read = now
        return max(1, size)

    def draw(self) -> None:
        """Update the screen; only on demand, as it takes longer than the program needs to send."""
        data = _COMMANDS.sub(b"", bytes(self._undrawn))
        incomplete = _INCOMPLETE.search(data)
        complete = data[: incomplete.start()] if incomplete else data
        self._stream.feed(complete)
        self._undrawn = bytearray(data[len(complete) :])

    def until(self, expected: str | Callable[[], object], seconds: float = 60) -> None:
        """Wait until a text is on the screen or a condition holds."""
        end = time.monotonic() + seconds
        # A text only comes with output, which ends the wait; to read the screen takes long.
        pause = 0.2 if isinstance(expected, str) else 0.01
        while not (expected in self.text if isinstance(expected, str) else expected()):
            assert time.monotonic() < end, f"never seen: {expected}\n{self.text}"
            self.read(pause)

    def watch(self, seconds: float) -> None:
        """Read all output for some seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read(0.02)

    def resize(self, columns: int, rows: int) -> None:
        """Resize the window."""
        self.draw()
        self.screen.resize(rows, columns)
        self.process.setwinsize(rows, columns)

    def kill(self) -> None:
        """Kill the program."""
        self.process.kill(signal.SIGKILL)
        self.ended()

    def ended(self, seconds: float = 60) -> int | None:
        """Wait for the end of the program; returns its exit code."""
        end = time.monotonic() + seconds
        while self.process.isalive():
            assert time.monotonic() < end, f"still running\n{self.text}"
            self.read()
        self.process.close()
        return self.process.exitstatus
