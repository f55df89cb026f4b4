"""The line in which a search is written."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType
from textual.message import Message

from sdtui.tui.bindings import bindings_in
from sdtui.tui.widgets.line_input import LineInput


class SearchLine(LineInput):
    """Shows a search while it is written or filters the gallery."""

    DEFAULT_CSS = """
    SearchLine {
        height: 1;
        padding: 0 1;
        background: transparent;
        display: none;
        &.-used { display: block; }
        &.-wrong { color: $error; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings_in("search")

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(placeholder="words, -without, star:yes, model:…", id=id)

    class Left(Message):
        """The user wants everything to be listed again."""

    class ChoiceWanted(Message):
        """The user wants to choose from saved searches."""

    class SaveWanted(Message):
        """The user wants to save the search, or to forget it if it is saved."""

    def action_leave(self) -> None:
        self.post_message(self.Left())

    def action_saved(self) -> None:
        self.post_message(self.ChoiceWanted())

    def action_save(self) -> None:
        self.post_message(self.SaveWanted())
