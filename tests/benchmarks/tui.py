"""How quick and how quiet the app is: start, key presses while torch is imported and while the
pocket model makes a picture on all cores, bytes to the terminal, CPU while idle, and quitting.

    python -m tests.benchmarks.tui

Prints a table. `gallery_speed` measures the gallery.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.support.terminal import Terminal

REAL = ("-m", "sdtui")
SCRIPTED = ("-m", "tests.support.scripted_app")
_BARE = "from textual.app import App\nApp(watch_css=False).run()"
_SSH = {"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}
_PANES = (
    *("Prompt", "Negative prompt", "Parameters", "Queue", "Preview"),
    *("Progress", "Memory", "Log", "History", "Metadata", "Quit"),
)
_FILLED = ("/ search",)
"""What is seen as soon as the panes are filled."""
_LONG = {"prompt": "a tiger on a blue background", "num_inference_steps": "150"}
_LONG |= {"num_images_per_prompt": "12"}
_CTRL_G, _CTRL_Q = "\x07", "\x11"


@contextmanager
def opened(
    arguments: tuple[str, ...] = REAL,
    environment: Mapping[str, str] | None = None,
    home: Path | None = None,
) -> Iterator[Terminal]:
    """The app at 120×36 with a form that asks for a picture of many steps; ended afterwards."""
    home = home or Path(tempfile.mkdtemp())
    state = home / "STATE" / "sdtui" / "tui.json"
    state.parent.mkdir(parents=True, exist_ok=True)
    state.write_text(json.dumps({"form": _LONG}))
    terminal = Terminal(arguments, home, environment=environment)
    try:
        yield terminal
    finally:
        terminal.kill()


@dataclass
class Starts:
    """Seconds from the command, of some starts in turn with those of an empty Textual app."""

    frames: list[float] = field(default_factory=list)
    """To the first frame with all panes."""
    filled: list[float] = field(default_factory=list)
    """To what stands in the panes that are empty at first."""
    bare: list[float] = field(default_factory=list)
    """To whatever the empty app draws."""


def start(times: int = 9) -> Starts:
    """Start the app and the empty one so many times."""
    starts = Starts()
    for _ in range(times):
        frame, filled = _first_frames(Path(tempfile.mkdtemp()))
        starts.frames.append(frame)
        starts.filled.append(filled)
        starts.bare.append(_bare_start())
    return starts


def _first_frames(home: Path) -> tuple[float, float]:
    with opened(home=home) as terminal:
        arrived: list[tuple[float, bytes]] = []
        while not arrived or b"Quit" not in b"".join(data for _, data in arrived[-8:]):
            if data := terminal.read():
                arrived.append((time.monotonic(), data))
        maps = Path(f"/proc/{terminal.process.pid}/maps").read_text()
        assert "libtorch" not in maps, "torch was imported before the first frame"
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            if data := terminal.read():
                arrived.append((time.monotonic(), data))
        seen = [_when_seen(arrived, names) for names in (_PANES, _FILLED)]
        return seen[0] - terminal.started, seen[1] - terminal.started


def _when_seen(arrived: list[tuple[float, bytes]], names: Sequence[str]) -> float:
    import pyte

    screen = pyte.Screen(120, 36)
    stream = pyte.ByteStream(screen)
    for seconds, data in arrived:
        stream.feed(data)
        seen = "\n".join(screen.display)
        if all(name in seen for name in names):
            return seconds
    raise AssertionError(f"{names} were not all seen\n" + "\n".join(screen.display))


def _bare_start() -> float:
    with opened(("-c", _BARE)) as terminal:
        terminal.until(lambda: terminal.bytes > 500)
        return time.monotonic() - terminal.started


def _answer(terminal: Terminal, keys: str, wanted: bytes) -> float:
    """Seconds from a key press until the terminal is sent `wanted`."""
    before = time.monotonic()
    terminal.send(keys)
    seen = b""
    while wanted not in seen:
        seen += terminal.read(0.002)
        assert time.monotonic() - before < 20, f"{keys!r}: {seen!r}\n{terminal.text}"
    return time.monotonic() - before


def _type(terminal: Terminal, number: int) -> float:
    """Seconds until a letter stands in the prompt; a new one each time."""
    letter = chr(0x100 + number)
    seconds = _answer(terminal, letter, letter.encode())
    if number % 12 == 11:
        terminal.send("\x7f" * 12)
    terminal.watch(0.05)
    return seconds


def latency(presses: int = 150) -> tuple[list[float], list[float]]:
    """Seconds from key presses to the changed screen: while torch is imported and the model is
    loaded, and while a picture is made."""
    with opened() as terminal:
        terminal.until("Keys")
        importing: list[float] = []
        while "ready · " not in terminal.text:
            importing.append(_type(terminal, len(importing)))
        terminal.send(_CTRL_G)
        terminal.until("denoising", 60)
        generating = [_type(terminal, 300 + number) for number in range(presses)]
        assert "denoising" in terminal.text, terminal.text
    return importing, generating


def bytes_a_second(environment: Mapping[str, str], seconds: float = 15) -> float:
    """What goes to the terminal while a picture is made."""
    with opened(environment=environment) as terminal:
        terminal.until("ready · ", 60)
        terminal.send(_CTRL_G)
        terminal.until("denoising", 60)
        terminal.bytes = 0
        terminal.watch(seconds)
        sent = terminal.bytes
        assert "denoising" in terminal.text, terminal.text
    return sent / seconds


def idle(seconds: float = 20) -> float:
    """The share of one core that the app takes while nothing happens, with the model loaded."""
    with opened() as terminal:
        terminal.until("ready · ", 60)
        terminal.watch(5)
        process = psutil.Process(terminal.process.pid)
        before = sum(process.cpu_times()[:2])
        terminal.watch(seconds)
        return (sum(process.cpu_times()[:2]) - before) / seconds


def quit_in_step() -> float:
    """Seconds from the second key press to the end of the process, in a step of five."""
    with opened((*SCRIPTED, "5")) as terminal:
        terminal.until("Keys")
        terminal.send(_CTRL_G)
        terminal.until("denoising")
        terminal.send(_CTRL_Q)
        terminal.until("Quit?")
        before = time.monotonic()
        terminal.send(_CTRL_Q)
        terminal.ended()
        return time.monotonic() - before


def _rows(what: str, seconds: list[float], p95: str, worst: str) -> list[tuple[str, str, str]]:
    quantile = statistics.quantiles(seconds, n=20, method="inclusive")[-1]
    return [
        (f"{what}, p95", f"{quantile * 1000:.0f} ms", p95),
        (f"{what}, worst", f"{max(seconds) * 1000:.0f} ms", worst),
    ]


def main() -> None:
    """Measure and print."""
    for what, measured, bar in _bars():
        sys.stdout.write(f"{what:<36}{measured:>10}{bar:>10}\n")


def _bars() -> list[tuple[str, str, str]]:
    importing, generating = latency()
    starts = start()
    return [
        ("start to first frame, median", f"{statistics.median(starts.frames):.2f} s", "0.7 s"),
        ("  the quickest", f"{min(starts.frames):.2f} s", ""),
        ("  with lists and readings", f"{statistics.median(starts.filled):.2f} s", ""),
        ("  an empty Textual app", f"{statistics.median(starts.bare):.2f} s", ""),
        *_rows("key press while making", generating, "50 ms", "300 ms"),
        *_rows("key press while importing", importing, "", "300 ms"),
        ("bytes a second, default", f"{bytes_a_second({}) / 1000:.0f} KB", "120 KB"),
        ("bytes a second, over SSH", f"{bytes_a_second(_SSH) / 1000:.0f} KB", "40 KB"),
        ("CPU while idle", f"{idle() * 100:.1f} %", "2 %"),
        ("quit in a step of 5 s", f"{quit_in_step():.2f} s", "2 s"),
    ]


if __name__ == "__main__":
    main()
