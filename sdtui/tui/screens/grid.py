"""Asks for the axes of a grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input, Static

from sdtui.core.errors import InvalidRequestError
from sdtui.core.text import counted, one_line
from sdtui.tui.bindings import bindings_in
from sdtui.tui.grids import LETTERS, axis_letters, parse_axes
from sdtui.tui.screens.dialogs import Dialog
from sdtui.tui.widgets.line_input import LineInput
from sdtui.tui.widgets.status_line import StatusLine

if TYPE_CHECKING:
    from sdtui.requests.grids import Grid
    from sdtui.requests.request import GenerationRequest

_EXAMPLES = ("t=10-30 [3]", "p=cat,dog", "m=pocket,other")


class GridScreen(Dialog["Grid | None"]):
    """A line for each axis: a field's letter or name, and its values. The answer is the grid."""

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings_in("axes")

    def __init__(self, title: str, request: GenerationRequest, texts: Sequence[str]) -> None:
        """`texts` are those of the three axes at first."""
        super().__init__()
        self._title = title
        self._request = request
        self.inputs = [
            LineInput(text, placeholder=example)
            for text, example in zip(texts, _EXAMPLES, strict=True)
        ]
        self._status = StatusLine()

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts of the axes."""
        return tuple(each.value for each in self.inputs)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content(f"Grid · {one_line(self._title)}")
            for letter, line in zip(LETTERS, self.inputs, strict=True):
                with Horizontal(classes="axis"):
                    yield Static(letter, classes="heads")
                    yield line
            yield Static(self._letters(), classes="details")
            yield self._status

    def _letters(self) -> Content:
        """Return the letters of fields, and what other names there are."""
        parts: list[str | tuple[str, str]] = []
        for letter, label in axis_letters().items():
            parts += [(letter, "$accent"), f"\xa0{label.replace(' ', chr(0xA0))}   "]
        return Content.assemble(*parts, "or the name of any field")

    def on_mount(self) -> None:
        self._explain()

    @on(Input.Changed)
    def _explain(self) -> None:
        """Say how many pictures there will be, or what is wrong."""
        grid, problem = self._grid()
        if grid is not None:
            x, y, z = grid.record.size
            size = f"{x} × {y} × {z}: " if z > 1 else f"{x} × {y}: " if y > 1 else ""
            self._status.show(f"{size}{counted(len(grid.cells), 'picture')}")
        else:
            self._status.show(problem, is_wrong=bool(any(self.texts)))

    def _grid(self) -> tuple[Grid | None, str]:
        """Return the grid of the present texts, or why there is none."""
        from sdtui.requests.grids import Grid

        if not any(text.strip() for text in self.texts):
            return None, "A letter or name, =, and values: 10,20 · 1-5 · 10-30 [3] · 0-1 (+0.25)"
        try:
            return Grid(self._request, parse_axes(self.texts, self._request)), ""
        except InvalidRequestError as error:
            return None, str(error)

    def action_generate(self) -> None:
        grid, problem = self._grid()
        if grid is None:
            self._status.show(problem, is_wrong=True)
        else:
            self.answer(grid)

    def action_previous(self) -> None:
        self.focus_previous()

    def action_next(self) -> None:
        self.focus_next()

    def action_close(self) -> None:
        self.answer(None)
