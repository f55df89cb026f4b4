"""How much of the window each pane has, where people changed it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from textual.css.scalar import Scalar
from textual.screen import Screen
from textual.widget import Widget

Axis = Literal["width", "height"]

_PARTED = ("columns", "left", "middle", "right")
"""Containers whose parts share their room."""
_AS_THEY_NEED = ("parameters", "progress")
"""Panes that are as high as what stands in them."""
_LEAST: Mapping[Axis, int] = {"width": 24, "height": 4}
"""Cells that a part keeps where its style says nothing."""
_STEP: Mapping[Axis, int] = {"width": 2, "height": 1}


class PaneSizes:
    """Shares of the room, by the view in which they were set ("wide", or the tab), the widget's id
    and the axis: "wide/log.height" → cells. Shares keep their proportion in a window of another
    size; a pane without one is as the stylesheet says."""

    def __init__(self, screen: Screen[None]) -> None:
        self._screen = screen
        self.shares: dict[str, int] = {}

    def apply(self, view: str) -> None:
        """Give every part the share that it has in a view."""
        for name in _PARTED:
            container = self._screen.query_one(f"#{name}")
            axis = _axis(name, view)
            for part in container.children:
                if part.id not in _AS_THEY_NEED:
                    _give(part, axis, self.shares.get(f"{view}/{part.id}.{axis}"))

    def resize(self, pane: Widget, view: str, axis: Axis, steps: int) -> bool:
        """Make a pane, or the column that it is in, larger (or smaller with negative `steps`) at
        the cost of its neighbours; whether there was room."""
        part = self._part_along(pane, view, axis)
        if part is None or part.parent is None:
            return False
        parts = [
            each
            for each in part.parent.children
            if isinstance(each, Widget) and each.region and each.id not in _AS_THEY_NEED
        ]
        if part not in parts:
            return False
        lengths = self._lengths(parts, view, axis)
        place = parts.index(part)
        neighbours = [*parts[place + 1 :], *reversed(parts[:place])]
        cells = abs(steps) * _STEP[axis]
        givers = neighbours if steps > 0 else [part]
        takers = [part] if steps > 0 else neighbours[:1]
        giver = next((each for each in givers if lengths[each] - cells >= _least(each, axis)), None)
        if giver is None or not takers:
            return False
        lengths[giver] -= cells
        lengths[takers[0]] += cells
        self.shares |= {f"{view}/{each.id}.{axis}": cells for each, cells in lengths.items()}
        self.apply(view)
        return True

    def _lengths(self, parts: list[Widget], view: str, axis: Axis) -> dict[Widget, int]:
        """Cells of each part: those that were given last, if the window is as it was then, since
        what is seen may lag behind a quick row of keys."""
        seen = {each: _length(each, axis) for each in parts}
        given = {each: self.shares.get(f"{view}/{each.id}.{axis}", 0) for each in parts}
        return given if sum(given.values()) == sum(seen.values()) else seen

    def forget(self, view: str) -> None:
        """Every pane of a view as the stylesheet says."""
        self.shares = {
            name: share for name, share in self.shares.items() if not name.startswith(f"{view}/")
        }
        self.apply(view)

    def _part_along(self, pane: Widget, view: str, axis: Axis) -> Widget | None:
        """The pane, or what it is in, that has neighbours along an axis."""
        for each in pane.ancestors_with_self:
            name = None if each.parent is None else each.parent.id
            if name in _PARTED and _axis(name, view) == axis:
                return each if isinstance(each, Widget) else None
        return None


def _axis(container: str, view: str) -> Axis:
    run_in_background = container == "columns" or (container == "right" and view == "history")
    return "width" if run_in_background else "height"


def _give(part: Widget, axis: Axis, share: int | None) -> None:
    styles = part.styles
    cleared = [styles.clear_rule(name) for name in ("width", "max_width", "height", "max_height")]
    if any(cleared):
        part.refresh(layout=True)
    if share is None:
        return
    if axis == "width":
        styles.width = f"{share}fr"
        styles.max_width = "100%"
    else:
        styles.height = f"{share}fr"
        styles.max_height = "100%"


def _length(part: Widget, axis: Axis) -> int:
    return part.outer_size.width if axis == "width" else part.outer_size.height


def _least(part: Widget, axis: Axis) -> int:
    styled: Scalar | None = part.styles.min_width if axis == "width" else part.styles.min_height
    return _LEAST[axis] if styled is None else int(styled.value)
