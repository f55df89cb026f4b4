"""The line of chips: the recipe's values at a glance."""

from __future__ import annotations

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual import events
from textual.geometry import Offset, Size
from textual.message import Message
from textual.widget import Widget

from sdtui.core.text import end_of, one_line
from sdtui.tui.chips import MARK, PlacedChip, chips, line_count, place_chips
from sdtui.tui.messages import message
from sdtui.tui.recipe import Recipe
from sdtui.tui.styles import theme_style

_WITHOUT_EFFECT = Style(strike=True)
_PRESET = "preset"
_PRESET_WIDTH = 24
_LEAST_CHIPS = 48
"""Cells; a line that has less for the chips shows no preset."""


class ChipLine(Widget):
    """Dim chips show what the settings or the model say, bright ones with a dot what the user
    changed, red ones what is wrong, and struck out ones what has no effect. A click opens a chip's
    editor."""

    DEFAULT_CSS = "ChipLine { width: 1fr; height: auto; }"

    @message
    class Opened(Message):
        """The user wants to edit a chip's value."""

        field: str

    class PresetOpened(Message):
        """The user wants to choose or save a preset."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.preset = ""
        """The name of the preset that the recipe equals."""
        self._placed: list[PlacedChip] = []

    def on_mount(self) -> None:
        self.recipe.subscribe(self._follow, prompts=False)

    def _follow(self, _: frozenset[str]) -> None:
        lines = line_count(self._placed)
        self._place(self.size.width)
        self.refresh(layout=line_count(self._placed) != lines)

    def show_preset(self, name: str) -> None:
        """Show the name of the preset that the recipe equals; "" if there is none."""
        if name != self.preset:
            self.preset = name
            self._follow(frozenset())

    def on_resize(self) -> None:
        self._place(self.size.width)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        self._place(width)
        return line_count(self._placed)

    @property
    def _preset_text(self) -> str:
        name = end_of(one_line(self.preset), _PRESET_WIDTH)
        return f"{_PRESET} {name} ▾".replace("  ", " ")

    def _place(self, width: int) -> None:
        left = width - cell_len(self._preset_text) - 2
        self._shows_preset = left >= _LEAST_CHIPS
        self._placed = place_chips(chips(self.recipe), left if self._shows_preset else width)

    def render(self) -> Text:
        lines = [Text(no_wrap=True, end="") for _ in range(line_count(self._placed))]
        for each in self._placed:
            line = lines[each.line]
            line.append(" " * (each.column - line.cell_len))
            self._append(line, each)
        if self._shows_preset:
            text = self._preset_text
            lines[0].append(" " * (self.size.width - lines[0].cell_len - cell_len(text)))
            lines[0].append(text, theme_style(self.app, "muted"))
        return Text("\n", end="").join(lines)

    def _append(self, line: Text, placed: PlacedChip) -> None:
        if placed.chip.is_wrong:
            line.append(placed.text, theme_style(self.app, "error"))
        elif placed.chip.is_unused:
            line.append(placed.text, theme_style(self.app, "muted") + _WITHOUT_EFFECT)
        elif placed.chip.is_changed:
            line.append(placed.text.removesuffix(MARK))
            line.append(MARK, theme_style(self.app, "changed"))
        else:
            line.append(placed.text, theme_style(self.app, "muted"))

    def place_of(self, field: str) -> Offset:
        """Return the cell of the window where a field's chip begins; where the line begins, if it
        isn't shown."""
        here = self.region.offset
        for each in self._placed:
            if field in each.chip.fields:
                return here + Offset(each.column, each.line)
        return here

    @property
    def preset_place(self) -> Offset:
        """The cell of the window where the preset begins, or would."""
        return Offset(self.region.right - cell_len(self._preset_text), self.region.y)

    def on_click(self, event: events.Click) -> None:
        for each in self._placed:
            if each.line == event.y and each.column <= event.x < each.end:
                self.post_message(self.Opened(each.chip.name))
                return
        if self._shows_preset and event.y == 0 and event.screen_x >= self.preset_place.x:
            self.post_message(self.PresetOpened())
