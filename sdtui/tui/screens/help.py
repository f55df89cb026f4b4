"""The help of F1: the focused pane, and every key that works there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from textual.binding import BindingType
from textual.content import Content
from textual.screen import Screen

from sdtui.tui.actions import ACTIONS, GLOBAL
from sdtui.tui.bindings import bindings_in, bindings_that_work
from sdtui.tui.labelled_line import LabelledLine
from sdtui.tui.screens.dialogs import TextScreen


class HelpScreen(TextScreen):
    """An explanation and a table of keys; one key more opens the manual."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_in("help")

    def __init__(self, title: str, about: str, keys: Sequence[tuple[str, str]]) -> None:
        explanation = (LabelledLine("", about), LabelledLine("", "")) if about else ()
        super().__init__(title, (*explanation, *(LabelledLine(key, text) for key, text in keys)))

    def on_mount(self) -> None:
        super().on_mount()
        keys = [
            self.app.get_key_display(active.binding)
            for active in self.active_bindings.values()
            if active.binding.id == "help.manual"
        ]
        parts = [*(f"{key} manual" for key in keys[:1]), "esc"]
        self.query_one(".dialog").border_subtitle = Content(" · ".join(parts))

    def action_manual(self) -> None:
        from sdtui.tui.screens.manual import ManualScreen, section_for

        explained = self.app.screen_stack[-2]
        if self.answer(None):
            self.app.push_screen(ManualScreen(section_for(explained)))


def key_help(window: Screen[Any]) -> list[tuple[str, str]]:
    """Return the keys that work now and what they do, those of the focused widget first."""
    keys: dict[str, tuple[str, str]] = {}
    for binding in (active.binding for active in bindings_that_work(window)):
        if binding.id and binding.tooltip:
            key, text = keys.get(binding.id, ("", binding.tooltip))
            keys[binding.id] = (f"{key} {window.app.get_key_display(binding)}".strip(), text)
    listed = [action.id for action in ACTIONS if action.id in keys]
    own_first = sorted(listed, key=lambda name: name.partition(".")[0] in GLOBAL)
    return [keys[name] for name in own_first]
