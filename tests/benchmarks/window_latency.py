"""How quickly the window answers keys, how little it does otherwise, and how soon it is there.

    python -m tests.benchmarks.window_latency [keys] [slow] [gallery] [idle] [start]
        [--folder FOLDER] [--history FOLDER]

Runs all parts or those named, and prints a table. `slow` is a line of 20 kB/s, as over SSH. The
folders are made if they don't exist: pictures of the pocket model, and a history of 100,000.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.history_speed import make
from tests.benchmarks.window_terminal import (
    GENERATE,
    SLOW_LINE,
    SSH,
    cpu_seconds,
    echo,
    make_pictures,
    opened,
)
from tests.support.terminal import Terminal

_ENTRIES = 100_000
_BARE = ("-c", "from textual.app import App\nApp(watch_css=False).run()")
_PARTS = ("Prompt", "Gallery", "Recipe", "Queue", "Info", "Log", "Keys")
"""What the first frame with all parts shows."""
_STEP = re.compile(r"\d+/150")
"""The progress of the job."""
_PLACE = re.compile(r"[\d,]+/100,000")
"""The place of the current picture."""
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


def keys(pictures: Path, presses: int = 120) -> list[Row]:
    """Letters in the prompt, at rest and while a picture is made."""
    with opened(pictures) as terminal:
        idle = [echo(terminal, number) for number in range(presses // 2)]
        terminal.send(GENERATE)
        terminal.until(lambda: _STEP.search(terminal.text))
        making = [echo(terminal, 300 + number) for number in range(presses)]
    return [
        *_rows("letter at rest", idle, (None, None)),
        *_rows("letter while a picture is made", making, (0.03, 0.15)),
    ]


def slow(pictures: Path, presses: int = 150) -> list[Row]:
    """Letters over a slow line, while a job runs and ends."""
    with opened(pictures, environment=SSH, line=SLOW_LINE) as terminal:
        terminal.watch(5)
        terminal.send(GENERATE)
        seconds = [echo(terminal, number) for number in range(presses)]
    return _rows("letter over 20 kB/s, job", seconds, (0.15, None))


def gallery(history: Path) -> list[Row]:
    """Movements in a gallery of many pictures, and letters in the prompt beside it."""
    if not history.is_dir():
        make(history, _ENTRIES)
    with opened(history) as terminal:
        terminal.until(f"{_ENTRIES:,}", 300)
        terminal.watch(3)
        letters = [echo(terminal, number) for number in range(40)]
        terminal.send("\t")
        terminal.watch(1)
        moves = [_answer(terminal, key) for key in "ljlhjlljjllkh" * 3]
        jumps = [_answer(terminal, key) for key in ("\x1b[F", "\x1b[5~", "\x1b[H", "\x1b[6~") * 4]
    bars = (0.05, 0.2)
    return [
        *_rows("gallery of 100,000: letter", letters, bars),
        *_rows("gallery of 100,000: cursor", moves, bars),
        *_rows("gallery of 100,000: page, end", jumps, bars),
    ]


def _answer(terminal: Terminal, key: str) -> float:
    """Seconds until another picture is current; drawing that here takes some ms of them."""
    place = _PLACE.findall(terminal.text)
    before = time.monotonic()
    terminal.send(key)
    terminal.until(lambda: _PLACE.findall(terminal.text) != place, 20)
    seconds = time.monotonic() - before
    terminal.watch(0.3)
    return seconds


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
        ours.append(_start(("-m", "sdtui"), lambda each: all(p in each.text for p in _PARTS)))
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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--history", type=Path)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    pictures = make_pictures(options.folder or folder / "pictures")
    parts: dict[str, Callable[[], list[Row]]] = {
        "keys": lambda: keys(pictures),
        "slow": lambda: slow(pictures),
        "gallery": lambda: gallery(options.history or folder / "history"),
        "idle": lambda: idle(pictures),
        "start": start,
    }
    for name in options.parts or parts:
        for what, measured, bar in parts[name]():
            sys.stdout.write(f"{what:<40}{measured:>10}{bar:>10}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
