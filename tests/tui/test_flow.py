"""What is on its way to a terminal is limited by how long it takes to answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from sdtui.tui.terminal.cell_writer import Abilities
from sdtui.tui.terminal.cells import PLAIN, CellGrid, Look
from sdtui.tui.terminal.flow import QUESTION, Flow
from sdtui.tui.terminal.output import TerminalOutput
from sdtui.tui.terminal.raster import Area, Rasters, mark


class Line:
    """A line of so many bytes in a second, with a delay, and a terminal at its other end."""

    def __init__(self, speed: float, delay: float) -> None:
        self.now = 0.0
        self.flow = Flow(lambda: self.now)
        self._speed = speed
        self._delay = delay
        self._free_at = 0.0
        self._answers: list[float] = []

    def send(self, size: int) -> float:
        """Send as much as there is free for; returns how long the last byte will wait."""
        free = self.flow.free_bytes()
        size = size if free is None else min(size, free)
        self._free_at = max(self._free_at, self.now) + size / self._speed
        if self.flow.sent(size):
            self._answers.append(self._free_at + self._delay)
        return self._free_at - self.now

    def wait(self, seconds: float) -> None:
        """Let time pass, and answers arrive."""
        end = self.now + seconds
        while self._answers and self._answers[0] <= end:
            self.now = self._answers.pop(0)
            self.flow.answered()
        self.now = end

    def waits(self, seconds: float) -> list[float]:
        """Send as much as possible for so long; returns how long each part waited."""
        waits = []
        end = self.now + seconds
        while self.now < end:
            waits.append(self.send(10_000))
            self.wait(0.005)
        return waits


def started(speed: float, delay: float) -> Line:
    """Return a line over which little was sent yet."""
    line = Line(speed, delay)
    line.send(50)
    line.wait(delay + 0.1)
    return line


def test_a_slow_line_is_never_busy_for_long() -> None:
    line = started(20_000, 0.05)
    line.waits(3)
    assert max(line.waits(10)) < 0.12


def test_a_slow_line_is_used() -> None:
    line = started(20_000, 0.05)
    line.waits(3)
    before = line._free_at
    line.waits(5)
    assert line._free_at - before > 2.5


def test_a_fast_line_is_soon_unlimited() -> None:
    line = started(10_000_000, 0.1)
    line.waits(2)
    free = line.flow.free_bytes()
    assert free is not None
    assert free > 100_000


def test_a_terminal_that_never_answers_is_not_waited_for() -> None:
    flow = Flow(lambda: now)
    now = 0.0
    assert flow.sent(50_000) == QUESTION
    assert flow.free_bytes() == 0
    now = 4.0
    assert flow.free_bytes() is None


def test_a_lost_answer_is_waited_for_a_few_seconds_only() -> None:
    line = started(1e6, 0.01)
    line.flow.sent(1_000_000)
    assert line.flow.free_bytes() == 0
    line.now += 4
    free = line.flow.free_bytes()
    assert free is not None
    assert free > 1000


def _picture(grid: CellGrid, shade: int) -> None:
    for y in range(grid.height):
        for x in range(grid.width):
            grid.put(y, x, "▀", Look("", f"38;2;{x};{y};{shade}", f"48;2;{y};{x};{shade}"), 40)


def test_text_overtakes_a_picture_and_the_last_frame_arrives() -> None:
    flow = Flow()
    sent: list[str] = []

    def send(text: str) -> None:
        sent.append(text)

    grid = CellGrid(40, 20)
    output = TerminalOutput(send, grid, Abilities(), flow=flow)
    output.start()
    output.write("begin")
    with output.frame((0, 0), synchronizes=False) as wanted:
        _picture(wanted, 1)
    _wait(lambda: "▀" in "".join(sent))
    with output.frame((0, 0), synchronizes=False) as wanted:
        wanted.put(19, 0, "key", PLAIN, 40)
    while output.is_behind:
        output.answered()
    output.stop()
    text = "".join(sent)
    rows_before_key = text.partition("key")[0].count("▀") / 40
    assert rows_before_key < 18
    shown = output._writer.shown
    assert shown.rows == grid.rows


def test_the_next_frame_is_drawn_while_one_is_made_ready() -> None:
    met, go_on = threading.Event(), threading.Event()

    class SlowRasters(Rasters):
        def draw(self, text: str, area: Area) -> str | None:
            met.set()
            go_on.wait(5)
            return ""

    sent: list[str] = []
    output = TerminalOutput(sent.append, CellGrid(40, 20), Abilities(), SlowRasters())
    output.start()
    with output.frame((0, 0), synchronizes=False) as wanted:
        wanted.put(0, 0, mark(0, 0, 0), PLAIN, 40)
    assert met.wait(5)
    with output.frame((0, 0), synchronizes=False) as wanted:
        wanted.put(19, 0, "key", PLAIN, 40)
    assert not go_on.is_set()
    assert output.is_behind
    go_on.set()
    _wait(lambda: "key" in "".join(sent))
    output.stop()


def test_text_is_sent_between_the_commands_of_a_picture() -> None:
    sent: list[str] = []
    grid = CellGrid(40, 20)
    output = TerminalOutput(sent.append, grid, Abilities(), flow=Flow())
    output.start()
    output.write("".join(f"\x1b_Gm=1;{'A' * 1000}{number:02}\x1b\\" for number in range(40)))
    _wait(lambda: "A00" in "".join(sent))
    with output.frame((0, 0), synchronizes=False) as wanted:
        wanted.put(19, 0, "key", PLAIN, 40)
    while output.is_behind:
        output.answered()
    output.stop()
    before, _, after = "".join(sent).partition("key")
    assert before.count("\x1b_G") < 20
    assert [f"A{number:02}" in before + after for number in range(40)] == [True] * 40


def _wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)
