"""The last line: the keys that work now, or a message in their place."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import ActiveBinding
from textual.notifications import SeverityLevel
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget

from sdtui.core.text import one_line
from sdtui.tui.actions import GLOBAL
from sdtui.tui.bindings import bindings_that_work, label_now
from sdtui.tui.styles import ThemeColour, theme_style
from sdtui.tui.themed_app import ThemedApp
from sdtui.tui.widgets.line_parts import shortened_sentence

_FIRST = ("window.cancel",)
"""Ids of the actions that come before those of the focused part. They work only at times."""
_HELP = ("reading.help", "app.help")
"""Ids of what explains the keys: the first that works is always shown, at the right."""
_HELP_LABEL = "Keys"
_PLACES = "window.jump"
"""Id of what leads to the help where a text is typed."""
_GAP, _GROUP_GAP = 2, 4
_SIGNS: dict[SeverityLevel, tuple[str, ThemeColour]] = {
    "information": ("▸", "accent"),
    "warning": ("■", "warning"),
    "error": ("✗", "error"),
}
_POLL_SECONDS = 0.25
"""Between two looks whether a key was pressed since an error was shown."""


@dataclass(frozen=True, eq=False)
class _Key:
    """A key of the bar."""

    active: ActiveBinding
    written: str
    label: str
    group: int

    @property
    def leads_back(self) -> bool:
        """True for the key that leaves what is open."""
        return self.active.binding.key == "escape"

    @property
    def width(self) -> int:
        return cell_len(self.written) + 1 + cell_len(self.label)


@dataclass(frozen=True)
class _Message:
    text: str
    severity: SeverityLevel
    shown_at: float


class KeyBar(Widget):
    """Shows as many keys as fit: those of the focused part first, then those that work everywhere.
    The way back and the help are always shown. A click on a key does what the key does. Under a
    dialog it shows the dialog's keys.

    Messages are shown in place of the keys. The newest takes the place of others; an error stays
    until a key is pressed."""

    DEFAULT_CSS = """
    KeyBar { width: 100%; height: 1; dock: bottom; padding: 0 1; background: $surface; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._message: _Message | None = None
        self._timer: Timer | None = None
        self._places: list[tuple[range, ActiveBinding]] = []

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._follow)
        self.app.screen_change_signal.subscribe(self, self._follow_dialog)

    def _follow_dialog(self, screen: Screen[object]) -> None:
        screen.bindings_updated_signal.subscribe(self, self._follow)
        self._follow(screen)

    def _follow(self, _: Screen[object]) -> None:
        if self._message is None:
            self.refresh()

    @property
    def message(self) -> str:
        """The message that is shown; "" while the keys are."""
        return self._message.text if self._message else ""

    def show_message(
        self,
        text: str,
        severity: SeverityLevel = "information",
        timeout: float | None = None,
    ) -> None:
        """Show a message in place of the keys for some seconds, by default as long as Textual shows
        notifications."""
        self._message = _Message(one_line(text), severity, time.monotonic())
        self._end_later(self.app.NOTIFICATION_TIMEOUT if timeout is None else timeout)
        self.refresh()

    def clear_message(self) -> None:
        """Show the keys again."""
        self._message = None
        self.refresh()

    def _end_later(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(seconds, self._end)

    def _end(self) -> None:
        message = self._message
        if message is None:
            return
        silence = self.app.silence if isinstance(self.app, ThemedApp) else 0.0
        if message.severity == "error" and silence > time.monotonic() - message.shown_at:
            self._end_later(_POLL_SECONDS)
        else:
            self.clear_message()

    def render(self) -> Text:
        width = self.content_size.width
        self._places = []
        if self._message is not None:
            return self._message_line(self._message, width)
        return self._key_line(width)

    def _message_line(self, message: _Message, width: int) -> Text:
        sign, role = _SIGNS[message.severity]
        text = shortened_sentence(message.text, width - 2)
        return Text(f"{sign} {text}", theme_style(self.app, role), no_wrap=True)

    def _key_line(self, width: int) -> Text:
        keys, help_key = self._keys()
        right = help_key.width + _GROUP_GAP if help_key else 0
        line = Text(no_wrap=True)
        shown = _that_fit(keys, width - right)
        for before, key in zip([None, *shown], shown, strict=False):
            line.append(" " * _gap(before, key))
            self._append(line, key)
        if help_key is not None and help_key.width <= width:
            line.pad_right(max(0, width - help_key.width - line.cell_len))
            self._append(line, help_key)
        return line

    def _append(self, line: Text, key: _Key) -> None:
        self._places.append((range(line.cell_len, line.cell_len + key.width), key.active))
        line.append(key.written, theme_style(self.app, "accent") + Style(bold=True))
        line.append(f" {key.label}", theme_style(self.app, "muted"))

    def _keys(self) -> tuple[list[_Key], _Key | None]:
        """Return the keys in their order, and that of the help."""
        found: dict[str, _Key] = {}
        helps: dict[str, _Key] = {}
        places = ""
        for active in bindings_that_work(self.screen):
            binding = active.binding
            name = binding.id or ""
            written = self.app.get_key_display(binding)
            if name in _HELP:
                helps.setdefault(name, _Key(active, written, _HELP_LABEL, 3))
                continue
            if name == _PLACES:
                places = written
            if binding.show and name:
                everywhere = name.partition(".")[0] in GLOBAL
                group = 0 if name in _FIRST else 2 if everywhere else 1
                found.setdefault(binding.action, _Key(active, written, label_now(active), group))
        keys = sorted(found.values(), key=lambda key: (key.group, key.leads_back))
        help_key = next((helps[name] for name in _HELP if name in helps), None)
        if help_key is not None and places and _HELP[0] not in helps:
            # "?" would be typed here, and not every terminal has F keys.
            help_key = replace(help_key, written=f"{places} ?")
        return keys, help_key

    async def on_click(self, event: events.Click) -> None:
        """Do what the clicked key does, or end the message."""
        if self._message is not None:
            self.clear_message()
            return
        x = event.x - self.styles.padding.left
        for columns, active in self._places:
            if x in columns:
                await self.app.run_action(active.binding.action, active.node)


def _that_fit(keys: Iterable[_Key], width: int) -> list[_Key]:
    """Return the keys that fit into a width, in their order, the ways back always among them."""
    listed = [*keys]
    chosen: list[_Key] = []
    for key in sorted(listed, key=lambda each: not each.leads_back):
        with_key = [each for each in listed if each in chosen or each is key]
        if _width(with_key) <= width:
            chosen = with_key
    return chosen


def _width(keys: list[_Key]) -> int:
    gaps = sum(_gap(before, key) for before, key in pairwise(keys))
    return sum(key.width for key in keys) + gaps


def _gap(before: _Key | None, key: _Key) -> int:
    """Return the columns between two keys: more between two groups."""
    if before is None:
        return 0
    return _GAP if before.group == key.group else _GROUP_GAP
