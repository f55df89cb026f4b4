"""The help of `?`: the keys that work now, which can be pressed there, and the manual behind it."""

from __future__ import annotations

from typing import Any

from textual.binding import ActiveBinding
from textual.screen import Screen

from sdtui.tui.actions import ACTIONS, GLOBAL
from sdtui.tui.bindings import bindings_that_work
from sdtui.tui.key_names import easy_keys
from sdtui.tui.key_table import KeyChoice
from sdtui.tui.screens.manual import ManualScreen, section_for
from sdtui.tui.screens.which_key import WhichKeyScreen

_EVERYWHERE = (*GLOBAL, "shelf", "reading")
_GROUPS = ["", "Picture", "Everywhere"]
"""The headings; what is without one is about the focused part, which the title names."""
_HELP = ("app.help", "reading.help")


class HelpScreen(WhichKeyScreen):
    """Lists the keys that work in a window: those of the focused part, those of pictures, and those
    that work everywhere. Its key pressed once more leads to the manual."""

    def __init__(self, window: Screen[Any], title: str, about: str) -> None:
        self._working = [
            active for active in bindings_that_work(window) if active.binding.id is not None
        ]
        self._section = section_for(window.app.screen)
        helps = [key.binding.key for key in self._working if key.binding.id in _HELP]
        super().__init__(
            title,
            self._choices_of(self._working),
            about=about,
            more=KeyChoice(",".join(helps), "Manual"),
        )

    async def follow(self, key: str | None) -> None:
        """Do what a key does, once the panel is closed."""
        if key is None or self.more is None:
            return
        if self.more.has(key):
            self.app.push_screen(ManualScreen(self._section))
            return
        for active in self._working:
            if active.binding.key == key:
                await self.app.run_action(active.binding.action, active.node)
                return

    def _choices_of(self, bindings: list[ActiveBinding]) -> list[KeyChoice]:
        keys: dict[str, list[str]] = {}
        for active in bindings:
            keys.setdefault(str(active.binding.id), []).append(active.binding.key)
        merged: dict[tuple[str, str], list[str]] = {}
        for action in ACTIONS:
            if action.id in keys and action.id not in _HELP:
                place = (_group(action.scope), action.label)
                merged.setdefault(place, []).extend(keys[action.id])
        choices = [
            KeyChoice(",".join(each), label, group, easy_keys(",".join(each)))
            for (group, label), each in merged.items()
        ]
        return sorted(choices, key=lambda choice: _GROUPS.index(choice.group))


def _group(scope: str) -> str:
    if scope == "picture":
        return "Picture"
    return "Everywhere" if scope in _EVERYWHERE else ""
