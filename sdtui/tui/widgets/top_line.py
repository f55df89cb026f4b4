"""The first line: the model, the state of the running job, the queue, and the memory."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

from sdtui.core.text import one_line
from sdtui.core.units import gibibytes
from sdtui.tui.job_progress import ShownProgress
from sdtui.tui.styles import ThemeColour, theme_style
from sdtui.tui.widgets.line_parts import Part, fitted, fixed, shortenable
from sdtui.tui.widgets.progress_parts import progress_parts
from sdtui.tui.widgets.sparkline import sparkline

if TYPE_CHECKING:
    from sdtui.monitor import Sample

_GAP = 2
_SHORTEST_NAME = 8
_MIN_SPARK, _SPARK = 4, 8
"""The least and usual columns of the graph."""
_WIDE = 76
"""Columns from which the graph is more important than what follows it."""
_WARM, _FULL = 0.8, 0.92
"""Shares of the memory from which its graph is a warning, and an error."""


class ShownConnection(NamedTuple):
    """What is said of the connection to a backend in another process."""

    name: str = ""
    """Of the backend's machine; "" if the backend is in this process."""
    state: str = ""
    """What is being done to connect; "" while it is connected."""
    problem: str = ""


class TopLine(Widget):
    """Draws itself only when its text changes, and never needs a new layout."""

    DEFAULT_CSS = """
    TopLine {
        width: 100%;
        height: 1;
        padding: 0 1;
        color: $foreground;
        background: $surface;
    }
    """

    model: reactive[str] = reactive("", repaint=False)
    """The model, and " · " before how it is loaded."""
    progress: reactive[ShownProgress] = reactive(ShownProgress(), repaint=False)
    queued: reactive[tuple[int, float | None]] = reactive((0, None), repaint=False)
    """How many jobs are queued, and the seconds that they and the running one take, if known."""
    paused: reactive[bool] = reactive(False, repaint=False)
    sample: reactive[Sample | None] = reactive(None, repaint=False)
    download: reactive[float | None] = reactive(None, repaint=False)
    """The downloaded share of a model, from 0 to 1; None if none is being downloaded."""
    connection: reactive[ShownConnection] = reactive(ShownConnection(), repaint=False)

    def __init__(self) -> None:
        super().__init__()
        self._line = Text()
        self._shares: deque[float] = deque(maxlen=2 * _SPARK)

    def render(self) -> Text:
        return self._line

    def watch_sample(self, sample: Sample | None) -> None:
        if sample is not None:
            self._shares.append(_share(sample))
        self._draw_changes()

    def on_mount(self) -> None:
        for name in ("model", "progress", "queued", "paused", "download", "connection"):
            self.watch(self, name, self._draw_changes, init=False)
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw_changes())

    def on_resize(self) -> None:
        self._draw_changes()

    def _draw_changes(self) -> None:
        line = self._composed(self.content_size.width)
        if line != self._line:
            self._line = line
            self.refresh()

    def _composed(self, width: int) -> Text:
        """Return the line: the model at the left, the memory at the right, and the job's state from
        about a third on, so that it moves little while the others change."""
        if width <= 0:
            return Text()
        middle = progress_parts(self.app, self.progress, self.queued, paused=self.paused)
        left, state, right = fitted([self._model(width), middle, self._memory(width)], width, _GAP)
        start = min(max(left.cell_len + _GAP, width // 3), width - right.cell_len - state.cell_len)
        if right:
            start = min(start, width - right.cell_len - _GAP - state.cell_len)
        line = left
        line.pad_right(max(0, start - left.cell_len))
        line.append_text(state)
        line.pad_right(max(0, width - right.cell_len - line.cell_len))
        return line.append_text(right)

    def _model(self, width: int) -> list[Part]:
        name, separator, how = one_line(self.model).partition(" · ")
        parts = self._beginning(has_more=name != "")
        if name:
            wanted = max(_SHORTEST_NAME, width // 4)
            shown = name if len(name) <= wanted else name.rpartition("/")[2]
            style = theme_style(self.app, "name")
            parts.append(shortenable(3, shown, style, _SHORTEST_NAME, wanted))
        if how:
            parts.append(fixed(11, f"{separator}{how}", theme_style(self.app, "muted")))
        return parts

    def _beginning(self, *, has_more: bool) -> list[Part]:
        """Return what stands before the model: the program, and where the backend is."""
        name, state, problem = self.connection
        accent, muted = theme_style(self.app, "accent"), theme_style(self.app, "muted")
        gap = "  " if has_more else ""
        if not name:
            return [fixed(6, f"sdtui{gap}", accent)]
        rank = 2 if state else 5
        parts = [
            fixed(6, "sdtui · ", accent),
            shortenable(rank, name, muted, _SHORTEST_NAME, len(name)),
        ]
        if state:
            parts.append(fixed(rank, " · ", muted))
            parts.append(fixed(0, state, theme_style(self.app, "warning")))
        if problem:
            parts.append(shortenable(13, f": {problem}", muted, 2 * _SHORTEST_NAME, len(problem)))
        return [*parts, fixed(0 if state else rank, gap, muted)]

    def _memory(self, width: int) -> list[Part]:
        parts = []
        muted, running = theme_style(self.app, "muted"), theme_style(self.app, "running")
        sample = self.sample
        if self.download is not None:
            parts.append(fixed(1, f"↓ {self.download:.0%}" + ("  " if sample else ""), running))
        if sample is None:
            return parts
        parts.append(self._memory_graph(sample, wide=width >= _WIDE))
        gpu = sample.gpu
        busy = sample.cpu if gpu is None else gpu.utilisation
        if busy is not None:
            parts.append(fixed(9, f"  {'CPU' if gpu is None else 'GPU'} {busy:2.0f} %", muted))
        if gpu is not None and gpu.temperature is not None:
            parts.append(fixed(12, f"  {gpu.temperature} °C", muted))
        return parts

    def _memory_graph(self, sample: Sample, *, wide: bool) -> Part:
        kind, used, total, _ = sample.memory
        share = self._shares[-1]
        role: ThemeColour = "error" if share >= _FULL else "warning" if share >= _WARM else "plain"
        sign = "!" if share >= _FULL else ""
        numbers = f" {gibibytes(used)}/{gibibytes(total).removesuffix('.0')}{sign}"
        plain = len(kind) + len(numbers)

        def draw(width: int) -> Text:
            columns = width - plain - 1
            graph = f" {sparkline([*self._shares], columns)}" if columns >= _MIN_SPARK else ""
            text = Text(kind, theme_style(self.app, "muted"))
            text.append(graph, theme_style(self.app, "running" if role == "plain" else role))
            return text.append(numbers, theme_style(self.app, role))

        longest = plain + 1 + _SPARK
        return Part(4, draw, plain, longest if wide else plain, longest)


def _share(sample: Sample) -> float:
    """Return which share of the memory that the model can have is in use, from 0 to 1: what others
    hold is out of its reach. If the driver doesn't say what is its own, all is counted."""
    _, used, total, own = sample.memory
    if own is None:
        return used / total if total else 0.0
    reachable = total - used + own
    return own / reachable if reachable > 0 else 1.0
