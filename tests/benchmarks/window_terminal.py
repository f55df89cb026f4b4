"""The real app in a terminal with pictures, for benchmarks of the window."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from sdtui.core.files import write_atomic
from tests.support.terminal import ROOT, Terminal

REAL = ("-m", "sdtui")
SSH = {"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}
SLOW_LINE = 20_000
"""Bytes a second."""
READY = "pocket ready"
GENERATE = "\x07"
_LETTERS = 0x150
"""Letters with accents and the like from U+0100 on, each of one cell."""
_PROMPTS = (
    *("a tiger on a blue background", "a red apple", "a frog", "a car", "a fox", "a butterfly"),
    *("a cow", "a green tree", "a fly", "a rocket", "a house", "a cat"),
)
_FORM = {"prompt": "a tiger on a blue background", "num_inference_steps": "150"}


def make_pictures(folder: Path) -> Path:
    """Return a folder with a dozen pictures of the pocket model; makes them if it isn't there."""
    if not folder.is_dir():
        command = [sys.executable, *REAL, "generate", "--from", "-", "-q", "--seed", "1"]
        environment = {"SDTUI_PICTURES": str(folder), "PYTHONPATH": str(ROOT)}
        home = tempfile.mkdtemp()
        environment |= {f"XDG_{kind}_HOME": home for kind in ("CONFIG", "STATE", "CACHE")}
        prompts = "\n".join(_PROMPTS)
        subprocess.run(
            command,
            input=prompts,
            text=True,
            check=True,
            env={"PATH": "/usr/bin:/bin", **environment},
            stdout=subprocess.DEVNULL,
        )
    return folder


@contextmanager
def opened(
    pictures: Path,
    size: tuple[int, int] = (120, 36),
    environment: Mapping[str, str] | None = None,
    line: int | None = None,
) -> Iterator[Terminal]:
    """The app with a folder of pictures and a form that asks for many steps, once the model is
    known; ended afterwards."""
    home = Path(tempfile.mkdtemp())
    state = home / "STATE" / "sdtui" / "tui.json"
    state.parent.mkdir(parents=True)
    write_atomic(state, json.dumps({"form": _FORM}).encode())
    environment = {"SDTUI_PICTURES": str(pictures), **(environment or {})}
    terminal = Terminal(REAL, home, size, environment, line=line)
    try:
        terminal.until(READY, 120)
        terminal.watch(3)
        yield terminal
    finally:
        terminal.kill()


def echo(terminal: Terminal, number: int) -> float:
    """Seconds until a letter stands in the prompt; another one each time."""
    letter = chr(0x100 + number % _LETTERS)
    seconds = until_sent(terminal, letter, letter.encode())
    if number % 12 == 11:
        terminal.send("\x7f" * 12)
    terminal.watch(0.1)
    return seconds


def until_sent(terminal: Terminal, keys: str, wanted: bytes) -> float:
    """Seconds from keys until the terminal is sent `wanted`."""
    before = time.monotonic()
    start = len(terminal.sent)
    terminal.send(keys)
    while wanted not in terminal.sent[start:]:
        terminal.read(0.002)
        assert time.monotonic() - before < 30, f"{keys!r}\n{terminal.text}"
    return time.monotonic() - before


def cpu_seconds(terminal: Terminal) -> float:
    """CPU time of the app so far."""
    return sum(psutil.Process(terminal.process.pid).cpu_times()[:2])
