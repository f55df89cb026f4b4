"""The settings: every key, its value and its source."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from sdtui.core import paths
from sdtui.core.errors import SdtuiError
from sdtui.core.settings import ABOUT_SETTINGS, Settings, load_settings, settings_origin
from sdtui.core.text import end_of, one_line
from sdtui.tui.actions import check_keymap
from sdtui.tui.bindings import bindings_in
from sdtui.tui.screens.dialogs import Dialog
from sdtui.tui.styles import theme_style
from sdtui.tui.widgets.virtual_list import VirtualList


@dataclass(frozen=True)
class Setting:
    """One line of the list."""

    key: str
    value: str
    origin: str
    """The variable, the file and its line, or "default"."""
    about: str
    changed: bool = False
    """True if the app is still running with another value."""


def all_settings(running: Settings, read: Settings) -> list[Setting]:
    """Return every setting of config file and environment, with a line for each changed key of the
    app."""
    listed = []
    for key, about in ABOUT_SETTINGS.items():
        value, now = getattr(read, key), getattr(running, key)
        if isinstance(value, Mapping):
            summary = f"{len(value)} changed" if value else "none changed"
            listed.append(Setting(key, summary, settings_origin(key), about, value != now))
            listed += [
                Setting(f"  {name}", keys, settings_origin(key, name), about)
                for name, keys in value.items()
            ]
        else:
            listed.append(Setting(key, _text(value), settings_origin(key), about, value != now))
    return listed


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return json.dumps(value) if isinstance(value, bool) else str(value)


class SettingLines(VirtualList[Setting]):
    """One setting a line: key, value, source."""

    def item_text(self, item: Setting, width: int) -> Text:
        """Return the line; values that were set are emphasised. Of a long path the end is shown."""
        is_set = item.origin != "default"
        text = Text(f"{one_line(item.key) if item.key[0] != ' ' else item.key:<18}")
        text.append(one_line(item.value), theme_style(self.app, "accent" if is_set else "plain"))
        columns = max(10, width // 3)
        origin = one_line(item.origin).removeprefix("the environment variable ")
        origin = end_of(origin, columns)
        text.truncate(max(20, width - columns - 2), overflow="ellipsis", pad=True)
        return text.append(f"  {origin:>{columns}}", theme_style(self.app, "muted"))


class SettingsScreen(Dialog[None]):
    """Lists the settings, shows errors of the config file, and opens it in $EDITOR."""

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_in("viewer"), *bindings_in("settings")]

    def __init__(self, running: Settings, edit_file: Callable[[Path], bool]) -> None:
        """`running` are the settings that the app started with; `edit_file` opens a file in
        $EDITOR and returns True if that succeeded."""
        super().__init__()
        self._edit_file = edit_file
        self._active_settings = running
        self._file: Path = paths.config_file()
        self.list = SettingLines()
        self.details = Static("", classes="details")
        self.status = Static("", classes="status")

    def compose(self) -> ComposeResult:
        """Yield the list, and under it the description of the selected setting and the errors."""
        with Vertical(classes="dialog -list -wide") as box:
            box.border_title = "Settings"
            yield self.list
            yield self.details
            yield self.status

    def on_mount(self) -> None:
        self.reload()
        self.list.focus()

    def reload(self) -> None:
        """Read the config file and the environment again."""
        self.status.remove_class("-wrong")
        try:
            read = load_settings()
            check_keymap(read.keys)
        except SdtuiError as error:
            self.status.add_class("-wrong")
            self.status.update(Content(f"{one_line(str(error))}\ne  edit the file      esc  back"))
            return
        self.list.show_items(all_settings(self._active_settings, read))
        self.status.update(Content(f"e  edit {self._file}      esc  back"))
        self._show_details()

    @on(VirtualList.Highlighted)
    def _show_details(self) -> None:
        setting = self.list.selected
        if setting is not None:
            later = " It counts from the next start." if setting.changed else ""
            text = f"{setting.key.strip()}: {setting.about}{later} From: {setting.origin}."
            self.details.update(Content(one_line(text)))

    def action_edit(self) -> None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.touch()
        except OSError as error:
            self.notify(f"{self._file} can't be made: {error}", severity="error")
            return
        if self._edit_file(self._file):
            self.reload()

    def action_close(self) -> None:
        self.answer(None)
