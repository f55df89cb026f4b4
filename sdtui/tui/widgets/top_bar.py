"""The first line: name, model, download and memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

from sdtui.core.text import one_line
from sdtui.core.units import gibibytes
from sdtui.tui.styles import theme_style

if TYPE_CHECKING:
    from sdtui.monitor import Sample


class TopBar(Widget):
    """Name, model, download and memory."""

    DEFAULT_CSS = (
        "TopBar { width: 100%; height: 1; padding: 0 1; color: $foreground; background: $surface; }"
    )

    model: reactive[str] = reactive("")
    sample: reactive[Sample | None] = reactive(None)
    download: reactive[float | None] = reactive(None)
    """The downloaded share of a model, from 0 to 1; None if none is being downloaded."""

    def render(self) -> Text:
        left = Text().append("sdtui", theme_style(self.app, "accent")).append("  ")
        right = self._downloading() + self._memory()
        space = self.content_size.width - left.cell_len - len(right) - 1
        left.append(one_line(self.model) if space > 8 else "", theme_style(self.app, "muted"))
        left.truncate(max(1, self.content_size.width - len(right)), overflow="ellipsis", pad=True)
        return left.append(right)

    def _downloading(self) -> str:
        return "" if self.download is None else f" ↓ {self.download:.0%} "

    def _memory(self) -> str:
        if self.sample is None:
            return ""
        kind, used, total, _ = self.sample.memory
        gpu = self.sample.gpu
        busy = self.sample.cpu if gpu is None else gpu.utilisation
        unit = "CPU" if gpu is None else "GPU"
        share = f"  {unit} {busy:3.0f} %" if busy is not None else ""
        return f" {kind} {gibibytes(used)}/{gibibytes(total)} GiB{share}"
