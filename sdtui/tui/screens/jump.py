"""Jump mode: a letter on every pane; pressing it focuses the pane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.geometry import Offset
from textual.widgets import Static

from sdtui.tui.bindings import bindings_in
from sdtui.tui.screens.dialogs import Dialog

LETTERS = "asdfghjklqwertyuiop"


class JumpScreen(Dialog[int | None]):
    """Shows a letter at each place. The answer is the number of the chosen place."""

    CSS_PATH = "jump.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings_in("jump")

    def __init__(self, places: Sequence[Offset]) -> None:
        super().__init__()
        self._places = places

    def compose(self) -> ComposeResult:
        for letter, place in zip(LETTERS, self._places, strict=False):
            label = Static(Content(f" {letter} "))
            label.styles.offset = (place.x, place.y)
            yield label

    def action_close(self) -> None:
        self.answer(None)

    def on_key(self, event: events.Key) -> None:
        if event.character and event.character in LETTERS[: len(self._places)]:
            event.stop()
            self.answer(LETTERS.index(event.character))
