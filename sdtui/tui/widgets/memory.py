"""What the hardware is doing, with a graph over time."""

from __future__ import annotations

from collections import deque

from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

from sdtui.monitor import GpuSample, Sample
from sdtui.tui.ink import ink
from sdtui.tui.story import gibibytes
from sdtui.tui.widgets.pane import Pane

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


def readings(sample: Sample) -> list[str]:
    """Everything that is known, one line for each GPU and one for the machine."""
    lines = [_gpu(gpu) for gpu in sample.gpus]
    own = f"sdtui {gibibytes(sample.own_ram)}"
    ram = f"RAM {gibibytes(sample.ram_used)}/{gibibytes(sample.ram_total)} GiB"
    return [*lines, f"{ram}  {own}  CPU {sample.cpu:.0f} %"]


def _gpu(gpu: GpuSample) -> str:
    parts = [f"GPU {gpu.index} {gibibytes(gpu.memory_used)}/{gibibytes(gpu.memory_total)} GiB"]
    if gpu.own_memory is not None:
        parts.append(f"sdtui {gibibytes(gpu.own_memory)}")
    if gpu.utilisation is not None:
        parts.append(f"{gpu.utilisation} %")
    if gpu.temperature is not None:
        parts.append(f"{gpu.temperature} °C")
    if gpu.power is not None:
        parts.append(f"{gpu.power:.0f} W")
    return "  ".join(parts)


class MemoryGraph(Widget):
    """The graph, and the readings under it."""

    DEFAULT_CSS = "MemoryGraph { width: 100%; height: 1fr; padding: 0 1; color: $text-muted; }"
    sample: reactive[Sample | None] = reactive(None)

    def __init__(self) -> None:
        super().__init__()
        self.shares: deque[float] = deque(maxlen=_REMEMBERED)

    def render(self) -> Text:
        """As many lines as there is room for: the readings come first."""
        if self.sample is None:
            return Text("…")
        below = readings(self.sample)
        width, height = self.content_size
        lines = graph(list(self.shares), width, max(1, height - len(below)))
        text = Text().append("\n".join(lines) + "\n", ink(self.app, "accent"))
        return text.append("\n".join(below), ink(self.app, "muted"))


class MemoryPane(Pane):
    """Memory over time, of every GPU or of the machine."""

    TITLE = "Memory"
    ABOUT = (
        "Memory in use over the last minutes, what this app holds of it, and how busy, warm and "
        "hungry every GPU is. Without a GPU it is the machine's memory and CPU."
    )

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.graph = MemoryGraph()

    def compose(self) -> list[Widget]:
        """The graph."""
        return [self.graph]

    def show(self, sample: Sample) -> None:
        """Show one more sample."""
        kind, used, total, _ = sample.memory
        self.graph.shares.append(used / total if total else 0)
        self.graph.sample = sample
        self.count_in_title(f"· {kind} {gibibytes(used)}/{gibibytes(total)} GiB")
