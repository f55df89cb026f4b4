"""The settings: every key, its value and its source."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
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
from sdtui.core.errors import SdtuiError, SettingsError
from sdtui.core.settings import (
    ABOUT_SETTINGS,
    ENVIRONMENT_PREFIX,
    FOLDER_LISTS,
    LAST_THEME,
    TABLES,
    Settings,
    load_settings,
    setting_choices,
    setting_from_text,
    settings_origin,
)
from sdtui.core.text import end_of, one_line
from sdtui.tui.background import run_on_thread, start_worker
from sdtui.tui.bindings import bindings_in
from sdtui.tui.keymap import check_keymap
from sdtui.tui.screens.commands import ThemeScreen
from sdtui.tui.screens.dialogs import AskScreen, Dialog
from sdtui.tui.screens.search_dialog import ChooseScreen
from sdtui.tui.settings_file import Value, create_template, write_setting
from sdtui.tui.styles import theme_style
from sdtui.tui.themes import check_theme
from sdtui.tui.widgets.answers import AnswerKey, Answers
from sdtui.tui.widgets.status_line import StatusLine
from sdtui.tui.widgets.virtual_list import VirtualList


@dataclass(frozen=True)
class Setting:
    """One line of the list."""

    key: str
    value: str
    origin: str
    """The variable, the file and its line, or "default"."""
    about: str
    typed: str = ""
    """The value as it is typed."""
    changed: bool = False
    """True if the app is still running with another value."""


def all_settings(running: Settings, read: Settings) -> list[Setting]:
    """Return every setting of config file and environment, with a line for each changed key of the
    app."""
    listed = []
    for key, about in ABOUT_SETTINGS.items():
        value, now = getattr(read, key), getattr(running, key)
        if isinstance(value, Mapping):
            summary = f"{len(value) or 'none'} changed"
            listed.append(Setting(key, summary, settings_origin(key), about, "", value != now))
            listed += [
                Setting(f"  {name}", _text(each), settings_origin(key, name), about)
                for name, each in value.items()
            ]
        else:
            separator = os.pathsep if key in FOLDER_LISTS else ","
            typed = separator.join(map(str, value)) if isinstance(value, tuple) else _text(value)
            origin = settings_origin(key)
            listed.append(Setting(key, _text(value), origin, about, typed, value != now))
    return listed


def _text(value: object) -> str:
    if isinstance(value, tuple | list):
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
    """Lists the settings, changes them in the config file, and shows the file's errors."""

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings_in("settings")

    def __init__(self, running: Settings, edit_file: Callable[[Path], bool]) -> None:
        """`running` are the settings that the app started with; `edit_file` opens a file in
        $EDITOR and returns True if that succeeded."""
        super().__init__()
        self._edit_file = edit_file
        self._active_settings = running
        self._file: Path = paths.config_file()
        self.list = SettingLines()
        self.details = Static("", classes="details")
        self.status = StatusLine()

    def compose(self) -> ComposeResult:
        """Yield the list, and under it the description of the selected setting and the errors."""
        with Vertical(classes="dialog -list -wide") as box:
            box.border_title = "Settings"
            yield self.list
            yield self.details
            yield self.status
            yield Answers(
                [
                    AnswerKey("settings.change", "Change"),
                    AnswerKey("settings.reset", "Default"),
                    AnswerKey("settings.edit", "Edit file"),
                    AnswerKey("settings.close", "Back"),
                ]
            )

    def on_mount(self) -> None:
        self.reload()
        self.list.focus()

    def reload(self) -> None:
        """Read the config file and the environment again."""
        try:
            read = load_settings()
            check_keymap(read.keys)
            check_theme(read.theme)
        except SdtuiError as error:
            self.status.show(str(error), is_wrong=True)
            return
        self.list.show_items(all_settings(self._active_settings, read))
        self.status.show(f"Saved in {self._file}" if self._file.exists() else "")
        self._show_details()

    @on(VirtualList.Highlighted)
    def _show_details(self) -> None:
        setting = self.list.selected
        if setting is not None:
            later = " It counts from the next start." if setting.changed else ""
            text = f"{setting.key.strip()}: {setting.about}{later} From: {setting.origin}."
            self.details.update(Content(one_line(text)))

    @on(VirtualList.Clicked)
    def action_change(self) -> None:
        """Let the user choose or type another value of the setting with the cursor."""
        setting = self.list.selected
        if setting is None or self._is_fixed(setting):
            return
        key = setting.key
        choices = setting_choices(key)
        screen: Dialog[str | None]
        if key == "theme":
            themes = [LAST_THEME, *sorted(self.app.available_themes)]
            screen = ThemeScreen("Theme", themes, self.app.theme)
        elif choices:
            screen = ChooseScreen(key, choices, setting.value)
        else:
            screen = AskScreen(key, setting.typed, ABOUT_SETTINGS[key], partial(_problem, key))

        def take(text: str | None) -> None:
            if text is not None and text != setting.typed:
                self._write(key, setting_from_text(key, text))

        self.app.push_screen(screen, take)

    def action_reset(self) -> None:
        """Take the setting with the cursor out of the config file."""
        setting = self.list.selected
        if setting is not None and not self._is_fixed(setting):
            self._write(setting.key, None)

    def _is_fixed(self, setting: Setting) -> bool:
        """Show why a setting can't be changed here, if so."""
        variable = ENVIRONMENT_PREFIX + setting.key.strip().upper()
        if setting.key.startswith(" ") or setting.key in TABLES:
            self.status.show("This is changed in the file: press e.")
        elif variable in os.environ:
            self.status.show(f"{variable} is set, and counts more than the file.", is_wrong=True)
        else:
            return False
        return True

    def _write(self, key: str, value: Value | None) -> None:
        start_worker(self, partial(self._write_and_reload, key, value))

    async def _write_and_reload(self, key: str, value: Value | None) -> None:
        try:
            await run_on_thread(partial(write_setting, self._file, key, value))
        except SdtuiError as error:
            self.status.show(str(error), is_wrong=True)
            return
        if key == "theme" and isinstance(value, str) and value != LAST_THEME:
            self.app.theme = value
        self.reload()

    def action_edit(self) -> None:
        try:
            create_template(self._file)
        except OSError as error:
            self.notify(f"{self._file} can't be written: {error}", severity="error")
            return
        if self._edit_file(self._file):
            self.reload()

    def action_close(self) -> None:
        self.answer(None)


def _problem(key: str, text: str) -> str:
    """Say what is wrong with a typed value; "" if nothing."""
    try:
        setting_from_text(key, text)
    except SettingsError as error:
        return str(error)
    return ""
