"""Widgets that change while their tab is hidden."""

from __future__ import annotations

from typing import Self

from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget


class RefreshWhenVisible(Widget):
    """Redraws only while it is visible, or else as soon as it is visible again. Hidden changes cost
    nothing, and Textual needn't lay out all widgets for one that has no place: if a notification
    ended before that layout, it stayed on the screen for good.

    To be named last among a class's bases: Textual takes styles from the first."""

    _missed = False
    """True if something changed while the widget was hidden."""

    def refresh(
        self,
        *regions: Region,
        repaint: bool = True,
        layout: bool = False,
        recompose: bool = False,
    ) -> Self:
        """Redraw now, or as soon as the widget is visible."""
        if layout or recompose or all(node.display for node in self.ancestors_with_self):
            super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)
        else:
            self._missed = True
        return self

    def render_lines(self, crop: Region) -> list[Strip]:
        """Drop what was drawn before, if a refresh was missed."""
        if self._missed:
            self._missed = False
            self.refresh()
        return super().render_lines(crop)
