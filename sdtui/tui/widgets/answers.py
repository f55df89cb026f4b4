"""The answers of a dialog with their keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rich.cells import cell_len
from rich.text import Text
from textual import events
from textual.geometry import Size
from textual.widget import Widget

from sdtui.tui.styles import theme_style

_GAP = 4


class AnswerKey(NamedTuple):
    """The id of the action that gives an answer, and what the answer is called."""

    action: str
    label: str


class _Place(NamedTuple):
    key: str
    label: str
    action: str
    line: int
    column: int

    @property
    def end(self) -> int:
        return self.column + cell_len(self.key) + 1 + cell_len(self.label)


class Answers(Widget):
    """Shows each answer with the key that gives it, as many in a line as fit. A click gives it,
    too."""

    DEFAULT_CSS = "Answers { width: 100%; height: auto; margin-top: 1; }"

    def __init__(self, answers: Iterable[AnswerKey]) -> None:
        super().__init__()
        self.answers = tuple(answers)

    def show(self, answers: Iterable[AnswerKey]) -> None:
        """Show other answers."""
        self.answers = tuple(answers)
        self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return the number of lines."""
        places = self._places(width)
        return places[-1].line + 1 if places else 0

    def _places(self, width: int) -> list[_Place]:
        bindings = {
            active.binding.id: active.binding
            for active in reversed([*self.screen.active_bindings.values()])
        }
        places: list[_Place] = []
        for action, label in self.answers:
            binding = bindings.get(action)
            if binding is None:
                continue
            key = self.app.get_key_display(binding)
            place = _Place(key, label, binding.action, 0, 0)
            if places:
                last = places[-1]
                place = place._replace(line=last.line, column=last.end + _GAP)
            if place.end > width and place.column:
                place = place._replace(line=place.line + 1, column=0)
            places.append(place)
        return places

    def render(self) -> Text:
        text = Text()
        line = column = 0
        for place in self._places(self.content_size.width):
            if place.line > line:
                text.append("\n")
                line, column = place.line, 0
            text.append(" " * (place.column - column))
            text.append(place.key, theme_style(self.app, "accent"))
            text.append(f" {place.label}")
            column = place.end
        return text

    async def on_click(self, event: events.Click) -> None:
        """Give the answer that was clicked."""
        for place in self._places(self.content_size.width):
            if place.line == event.y and place.column <= event.x < place.end:
                await self.screen.run_action(place.action)
