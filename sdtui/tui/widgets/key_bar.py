"""The last line: the keys for the focused widget."""

from __future__ import annotations

from rich.text import Text
from textual.screen import Screen
from textual.widget import Widget

from sdtui.tui.actions import GLOBAL
from sdtui.tui.bindings import bindings_that_work
from sdtui.tui.styles import theme_style

_LAST = ("help", "quit")
_FIRST = ("generate", "cancel")


class KeyBar(Widget):
    """Shows as many keys as fit: generating and cancelling first, then the focused pane's, then the
    others. Help and quit are always shown. Under a dialog it shows the dialog's keys."""

    DEFAULT_CSS = (
        "KeyBar { width: 100%; height: 1; dock: bottom; padding: 0 1; background: $surface; }"
    )

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._follow)
        self.app.screen_change_signal.subscribe(self, self._follow)

    def _follow(self, _: Screen[object]) -> None:
        self.refresh()

    def render(self) -> Text:
        shown: dict[str, tuple[str, str, bool]] = {}
        for binding in bindings_that_work(self.screen):
            if binding.show and binding.id and binding.action not in shown:
                display = self.app.get_key_display(binding)
                everywhere = binding.id.partition(".")[0] in GLOBAL
                shown[binding.action] = (display, binding.description, everywhere)
        last = [shown.pop(name) for name in _LAST if name in shown]
        first = [shown.pop(name) for name in _FIRST if name in shown]
        panes = [each for each in shown.values() if not each[2]]
        others = [each for each in shown.values() if each[2]]
        columns = self.content_size.width - sum(_width(each) for each in last)
        text = Text()
        for each in (*first, *panes, *others):
            if _width(each) <= columns:
                columns -= _width(each)
                text.append_text(self._format(each))
        for each in last:
            text.append_text(self._format(each))
        return text

    def _format(self, key: tuple[str, str, bool]) -> Text:
        return (
            Text()
            .append(key[0], theme_style(self.app, "accent"))
            .append(f" {key[1]}  ", theme_style(self.app, "muted"))
        )


def _width(key: tuple[str, str, bool]) -> int:
    return len(key[0]) + len(key[1]) + 3
