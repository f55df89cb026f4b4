"""How quick and how quiet the app is: start, key presses while a picture is made, bytes to the
terminal, CPU while idle, quitting. `python -m tests.benchmarks.tui` prints a table.

The picture is made by a stand-in that imports torch and diffusers and keeps all cores busy.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from tests.tui.terminal import Terminal

_APP = ("-m", "tests.tui.scripted_app")
_REAL = (
    "-c",
    "from sdtui.core.settings import load_settings\nfrom sdtui.tui import run_app\n"
    "run_app(load_settings())",
)
_BARE = "from textual.app import App\nApp(watch_css=False).run()"
_SSH = {"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}


def _open(arguments: tuple[str, ...], environment: Mapping[str, str] | None = None) -> Terminal:
    terminal = Terminal(arguments, Path(tempfile.mkdtemp()), environment=environment)
    terminal.until("Quit")
    return terminal


def start(times: int = 5) -> float:
    """Seconds to the first frame with all panes, the best of a few starts."""
    seconds = []
    for _ in range(times):
        terminal = _open(_REAL)
        seconds.append(time.monotonic() - terminal.started)
        terminal.kill()
    return min(seconds)


def bare_start() -> float:
    """Seconds until an empty Textual app has drawn something, for comparison."""
    terminal = Terminal(("-c", _BARE), Path(tempfile.mkdtemp()))
    terminal.until(lambda: terminal.bytes > 500)
    seconds = time.monotonic() - terminal.started
    terminal.kill()
    return seconds


def latency(presses: int = 150) -> tuple[float, float]:
    """Seconds from a key press to the changed screen while torch is imported and a picture is
    made on all cores: the 95th of a hundred, and the worst."""
    terminal = _open((*_APP, "0.5", "--busy"))
    terminal.watch(1)
    terminal.send("a cat\x07")
    seconds = []
    for number in range(presses):
        letter = chr(0x100 + number)
        before = time.monotonic()
        terminal.send(letter)
        wanted = letter.encode()
        while wanted not in terminal.read(0.002):
            assert time.monotonic() - before < 20, terminal.text
        seconds.append(time.monotonic() - before)
        if number % 12 == 11:
            terminal.send("\x7f" * 12)
        terminal.watch(0.1)
    terminal.kill()
    return statistics.quantiles(seconds, n=20)[-1], max(seconds)


def bytes_a_second(environment: Mapping[str, str], seconds: float = 15) -> float:
    """What goes to the terminal while a picture is made."""
    terminal = _open((*_APP, "0.2"), environment)
    terminal.watch(2)
    for number in range(30):  # jobs of a few steps each, one after the other
        terminal.send("a cat\x07" if number == 0 else "\x07")
        terminal.watch(0.1)
    terminal.bytes = 0
    terminal.watch(seconds)
    terminal.kill()
    return terminal.bytes / seconds


def idle(seconds: float = 20) -> float:
    """The share of one core that the app takes while nothing happens."""
    terminal = _open(_APP)
    terminal.watch(5)
    process = psutil.Process(terminal.process.pid)
    before = sum(process.cpu_times()[:2])
    terminal.watch(seconds)
    used = sum(process.cpu_times()[:2]) - before
    terminal.kill()
    return used / seconds


def quit_in_step() -> float:
    """Seconds from the second key press to the end of the process, in a step of five."""
    terminal = _open((*_APP, "5"))
    terminal.send("a cat\x07")
    terminal.until("denoising")
    terminal.send("\x11")
    terminal.until("Quit?")
    before = time.monotonic()
    terminal.send("\x11")
    terminal.ended()
    return time.monotonic() - before


def main() -> None:
    """Measure and print."""
    p95, worst = latency()
    rows = [
        ("start to first frame", f"{start():.2f} s", "0.7 s"),
        ("  an empty Textual app", f"{bare_start():.2f} s", ""),
        ("key press to screen, p95", f"{p95 * 1000:.0f} ms", "50 ms"),
        ("key press to screen, worst", f"{worst * 1000:.0f} ms", "300 ms"),
        ("bytes a second, default", f"{bytes_a_second({}) / 1000:.0f} KB", "120 KB"),
        ("bytes a second, over SSH", f"{bytes_a_second(_SSH) / 1000:.0f} KB", "40 KB"),
        ("CPU while idle", f"{idle() * 100:.1f} %", "2 %"),
        ("quit in a step of 5 s", f"{quit_in_step():.2f} s", "2 s"),
    ]
    for what, measured, bar in rows:
        sys.stdout.write(f"{what:<28}{measured:>10}{bar:>10}\n")


if __name__ == "__main__":
    main()
