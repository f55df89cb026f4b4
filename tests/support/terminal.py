"""A real terminal for tests: a pseudo-terminal, and pyte to see what it shows."""

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
CTRL_Q = "\x11"

_OF_THE_PERSON = (
    "SDTUI_",
    "SSH_",
    "XDG_",
    "NO_COLOR",
    "TMUX",
    "TEXTUAL_",
    "TERM_PROGRAM",
    "COLUMNS",  # pytest-xdist sets it
    "LINES",
    "PYTHONDONTWRITEBYTECODE",  # what is installed has its bytecode
)
"""How names of variables begin that must not decide what a test sees."""
_QUESTION = b"\x1b[c"
_COMMANDS = re.compile(rb"\x1b[_P].*?\x1b\\", re.DOTALL)
"""Kitty's and Sixel's, of which pyte knows nothing."""
_BEGUN = re.compile(rb"\x1b(?:[_P]|$)")
"""A command of which the end has not come yet."""


class Terminal:
    """A program on a screen of its own."""

    def __init__(
        self,
        arguments: Sequence[str],
        home: Path,
        size: tuple[int, int] = (120, 36),
        environment: Mapping[str, str] | None = None,
        answer: bytes = b"",
    ) -> None:
        """Run `python *arguments` with its folders under `home`. `answer` is what the terminal
        says when it is asked what it can do (DA1, and what is asked with it)."""
        columns, rows = size
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(_OF_THE_PERSON)
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
            sys.executable,
            list(arguments),
            env={**kept, **own, **(environment or {})},
            dimensions=(rows, columns),
            timeout=30,
        )
        self.process.delaybeforesend = None
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self._undrawn = bytearray()
        self._answer = answer
        self.bytes = 0
        self.sent = bytearray()

    @property
    def text(self) -> str:
        """What is seen."""
        self.draw()
        return "\n".join(self.screen.display)

    def send(self, keys: str) -> None:
        """Press keys."""
        self.process.send(keys)

    def read(self, seconds: float = 0.01) -> bytes:
        """Take in what comes within `seconds`."""
        try:
            data: bytes = self.process.read_nonblocking(65536, timeout=seconds)  # type: ignore[assignment]
        except (pexpect.TIMEOUT, pexpect.EOF):
            return b""
        self.bytes += len(data)
        self._undrawn += data
        self.sent += data
        if self._answer and _QUESTION in data:
            self.process.send(self._answer)
        return data

    def draw(self) -> None:
        """Bring the screen up to date. Only when someone looks: it takes longer than the program
        under test needs to send it."""
        data = _COMMANDS.sub(b"", bytes(self._undrawn))
        begun = _BEGUN.search(data)
        whole = data[: begun.start()] if begun else data
        self._stream.feed(whole)
        self._undrawn = bytearray(data[len(whole) :])

    def until(self, shown: str | Callable[[], object], seconds: float = 120) -> None:
        """Wait until something is seen, or holds."""
        end = time.monotonic() + seconds
        while not (shown in self.text if isinstance(shown, str) else shown()):
            assert time.monotonic() < end, f"never seen: {shown}\n{self.text}"
            self.read()

    def watch(self, seconds: float) -> None:
        """Take in everything for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read(0.02)

    def resize(self, columns: int, rows: int) -> None:
        """Give the window another size."""
        self.draw()
        self.screen.resize(rows, columns)
        self.process.setwinsize(rows, columns)

    def kill(self) -> None:
        """End it without asking."""
        self.process.kill(signal.SIGKILL)
        self.ended()

    def ended(self, seconds: float = 60) -> int | None:
        """Wait for the end; the exit code."""
        end = time.monotonic() + seconds
        while self.process.isalive():
            assert time.monotonic() < end, f"it goes on\n{self.text}"
            self.read()
        self.process.close()
        return self.process.exitstatus
