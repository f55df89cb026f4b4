"""The command palette, and the list of themes."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual import on
from textual.app import SystemCommand

from sdtui.core.ranking import SearchText, ranked
from sdtui.core.text import one_line
from sdtui.tui.screens.search_dialog import NOTHING_FOUND, ChooseScreen, SearchDialog
from sdtui.tui.styles import theme_style
from sdtui.tui.widgets.virtual_list import VirtualList


class CommandLines(VirtualList[SystemCommand]):
    """One command a line: its name, what it does, and its keys."""

    def item_text(self, item: SystemCommand, width: int) -> Text:
        keys = item.help.replace(",", " ")
        columns = max(8, width - len(keys) - 2)
        text = Text(one_line(item.title))
        text.stylize(theme_style(self.app, "muted"), len(_name_of(item)))
        text.truncate(columns, overflow="ellipsis", pad=True)
        return text.append(f"  {keys}", theme_style(self.app, "accent"))


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
    return SearchText(_name_of(command), f"{command.title} {command.help}")


class ThemeScreen(ChooseScreen):
    """Lists themes. The window takes the one with the cursor; escape brings the old one back."""

    @on(VirtualList.Highlighted)
    def _try_on(self) -> None:
        self.app.theme = self.choices.selected or self._current

    def action_close(self) -> None:
        self.app.theme = self._current
        super().action_close()
