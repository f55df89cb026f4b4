"""How quick the gallery is with many pictures: moving, jumping, thumbnails, searching.

    python -m tests.benchmarks.gallery_speed [--entries 100000] [--folder FOLDER]

Prints a table. The bars: a key is answered after 50 ms (p95), never later than after 200. A folder
that holds pictures already (see history_speed) is used again.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.benchmarks.history_prompts import QUERIES
from tests.benchmarks.history_speed import make
from tests.benchmarks.window_terminal import READY, REAL
from tests.support.terminal import Terminal
from tests.support.terminal_keys import CTRL_U, ESCAPE, F4, PAGE_DOWN

_PASTED = "\x1b[200~{}\x1b[201~"
_PLACE = re.compile(r"([\d,]+/)?[\d,]+(?: found)?\s*$", re.MULTILINE)
"""The place of the cursor and the number of pictures, at the right."""
_MISSING = re.compile(r" …  | ▸… ")
"""A picture without caption or thumbnail yet."""


@dataclass
class GallerySpeed:
    """Seconds from keys to the changed screen."""

    moves: list[float] = field(default_factory=list)
    """A picture or a row on, until the cursor is there."""
    jumps: list[float] = field(default_factory=list)
    """A page, the end, the beginning, until the cursor is there."""
    filled: list[float] = field(default_factory=list)
    """The same, until all captions and thumbnails are there."""
    letters: list[float] = field(default_factory=list)
    """A letter of a search, until it is drawn."""
    searches: list[float] = field(default_factory=list)
    """A search, until its number of results is drawn."""
    memory: int = 0
    """Bytes of the app at the end."""


def _place(terminal: Terminal) -> str:
    found = _PLACE.search(terminal.screen.display[2])
    return found[0] if found else ""


def _is_filled(terminal: Terminal) -> bool:
    """True if no caption or thumbnail is missing."""
    return not any(_MISSING.search(line) for line in terminal.screen.display[4:])


def _until(terminal: Terminal, keys: str, seen: Callable[[], bool]) -> float:
    """Seconds from a key press until something is seen; drawing it here takes some ms of them."""
    before = time.monotonic()
    terminal.send(keys)
    while not seen():
        terminal.read(0.002)
        assert time.monotonic() - before < 20, f"{keys!r}\n{terminal.text}"
        terminal.draw()
    return time.monotonic() - before


def _until_moved(terminal: Terminal, keys: str) -> float:
    terminal.draw()
    before = _place(terminal)
    return _until(terminal, keys, lambda: _place(terminal) not in ("", before))


def measure(folder: Path, entries: int) -> GallerySpeed:
    """Move about and search in a folder of so many pictures; makes it if it isn't there."""
    if not folder.is_dir():
        make(folder, entries)
    speed = GallerySpeed()
    terminal = Terminal(
        REAL,
        Path(tempfile.mkdtemp()),
        environment={"SDTUI_PICTURES": str(folder)},
    )
    try:
        terminal.until("Gallery")
        terminal.send(F4)
        terminal.until(f"/{entries:,}", 300)
        terminal.until(READY)
        terminal.watch(3)
        _move(terminal, speed)
        _search(terminal, speed)
        speed.memory = psutil.Process(terminal.process.pid).memory_info().rss
    finally:
        terminal.kill()
    return speed


def _move(terminal: Terminal, speed: GallerySpeed) -> None:
    for key in "l" * 30 + "j" * 30 + "k" * 20 + "h" * 20:
        speed.moves.append(_until_moved(terminal, key))
        terminal.watch(0.1)
    for key in (*("G", "g") * 10, *(PAGE_DOWN,) * 40):
        moved = _until_moved(terminal, key)
        speed.jumps.append(moved)
        rest = _until(terminal, "", lambda: _is_filled(terminal))
        speed.filled.append(moved + rest)
        terminal.watch(0.1)


def _search(terminal: Terminal, speed: GallerySpeed) -> None:
    for query in QUERIES:
        terminal.send("/")
        terminal.watch(0.3)
        for letter in query:
            before = terminal.screen.display[3]
            if letter == " ":  # isn't seen
                terminal.send(letter)
            else:
                seconds = _until(terminal, letter, lambda: terminal.screen.display[3] != before)  # noqa: B023
                speed.letters.append(seconds)
            terminal.watch(0.1)
        terminal.send(CTRL_U)
        terminal.watch(1)
        # As a whole: one letter more need not find another number of pictures.
        speed.searches.append(_until_moved(terminal, _PASTED.format(query)))
        terminal.send(ESCAPE)
        terminal.watch(1)


def _row(what: str, seconds: Sequence[float]) -> str:
    p95 = statistics.quantiles(seconds, n=20, method="inclusive")[-1]
    figures = (statistics.median(seconds), p95, max(seconds))
    return f"{what:<10}" + "".join(f"{1000 * figure:>10.0f}" for figure in figures)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp()) / "pictures"
    speed = measure(folder, options.entries)
    sys.stdout.write(f"{options.entries:,} pictures; median, p95 and worst in ms\n")
    for name, seconds in vars(speed).items():
        if isinstance(seconds, list):
            sys.stdout.write(_row(name, seconds) + "\n")
    sys.stdout.write(f"memory: {speed.memory / 2**20:.0f} MiB\n")


if __name__ == "__main__":
    main()
