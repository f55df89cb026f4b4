"""What the hardware is doing, with a graph over time."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.text import Text
from textual.geometry import Size
from textual.widget import Widget

from sdtui.core.units import gibibytes
from sdtui.tui.panes.pane import Pane
from sdtui.tui.styles import theme_style
from sdtui.tui.widgets.key_scroll import KeyScroll
from sdtui.tui.widgets.lazy_refresh import RefreshWhenVisible

if TYPE_CHECKING:
    from sdtui.monitor import GpuSample, Sample

_BLOCKS = " ▁▂▃▄▅▆▇█"
_REMEMBERED = 600


def graph(shares: list[float], width: int, height: int) -> list[str]:
    """The newest `width` values, from 0 to 1, as lines of blocks."""
    newest = shares[-width:]
    levels = [0] * (width - len(newest)) + [
        max(1, round(min(1.0, share) * height * 8)) for share in newest
    ]
    return [
        "".join(_BLOCKS[max(0, min(8, level - row * 8))] for level in levels)
        for row in reversed(range(height))
    ]


def wrapped(parts: list[str], width: int) -> list[str]:
    """Parts side by side, two blanks between them, in lines of at most `width` columns."""
    lines = [parts[0]]
    for part in parts[1:]:
        longer = f"{lines[-1]}  {part}"
        if len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(f"  {part}")
    return lines


@dataclass
class Watched:
    """The memory of a GPU, or of the machine, over time."""

    shares: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    """What is used of all, oldest first."""
    peak: int = 0
    """The most that this process has held, in bytes."""

    def add(self, used: int, total: int, own: int | None) -> None:
        """Take in a sample."""
        self.shares.append(used / total if total else 0)
        self.peak = max(self.peak, own or 0)


def _gpu_parts(gpu: GpuSample, peak: int) -> list[str]:
    memory = f"{gibibytes(gpu.memory_used)}/{gibibytes(gpu.memory_total)}"
    parts = [f"GPU {gpu.index} {memory}"]
    if gpu.utilisation is not None:
        parts.append(f"{gpu.utilisation} %")
    if gpu.temperature is not None:
        parts.append(f"{gpu.temperature} °C")
    if gpu.power is not None:
        parts.append(f"{gpu.power:.0f} W")
    if gpu.own_memory is not None:
        parts.append(_own(gpu.own_memory, peak))
    return parts


def _machine_parts(sample: Sample, peak: int) -> list[str]:
    memory = f"RAM {gibibytes(sample.ram_used)}/{gibibytes(sample.ram_total)}"
    return [memory, f"CPU {sample.cpu:.0f} %", _own(sample.own_ram, peak)]


def _own(now: int, peak: int) -> str:
    return f"sdtui {gibibytes(now)}, peak {gibibytes(peak)}"


class MemoryGraph(RefreshWhenVisible):
    """The readings of every GPU (memory in GiB), then those of the machine. There is always a
    graph of what sdtui uses, which comes first; other GPUs have theirs where readings leave lines
    for it."""

    DEFAULT_CSS = """
    MemoryGraph { width: 100%; height: auto; min-height: 100%; color: $text-muted; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.sample: Sample | None = None
        self._gpus: defaultdict[int, Watched] = defaultdict(Watched)
        self._machine = Watched()

    def add(self, sample: Sample) -> None:
        """Take in a sample, and show it."""
        for gpu in sample.gpus:
            self._gpus[gpu.index].add(gpu.memory_used, gpu.memory_total, gpu.own_memory)
        self._machine.add(sample.ram_used, sample.ram_total, sample.own_ram)
        before = self._height(self.content_size.width)
        self.sample = sample
        self.refresh(layout=self._height(self.content_size.width) != before)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Every reading, and a line for the graph."""
        return self._height(width)

    def _height(self, width: int) -> int:
        return sum(len(lines) for _, lines in self._readings(width)) + 1

    def _readings(self, width: int) -> list[tuple[Watched, list[str]]]:
        sample = self.sample
        if sample is None:
            return []
        found = []
        for gpu in sorted(sample.gpus, key=lambda each: each is not sample.gpu):
            watched = self._gpus[gpu.index]
            found.append((watched, wrapped(_gpu_parts(gpu, watched.peak), width)))
        machine = wrapped(_machine_parts(sample, self._machine.peak), width)
        return [*found, (self._machine, machine)]

    def render(self) -> Text:
        """Graphs and readings."""
        width, height = self.content_size
        readings = self._readings(width)
        graphs = max(1, len(readings) - 1)
        left = max(1, height - sum(len(lines) for _, lines in readings))
        accent, muted = theme_style(self.app, "accent"), theme_style(self.app, "muted")
        parts: list[Text] = []
        for number, (watched, lines) in enumerate(readings):
            rows = 0 if number >= graphs else left // graphs + (number < left % graphs)
            parts += [Text(line, accent) for line in graph(list(watched.shares), width, rows)]
            parts += [Text(line, muted) for line in lines]
        return Text("\n").join(parts)


class Readings(KeyScroll, RefreshWhenVisible):
    """Scrolls where there are more GPUs than lines."""

    DEFAULT_CSS = "Readings { padding: 0 1; scrollbar-size-vertical: 1; }"


class MemoryPane(Pane):
    """Memory over time, of every GPU or of the machine."""

    TITLE = "Memory"
    ABOUT = (
        "Memory in use over the last minutes, what this app holds of it now and held at its peak, "
        "and how busy, warm and hungry every GPU is. Without a GPU it is the machine's memory and "
        "CPU."
    )

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.graph = MemoryGraph()
        self.readings = Readings(self.graph)

    def contents(self) -> Sequence[Widget]:
        """The readings."""
        return (self.readings,)

    def show(self, sample: Sample) -> None:
        """Show one more sample."""
        self.graph.add(sample)
        kind, used, total, _ = sample.memory
        self.count_in_title(f"· {kind} {gibibytes(used)}/{gibibytes(total)} GiB")
