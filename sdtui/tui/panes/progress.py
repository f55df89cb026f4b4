"""The progress of the running job, in two lines."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style
from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

from sdtui.core.enums import EventLevel
from sdtui.core.text import end_of, one_line
from sdtui.core.units import duration, gibibytes, step_rate
from sdtui.tui.job_progress import ShownProgress
from sdtui.tui.panes.pane import Pane
from sdtui.tui.styles import ThemeColour, theme_style
from sdtui.tui.widgets.lazy_refresh import RefreshWhenVisible

_MARKS: dict[EventLevel, tuple[str, ThemeColour]] = {
    EventLevel.SUCCESS: ("✓ ", "success"),
    EventLevel.WARNING: ("■ ", "warning"),
    EventLevel.ERROR: ("✗ ", "error"),
}


class ProgressBar(RefreshWhenVisible):
    """A bar with numbers, and the current activity below it."""

    DEFAULT_CSS = "ProgressBar { width: 100%; height: 2; padding: 0 1; color: $foreground; }"
    progress: reactive[ShownProgress] = reactive(ShownProgress())

    def render(self) -> Text:
        now = self.progress
        width = max(10, self.content_size.width)
        if now.outcome is not None:
            return self._outcome(now)
        if now.stage == "":
            return Text(now.message or "Nothing is being made.", theme_style(self.app, "muted"))
        numbers = f" {now.count}" if now.count else ""
        if now.speed:
            numbers += f"  {step_rate(now.speed)}  {duration(now.remaining)} left"
        line = _bar(
            now,
            max(4, width - len(numbers)),
            theme_style(self.app, "accent"),
            theme_style(self.app, "track"),
        )
        line.append(numbers)
        line.append("\n")
        text = now.stopping or now.tried or now.message
        colour: ThemeColour = "muted" if text == now.message else "warning"
        line.append(one_line(text), theme_style(self.app, colour))
        return line

    def _outcome(self, now: ShownProgress) -> Text:
        mark, colour = _MARKS[now.outcome or EventLevel.ERROR]
        # A long path would leave no space for the error.
        longest = max(10, self.content_size.width // 2)
        message = " ".join(end_of(word, longest) for word in one_line(now.message).split(" "))
        return Text(mark + message, theme_style(self.app, colour))


class ProgressPane(Pane):
    """Stage, step, speed and time left of the running job."""

    TITLE = "Progress"
    ABOUT = "Where the running job stands: its stage, step, speed, the time left and the attempts."

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.bar = ProgressBar()

    def contents(self) -> Sequence[Widget]:
        return (self.bar,)

    def show(self, progress: ShownProgress) -> None:
        """Show a job's progress."""
        self.bar.progress = progress
        state = "" if progress.outcome is not None else progress.stage
        attempt = f"attempt {progress.attempt}" if progress.attempt > 1 else ""
        parts = [each for each in (state, progress.which, attempt) if each]
        self.set_count(f"· {' · '.join(parts)}" if state else "")
        peak = progress.memory_peak
        self.set_footer(f"peak {gibibytes(peak)} GiB" if peak else "")


def _bar(progress: ShownProgress, width: int, done: Style, remaining: Style) -> Text:
    eighths = round(width * 8 * progress.step / progress.total) if progress.total else 0
    full, part = divmod(min(eighths, width * 8), 8)
    line = Text().append("━" * full, done)
    if full < width:
        line.append("╸" if part >= 4 else "─", done if part >= 4 else remaining)
        line.append("─" * (width - full - 1), remaining)
    return line
