"""The lines of a list to choose a model or a LoRA from."""

from __future__ import annotations

from typing import Protocol, TypeVar

from rich.text import Text

from sdtui.core.text import end_of, one_line
from sdtui.tui.styles import ThemeColour, theme_style
from sdtui.tui.widgets.virtual_list import VirtualList


class Offered(Protocol):
    """What can be chosen."""

    @property
    def name(self) -> str: ...

    @property
    def summary(self) -> str: ...

    @property
    def verdict(self) -> ThemeColour: ...


_Offered = TypeVar("_Offered", bound=Offered)


class OfferLines(VirtualList[_Offered]):
    """One offer a line."""

    DEFAULT_CSS = "OfferLines { scrollbar-gutter: stable; }"

    def item_text(self, item: _Offered, width: int) -> Text:
        """Return the name left and the summary right. Of a long name the end is shown."""
        columns = max(8, width - len(item.summary) - 2)
        name = end_of(one_line(item.name), columns)
        style = theme_style(self.app, item.verdict)
        return Text(f"{name:<{columns}}  ").append(item.summary, style)
