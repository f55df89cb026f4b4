"""How quickly the window answers keys, how little it does otherwise, and how soon it is there.

    python -m tests.benchmarks.window_latency [keys] [mask] [slow] [rate] [idle] [start] [quit]
        [--folder FOLDER]

Runs all parts or those named, and prints a table. `slow` is a line of 20 kB/s, as over SSH. The
pocket model makes the pictures, unless the folder has some. `gallery_speed` measures the gallery.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.window_terminal import (
    GENERATE,
    SLOW_LINE,
    SSH,
    cpu_seconds,
    echo,
    make_pictures,
    opened,
    until_sent,
)
from tests.support.terminal import Terminal
from tests.support.terminal_keys import ESCAPE

_BARE = ("-c", "from textual.app import App\nApp(watch_css=False).run()")
_QUIT = "\x11"
_GALLERY = "\x0f1"
_HALF_CELL = "▀".encode()
_PARTS = (b"Prompt", b"Gallery", b"Recipe", b"Queue", b"Info", b"Log", b"Keys")
"""What the first frame with all parts shows."""
_STEP = re.compile(r"\d+/150")
"""The progress of the job."""
Row = tuple[str, str, str]


def _rows(what: str, seconds: list[float], bars: tuple[float | None, float | None]) -> list[Row]:
    """Return rows for p50, p95 and the worst; `bars` are for the last two, in seconds."""
    quantile = statistics.quantiles(seconds, n=20, method="inclusive")[-1]
    figures = (
        ("p50", statistics.median(seconds), None),
        ("p95", quantile, bars[0]),
        ("worst", max(seconds), bars[1]),
    )
    return [
        (f"{what}, {name}", f"{value * 1000:.0f} ms", "" if bar is None else f"{bar * 1000:.0f} ms")
        for name, value, bar in figures
    ]


def _is_making(terminal: Terminal) -> bool:
    return _STEP.search(terminal.text) is not None


def keys(pictures: Path, presses: int = 200) -> list[Row]:
    """Letters in the prompt, at rest and while pictures are made one after the other."""
    with opened(pictures) as terminal:
        idle = [echo(terminal, number) for number in range(presses // 2)]
        _generate(terminal, jobs=10)
        making = [echo(terminal, number) for number in range(presses)]
        assert _is_making(terminal), "The jobs ended before the last key."
    return [
        *_rows("letter at rest", idle, (None, None)),
        *_rows("letter while pictures are made", making, (0.03, 0.15)),
    ]


def mask(pictures: Path, presses: int = 200) -> list[Row]:
    """Moving the pen of the mask editor, at rest and while pictures are made."""
    with opened(pictures) as terminal:
        terminal.send(_GALLERY)
        terminal.watch(2)
        terminal.send("m")
        terminal.until("masked")
        terminal.send(" ")
        idle = [_drawn(terminal, number) for number in range(presses // 2)]
        terminal.send(f" {ESCAPE}")
        terminal.until("Leave the mask?")
        terminal.send("\r")
        terminal.watch(1)
        _generate(terminal, jobs=10)
        terminal.send("l")  # away from the forming picture
        terminal.watch(1)
        terminal.send("m")
        terminal.until("masked")
        terminal.send(" ")
        making = [_drawn(terminal, number) for number in range(presses)]
    return [
        *_rows("pen at rest", idle, (None, None)),
        *_rows("pen while pictures are made", making, (0.05, None)),
    ]


def _drawn(terminal: Terminal, number: int) -> float:
    """Seconds until a step of the pen is drawn; it goes to and fro."""
    terminal.watch(0.1)
    return until_sent(terminal, "l" if number // 20 % 2 else "h", _HALF_CELL)


def slow(pictures: Path, presses: int = 150) -> list[Row]:
    """Letters over a slow line, while jobs run and end."""
    with opened(pictures, environment=SSH, line=SLOW_LINE) as terminal:
        terminal.watch(5)
        _generate(terminal, jobs=2)
        seconds: list[float] = []
        while len(seconds) < presses or _is_making(terminal):
            seconds.append(echo(terminal, len(seconds)))
    return _rows("letter over 20 kB/s, jobs", seconds, (0.15, None))


def _generate(terminal: Terminal, jobs: int) -> None:
    """Queue jobs, and wait until the first runs."""
    for _ in range(jobs):
        terminal.send(GENERATE)
        terminal.watch(0.2)
    terminal.until(partial(_is_making, terminal))


def rate(pictures: Path, seconds: float = 15) -> list[Row]:
    """What goes to the terminal while a picture is made."""
    rows = []
    for where, environment in (("", {}), (" over SSH", SSH)):
        with opened(pictures, environment=environment) as terminal:
            terminal.send(GENERATE)
            terminal.until(partial(_is_making, terminal))
            before = terminal.bytes
            terminal.watch(seconds)
            sent = (terminal.bytes - before) / seconds
        rows.append((f"a second while a picture is made{where}", f"{sent / 1000:.0f} kB", ""))
    return rows


def idle(pictures: Path, seconds: float = 20) -> list[Row]:
    """CPU while nothing happens, with the monitor."""
    with opened(pictures) as terminal:
        terminal.watch(5)
        before = cpu_seconds(terminal)
        terminal.watch(seconds)
        share = (cpu_seconds(terminal) - before) / seconds
    return [("CPU at rest", f"{share:.1%}", "2 %")]


class Started(NamedTuple):
    """What a start took. On a busy machine only CPU seconds can be compared."""

    seconds: float
    cpu: float


def start(times: int = 7) -> list[Row]:
    """Starts, in turn with an empty Textual app."""
    ours: list[Started] = []
    bare: list[Started] = []
    for _ in range(times):
        ours.append(_start(("-m", "sdtui"), lambda each: all(part in each.sent for part in _PARTS)))
        bare.append(_start(_BARE, lambda each: each.bytes > 500))
    rows = []
    for what, field in (("seconds", 0), ("CPU seconds", 1)):
        quick, quick_bare = (
            statistics.median(each[field] for each in runs) for runs in (ours, bare)
        )
        rows += [
            (f"start to the first whole frame, {what}", f"{quick:.2f} s", "0.40 s"),
            (f"  an empty Textual app, {what}", f"{quick_bare:.2f} s", "0.20 s"),
            ("  ratio", f"{quick / quick_bare:.2f}", "2"),
        ]
    return rows


def _start(arguments: tuple[str, ...], is_there: Callable[[Terminal], bool]) -> Started:
    terminal = Terminal(arguments, Path(tempfile.mkdtemp()))
    try:
        while not is_there(terminal):
            terminal.read(0.005)
        return Started(time.monotonic() - terminal.started, cpu_seconds(terminal))
    finally:
        terminal.kill()


def quit_in_step() -> list[Row]:
    """From the second key press to the end of the process, in a step of five seconds."""
    scripted = ("-m", "tests.support.scripted_app", "5")
    terminal = Terminal(scripted, Path(tempfile.mkdtemp()))
    try:
        terminal.until("Keys")
        terminal.send(f"a cat{GENERATE}")
        terminal.watch(2)
        terminal.send(_QUIT)
        terminal.until("Quit?")
        before = time.monotonic()
        terminal.send(_QUIT)
        terminal.ended()
        return [("quit in a step of 5 s", f"{time.monotonic() - before:.2f} s", "2 s")]
    finally:
        terminal.kill()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    pictures = make_pictures(options.folder or Path(tempfile.mkdtemp()) / "pictures")
    parts: dict[str, Callable[[], list[Row]]] = {
        "keys": lambda: keys(pictures),
        "mask": lambda: mask(pictures),
        "slow": lambda: slow(pictures),
        "rate": lambda: rate(pictures),
        "idle": lambda: idle(pictures),
        "start": start,
        "quit": quit_in_step,
    }
    for name in options.parts or parts:
        for what, measured, bar in parts[name]():
            sys.stdout.write(f"{what:<40}{measured:>10}{bar:>10}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
