"""The line above the gallery: the heading of the group at its top, and numbers."""

from __future__ import annotations

from rich.text import Text

from sdtui.tui.styles import theme_style
from sdtui.tui.widgets.lazy_refresh import RefreshWhenVisible


class GalleryHeading(RefreshWhenVisible):
    """One line; the numbers at its right are never cut."""

    DEFAULT_CSS = "GalleryHeading { width: 100%; height: 1; padding: 0 1; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown: tuple[Text | None, str, str] = (None, "", "")
        self._problem = ""

    @property
    def columns(self) -> int:
        """Columns for the heading."""
        _, notes, count = self._shown
        return max(1, self.content_size.width - len(notes) - len(count) - 3)

    def show(self, heading: Text | None, notes: str, count: str) -> None:
        """Show a heading, notes that matter, and the count."""
        shown = (heading, notes, count)
        if shown != self._shown:
            self._shown = shown
            self.refresh()

    def show_problem(self, problem: str) -> None:
        """Say what is wrong with the search, in place of the heading; "" if nothing is."""
        if problem != self._problem:
            self._problem = problem
            self.refresh()

    def render(self) -> Text:
        heading, notes, count = self._shown
        right = Text(no_wrap=True)
        right.append(notes, theme_style(self.app, "warning"))
        right.append("  " if notes else "")
        right.append(count, theme_style(self.app, "muted"))
        line = heading.copy() if heading is not None else Text(no_wrap=True)
        if self._problem:
            line = Text(f"✗ {self._problem}", theme_style(self.app, "error"), no_wrap=True)
        space = max(0, self.content_size.width - len(right) - 1)
        line.truncate(space, overflow="ellipsis", pad=True)
        return line.append(" ").append_text(right)
