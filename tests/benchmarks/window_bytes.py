"""What keys cost on the line to the terminal, with a picture and a gallery shown.

    python -m tests.benchmarks.window_bytes [--size 120x36] [--ssh] [--folder FOLDER]

Prints the bytes that each key sends until the screen has come to rest. The pocket model makes the
pictures; a folder that has some already is used again.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.window_terminal import SSH, make_pictures, opened
from tests.support.terminal import Terminal
from tests.support.terminal_keys import BACKSPACE, ESCAPE, TAB

_JUMP, _COMMANDS, _QUIT = "\x0f", "\x10", "\x11"
_GALLERY = f"{_JUMP}1"
_REST = 1.0
"""Seconds without keys, in which the screen comes to rest."""


class Step(NamedTuple):
    """Keys, and the bytes that they may cost; None if there is no bar."""

    name: str
    keys: str
    bar: int | None = None


_STEPS = (
    Step("letter", "x", 200),
    Step("letter", "y", 200),
    Step("backspace", BACKSPACE, 200),
    Step("tab: prompt → shelf", TAB, 1000),
    Step("tab: shelf → stage", TAB, 1000),
    Step("tab: stage → negative", TAB, 1000),
    Step("tab: negative → prompt", TAB, 1000),
    Step("tab change: recipe", f"{_JUMP}2", 8000),
    Step("tab change: queue", f"{_JUMP}3", 8000),
    Step("tab change: info", f"{_JUMP}4", 8000),
    Step("tab change: log", f"{_JUMP}5", 8000),
    Step("tab change: gallery", _GALLERY, 8000),
    Step("next picture", "l"),
    Step("next picture", "l"),
    Step("next row", "j"),
    Step("? opens", "?", 8000),
    Step("? closes", ESCAPE, 8000),
    Step("star", "s"),
    Step("which-key opens", _JUMP, 8000),
    Step("which-key closes", ESCAPE, 8000),
    Step("commands open", _COMMANDS, 8000),
    Step("commands close", ESCAPE, 8000),
    Step("tags open", "t", 8000),
    Step("tags close", ESCAPE, 8000),
    Step("vary opens", "v", 8000),
    Step("vary closes", ESCAPE, 8000),
    Step("models open", f"{_JUMP}m", 8000),
    Step("models close", ESCAPE, 8000),
    Step("to the gallery", _GALLERY),
    Step("full screen", "f"),
    Step("and back", ESCAPE),
    Step("mask opens", "m"),
    Step("mask: cursor moves", "l"),
    Step("mask: a stroke of 20 cells", f" {'l' * 20} ", 4000),
    Step("mask: a stroke down", f" {'j' * 20} ", 4000),
    Step("mask: a rectangle", f"r {'h' * 10}{'k' * 10} "),
    Step("mask: undo", "u", 4000),
    Step("mask: closes", f"{ESCAPE}\r"),
    Step("nothing", ""),
)


def cost(terminal: Terminal, keys: str) -> int:
    """Bytes that keys cost."""
    before = terminal.bytes
    for key in keys:
        terminal.send(key)
        terminal.watch(0.3)
    terminal.watch(_REST)
    return terminal.bytes - before


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", default="120x36")
    parser.add_argument("--ssh", action="store_true")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    columns, rows = map(int, options.size.split("x"))
    pictures = make_pictures(options.folder or Path(tempfile.mkdtemp()) / "pictures")
    with opened(pictures, (columns, rows), SSH if options.ssh else None) as terminal:
        sys.stdout.write(f"{'the whole window':<28}{terminal.bytes:>8}\n")
        for step in _STEPS:
            sent = cost(terminal, step.keys)
            verdict = (
                "" if step.bar is None else f"{step.bar:>8}  {'' if sent <= step.bar else '✗'}"
            )
            sys.stdout.write(f"{step.name:<28}{sent:>8}{verdict}\n")
            sys.stdout.flush()
        sys.stdout.write(terminal.text + "\n")


if __name__ == "__main__":
    main()
