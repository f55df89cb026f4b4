"""The base of what an axis of a grid can change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdtui.requests.grids.values import split_values


@dataclass(frozen=True)
class AxisKind:
    """Something that the values of an axis can change."""

    label: str
    """As A1111 names it."""
    names: tuple[str, ...] = ()
    """Other names, in any case and punctuation."""
    help: str = ""
    cost: float = 0.0
    letter: str = ""
    """The key of the field's chip."""
    choices: Sequence[str] = ()
    """The values that there are, if it takes no others."""

    def values(self, text: str, request: Mapping[str, Any]) -> list[str]:
        """Return the values that a text stands for. `request` are the flat values of the request
        that they change. Raises ValueError."""
        del request
        return split_values(text)

    def apply(self, values: Mapping[str, Any], value: str, first: str) -> dict[str, Any]:
        """Return the flat values that change when this is set to `value`; `first` is the first
        value of the axis. Raises ValueError or InvalidRequestError."""
        raise NotImplementedError

    def caption(self, value: str) -> str:
        """What the sheet says about a value."""
        return f"{self.label}: {value}"
