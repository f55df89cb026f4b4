"""The losses of a training, plotted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.style import Style
from rich.text import Text
from textual.geometry import Size
from textual.reactive import reactive
from textual.strip import Strip

from sdtui.tui.curves import PlotLine, plot_lines
from sdtui.tui.styles import theme_style
from sdtui.tui.widgets.lazy_refresh import RefreshWhenVisible

if TYPE_CHECKING:
    from sdtui.requests.training.status import TrainingCurve


class LossPlot(RefreshWhenVisible):
    """Shows the loss by step: each loss dim, the smoothed ones bright. It is drawn only when the
    curve, its size or the theme changes."""

    DEFAULT_CSS = "LossPlot { width: 1fr; height: 1fr; }"

    curve: reactive[TrainingCurve | None] = reactive(None)
    empty: reactive[str] = reactive("")
    """Shown while there is no curve."""

    def __init__(self) -> None:
        super().__init__()
        self._drawn: tuple[tuple[TrainingCurve | None, str, Size, Style, str], list[Strip]] | None
        self._drawn = None

    def render_line(self, y: int) -> Strip:
        style = self.visual_style.rich_style
        state = (self.curve, self.empty, self.size, style, self.app.theme)
        if self._drawn is None or self._drawn[0] != state:
            self._drawn = (state, self._lines(style))
        strips = self._drawn[1]
        return strips[y] if y < len(strips) else Strip.blank(self.size.width, style)

    def _lines(self, style: Style) -> list[Strip]:
        width, height = self.size
        curve = self.curve
        lines = [self._text(each) for each in plot_lines(curve, width, height)] if curve else []
        if not lines:
            lines = [
                *Text(self.empty, theme_style(self.app, "muted")).wrap(self.app.console, width)
            ]
        return [
            Strip(line.render(self.app.console, end=""))
            .apply_style(style)
            .adjust_cell_length(width, style)
            for line in lines[:height]
        ]

    def _text(self, line: PlotLine) -> Text:
        muted, bright = theme_style(self.app, "muted"), theme_style(self.app, "accent")
        # Frames have the text's colour where a theme has 16 colours.
        dim = muted if self.app.native_ansi_color else theme_style(self.app, "frame")
        text = Text(no_wrap=True).append(line.axis, muted)
        for raw, smoothed in zip(line.raw, line.smoothed, strict=True):
            text.append(smoothed or raw or " ", bright if smoothed else dim)
        return text
