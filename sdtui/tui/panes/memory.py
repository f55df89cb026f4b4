"""Readings of the hardware, with graphs over time."""

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
_MAX_SAMPLES = 600


def graph(shares: list[float], width: int, height: int) -> list[str]:
    """Return the newest `width` values, from 0 to 1, as lines of blocks."""
    newest = shares[-width:]
    levels = [0] * (width - len(newest)) + [
        max(1, round(min(1.0, share) * height * 8)) for share in newest
    ]
    return [
        "".join(_BLOCKS[max(0, min(8, level - row * 8))] for level in levels)
        for row in reversed(range(height))
    ]


def wrapped(parts: list[str], width: int) -> list[str]:
    """Return parts side by side, two blanks between them, in lines of at most `width` columns."""
    lines = [parts[0]]
    for part in parts[1:]:
        longer = f"{lines[-1]}  {part}"
        if len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(f"  {part}")
    return lines


@dataclass
class MemoryHistory:
    """The memory of a GPU or of the machine over time."""

    shares: deque[float] = field(default_factory=lambda: deque(maxlen=_MAX_SAMPLES))
    """The share in use, oldest first."""
    peak: int = 0
    """The most that this process has used, in bytes."""

    def add(self, used: int, total: int, own: int | None) -> None:
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
    """The readings of every GPU (memory in GiB), then those of the machine. The first graph is of
    the device that sdtui uses; other GPUs have graphs if the readings leave lines for them."""

    DEFAULT_CSS = """
    MemoryGraph { width: 100%; height: auto; min-height: 100%; color: $text-muted; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.sample: Sample | None = None
        self._gpus: defaultdict[int, MemoryHistory] = defaultdict(MemoryHistory)
        self._machine = MemoryHistory()

    def add(self, sample: Sample) -> None:
        """Add a sample and show it."""
        for gpu in sample.gpus:
            self._gpus[gpu.index].add(gpu.memory_used, gpu.memory_total, gpu.own_memory)
        self._machine.add(sample.ram_used, sample.ram_total, sample.own_ram)
        before = self._height(self.content_size.width)
        self.sample = sample
        self.refresh(layout=self._height(self.content_size.width) != before)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return self._height(width)

    def _height(self, width: int) -> int:
        return sum(len(lines) for _, lines in self._readings(width)) + 1

    def _readings(self, width: int) -> list[tuple[MemoryHistory, list[str]]]:
        sample = self.sample
        if sample is None:
            return []
        found = []
        for gpu in sorted(sample.gpus, key=lambda each: each is not sample.gpu):
            memory = self._gpus[gpu.index]
            found.append((memory, wrapped(_gpu_parts(gpu, memory.peak), width)))
        machine = wrapped(_machine_parts(sample, self._machine.peak), width)
        return [*found, (self._machine, machine)]

    def render(self) -> Text:
        width, height = self.content_size
        readings = self._readings(width)
        graphs = max(1, len(readings) - 1)
        left = max(1, height - sum(len(lines) for _, lines in readings))
        accent, muted = theme_style(self.app, "accent"), theme_style(self.app, "muted")
        parts: list[Text] = []
        for number, (memory, lines) in enumerate(readings):
            rows = 0 if number >= graphs else left // graphs + (number < left % graphs)
            parts += [Text(line, accent) for line in graph(list(memory.shares), width, rows)]
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
        return (self.readings,)

    def show(self, sample: Sample) -> None:
        """Add a sample and show it."""
        self.graph.add(sample)
        kind, used, total, _ = sample.memory
        self.set_count(f"· {kind} {gibibytes(used)}/{gibibytes(total)} GiB")
