"""User-defined sizes of panes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from textual.css.scalar import Scalar
from textual.screen import Screen
from textual.widget import Widget

Axis = Literal["width", "height"]

_CONTAINERS = ("columns", "left", "middle", "right")
"""Containers whose parts share their space."""
_AUTO_HEIGHT = ("parameters", "progress")
"""Panes that are as high as their content."""
_MINIMUM: Mapping[Axis, int] = {"width": 24, "height": 4}
"""Cells that a part needs if its style sets no minimum."""
_STEP: Mapping[Axis, int] = {"width": 2, "height": 1}


class PaneSizes:
    """Shares of the space, by the view in which they were set ("wide", or the tab), the widget's id
    and the axis: "wide/log.height" → cells. In a window of another size they keep their
    proportion; panes without a share have the stylesheet's size."""

    def __init__(self, screen: Screen[None]) -> None:
        self._screen = screen
        self.shares: dict[str, int] = {}

    def apply(self, view: str) -> None:
        """Set the share of every part of a view."""
        for name in _CONTAINERS:
            container = self._screen.query_one(f"#{name}")
            axis = _axis(name, view)
            for part in container.children:
                if part.id not in _AUTO_HEIGHT:
                    _give(part, axis, self.shares.get(f"{view}/{part.id}.{axis}"))

    def resize(self, pane: Widget, view: str, axis: Axis, steps: int) -> bool:
        """Make a pane or its column larger, or with negative `steps` smaller, at the expense of its
        neighbours. Returns False if there is no space for it."""
        part = self._part_along(pane, view, axis)
        if part is None or part.parent is None:
            return False
        parts = [
            each
            for each in part.parent.children
            if isinstance(each, Widget) and each.region and each.id not in _AUTO_HEIGHT
        ]
        if part not in parts:
            return False
        lengths = self._lengths(parts, view, axis)
        place = parts.index(part)
        neighbours = [*parts[place + 1 :], *reversed(parts[:place])]
        cells = abs(steps) * _STEP[axis]
        givers = neighbours if steps > 0 else [part]
        takers = [part] if steps > 0 else neighbours[:1]
        giver = next(
            (each for each in givers if lengths[each] - cells >= _minimum(each, axis)), None
        )
        if giver is None or not takers:
            return False
        lengths[giver] -= cells
        lengths[takers[0]] += cells
        self.shares |= {f"{view}/{each.id}.{axis}": cells for each, cells in lengths.items()}
        self.apply(view)
        return True

    def _lengths(self, parts: list[Widget], view: str, axis: Axis) -> dict[Widget, int]:
        """Return the cells of each part: the shares that were set last, if the window's size is
        still the same, since the layout may lag behind quick keys."""
        actual = {each: _length(each, axis) for each in parts}
        assigned = {each: self.shares.get(f"{view}/{each.id}.{axis}", 0) for each in parts}
        return assigned if sum(assigned.values()) == sum(actual.values()) else actual

    def forget(self, view: str) -> None:
        """Reset every pane of a view to the stylesheet's size."""
        self.shares = {
            name: share for name, share in self.shares.items() if not name.startswith(f"{view}/")
        }
        self.apply(view)

    def _part_along(self, pane: Widget, view: str, axis: Axis) -> Widget | None:
        """Return the pane or the container around it that has neighbours along an axis."""
        for each in pane.ancestors_with_self:
            name = None if each.parent is None else each.parent.id
            if name in _CONTAINERS and _axis(name, view) == axis:
                return each if isinstance(each, Widget) else None
        return None


def _axis(container: str, view: str) -> Axis:
    is_horizontal = container == "columns" or (container == "right" and view == "history")
    return "width" if is_horizontal else "height"


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


def _minimum(part: Widget, axis: Axis) -> int:
    styled: Scalar | None = part.styles.min_width if axis == "width" else part.styles.min_height
    return _MINIMUM[axis] if styled is None else int(styled.value)
