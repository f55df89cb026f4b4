"""The command palette, and the list of themes."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import set_cell_size
from rich.text import Text
from textual import on
from textual.app import SystemCommand

from sdtui.core.ranking import SearchText, ranked
from sdtui.core.text import one_line
from sdtui.tui.key_names import easy_keys, key_names
from sdtui.tui.screens.search_dialog import NOTHING_FOUND, ChooseScreen, SearchDialog
from sdtui.tui.styles import theme_style
from sdtui.tui.themed_app import written_keys
from sdtui.tui.widgets.virtual_list import VirtualList

_LABEL_COLUMNS, _GROUP_COLUMNS, _KEY_COLUMNS = 15, 9, 8
_HELP_FROM = 48
"""Columns from which a line says what the command does."""


class CommandLines(VirtualList[SystemCommand]):
    """One command a line: its name, what it does, where it works, and its keys."""

    def item_text(self, item: SystemCommand, width: int) -> Text:
        group, _, label = _name_of(item).rpartition(": ")
        line = Text(one_line(label))
        if width >= _HELP_FROM:
            line.pad_right(_LABEL_COLUMNS - line.cell_len)
            about = one_line(item.title.partition(" · ")[2])
            line.append(f" {about}", theme_style(self.app, "muted"))
        columns = max(8, width - _GROUP_COLUMNS - _KEY_COLUMNS - 2)
        line.truncate(columns, overflow="ellipsis", pad=True)
        muted, accent = theme_style(self.app, "muted"), theme_style(self.app, "accent")
        line.append(f"  {set_cell_size(group, _GROUP_COLUMNS)}", muted)
        keys = written_keys(self.app, easy_keys(item.help)) if item.help else ""
        return line.append(keys[:_KEY_COLUMNS].rjust(_KEY_COLUMNS), accent)


class CommandScreen(SearchDialog):
    """Lists commands; the answer is the chosen one."""

    choices: CommandLines

    def __init__(self, commands: Sequence[SystemCommand]) -> None:
        super().__init__("Commands", "find a command by its name")
        self._commands = commands
        self.choices = CommandLines()
        self.choices.empty = NOTHING_FOUND

    def on_mount(self) -> None:
        self.query_one(".dialog").add_class("-wide")

    def matches(self, query: str) -> list[SystemCommand]:
        return ranked(query, self._commands, _search_text)

    def key_of(self, item: SystemCommand) -> str:
        return item.title

    async def choose(self, item: SystemCommand) -> None:
        self.answer(item)


def _name_of(command: SystemCommand) -> str:
    """Return a command's title without what it does."""
    return command.title.partition(" · ")[0]


def _search_text(command: SystemCommand) -> SearchText:
    written = " ".join(key_names(command.help)) if command.help else ""
    return SearchText(_name_of(command), f"{command.title} {command.help} {written}")


class ThemeScreen(ChooseScreen):
    """Lists themes. The window takes the one with the cursor; escape brings the old one back."""

    @on(VirtualList.Highlighted)
    def _try_on(self) -> None:
        self.app.theme = self.choices.selected or self._current

    def action_close(self) -> None:
        self.app.theme = self._current
        super().action_close()
