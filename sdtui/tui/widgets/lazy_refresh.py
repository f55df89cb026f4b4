"""Widgets that change while they are on a tab that isn't seen."""

from __future__ import annotations

from typing import Self

from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget


class RefreshWhenVisible(Widget):
    """Draws itself anew only where it is seen; else once it is seen again. It costs nothing then,
    and Textual needn't place all widgets anew for one that has no place: between a message's end
    and the next layout that left the message on the screen for good.

    Named last among a class's bases: Textual takes styles from the first."""

    _missed = False
    """Whether something changed unseen."""

    def refresh(
        self,
        *regions: Region,
        repaint: bool = True,
        layout: bool = False,
        recompose: bool = False,
    ) -> Self:
        """Draw it anew, now or later."""
        if layout or recompose or all(node.display for node in self.ancestors_with_self):
            super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)
        else:
            self._missed = True
        return self

    def render_lines(self, crop: Region) -> list[Strip]:
        """It is seen: nothing counts that was drawn before."""
        if self._missed:
            self._missed = False
            self.refresh()
        return super().render_lines(crop)
