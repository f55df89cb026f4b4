"""SdtuiApp: the app around the main screen."""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
import signal
import subprocess
import tempfile
import time
from _thread import start_new_thread  # threading's own needs a lock
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events, work
from textual.app import App, SuspendNotSupported, SystemCommand
from textual.binding import Binding, BindingType
from textual.command import CommandPalette
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.notifications import SeverityLevel
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget

from sdtui.core import paths
from sdtui.core.files import write_atomic
from sdtui.core.job_state import JobState
from sdtui.core.runtime import leave
from sdtui.core.text import visible
from sdtui.docs import TOPICS
from sdtui.tui.actions import ACTIONS
from sdtui.tui.bindings import bindings_in
from sdtui.tui.panes.pane import Pane
from sdtui.tui.screens.main import MainScreen
from sdtui.tui.state import load_state, save_state
from sdtui.tui.terminal.driver import TerminalDriver
from sdtui.tui.terminal.key_queue import KeyQueue
from sdtui.tui.terminal.restore import terminal_is_gone
from sdtui.tui.themes import OWN_THEMES, first_theme

if TYPE_CHECKING:
    from sdtui.core.errors import SdtuiError
    from sdtui.core.settings import Settings
    from sdtui.tui.services import AppServices

_log = logging.getLogger(__name__)
_SAVE_EVERY = 2.0
"""Seconds: what a killed process has lost of the form at most."""
_NOT_IN_THE_PALETTE = ("app.command_palette", "reading.help")
"""Actions that are pointless there or have a twin."""


class SdtuiApp(App[int], inherit_bindings=False):
    """Themes, keys, state, and the way out."""

    TITLE = "sdtui"
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"
    CSS = "Toast { max-width: 60; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings_in("app"),
        *bindings_in("reading"),
        Binding("ctrl+c", "help_quit", show=False),
    ]

    def __init__(
        self,
        settings: Settings,
        open_services: Callable[[], AppServices],
        *,
        drawn_by: type[Widget] | None = None,
        over_ssh: bool = False,
        early: str = "",
    ) -> None:
        """`drawn_by` draws finished pictures; None means half-cells. `early` is what was typed
        before this."""
        super().__init__()
        self.settings = settings
        self.over_ssh = over_ssh
        self.drawn_by = drawn_by
        self._open_services = open_services
        self._services: AppServices | None = None
        self.failure: SdtuiError | None = None
        """Why it had to end."""
        self.state = load_state()
        for theme in OWN_THEMES:
            self.register_theme(theme)
        # Before the styles are read: changing it later would read them all again.
        colours = {"standard": 16, "windows": 16}.get(self.console.color_system or "", 256)
        self._theme_before = self.state.theme
        self._first_theme = first_theme(self._theme_before, colours)
        self.theme = self._first_theme
        self.stylesheet.set_variables(self.get_css_variables())
        self.set_keymap(settings.keys)
        self.main = MainScreen(self)
        self._question: Screen[bool | None] | None = None
        # One thread, so that what is written last is what was last.
        self._disk = ThreadPoolExecutor(1, "sdtui-state")
        self._saving: Timer | None = None
        self._key_queue = KeyQueue(self, super().on_event, early)

    @property
    def services(self) -> AppServices:
        """What the app works with, opened when it is first asked for: by a key, or once the window
        is seen."""
        if self._services is None:
            self._services = self._open_services()
        return self._services

    def on_mount(self) -> None:
        """Listen to the system."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_terminate, number)
        # Not by the loop: it may be waiting to write to a terminal that is gone.
        signal.signal(signal.SIGHUP, self._hung_up)

    @property
    def _background_screens(self) -> list[Screen[Any]]:
        """Screens that are seen through the upper one. Textual counts the next one always: whatever
        changes there, the picture on the whole screen would be drawn and sent to the terminal
        again."""
        covers = self.screen_stack and self.screen.styles.background.a == 1
        return [] if covers else super()._background_screens

    def get_driver_class(self) -> type[Driver]:
        """Textual's choice, but for a terminal our own."""
        chosen = super().get_driver_class()
        return TerminalDriver if chosen is LinuxDriver else chosen

    async def on_event(self, event: events.Event) -> None:
        """What is typed waits for its turn."""
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            await self._key_queue.put(event)
        else:
            await super().on_event(event)

    def on_ready(self) -> None:
        """Open the window. Earlier, while Textual holds back what is drawn, it would be laid out
        and drawn in vain, and then once more; and its styles, as the app's own, be read twice."""
        styles = Path(__file__).parent / "screens" / "main.tcss"
        self.stylesheet.add_source(styles.read_text(encoding="utf-8"), (str(styles), ""))
        self.push_screen(self.main)

    def refresh_css(self, animate: bool = True) -> None:
        """Work out all styles anew, for another theme. Textual asks for it at its start too, where
        nothing has any yet."""
        if self.screen_stack:
            super().refresh_css(animate)

    @property
    def silence(self) -> float:
        """Seconds since something was typed."""
        return time.monotonic() - self._key_queue.last

    async def take_keys(self) -> None:
        """The window is there: what was typed before that comes first."""
        await self._key_queue.begin()

    def _on_terminate(self, number: int) -> None:
        _log.warning("ended by signal %s", number)
        self.leave(128 + number)

    def _hung_up(self, number: int, _: FrameType | None) -> None:
        """The line was dropped. On a thread: what was interrupted for this may hold a lock that is
        needed to save, and goes on only when this has returned."""
        if terminal_is_gone():
            start_new_thread(self._end_without_terminal, (number,))
        else:
            self.call_later(self._on_terminate, number)

    def _end_without_terminal(self, number: int) -> None:
        """Textual's way out doesn't end: it waits until everything is written. There is nothing to
        restore, so all is saved and that is it."""
        _log.warning("the terminal is gone")
        self.save().result()
        self.close_services()
        leave(128 + number)

    def keep_saving(self) -> None:
        """From now on, save the state whenever it has changed. To be called once the form is as it
        was left: ended before that, the app saves nothing of it."""
        self._saving = self.set_interval(_SAVE_EVERY, self._save_changes)

    def _save_changes(self) -> None:
        before = self.state
        self._take_in_state()
        if self.state != before:
            self.save()

    def save(self) -> Future[None]:
        """Keep form, prompts, sizes and theme for the next start, beside the app."""
        self._take_in_state()
        return self._disk.submit(save_state, self.state)

    def _take_in_state(self) -> None:
        if self._saving is None:
            return
        settings = self.settings.request_defaults()
        self.state = replace(
            self.state,
            # What is as the settings say follows them, should they change.
            form={
                name: text
                for name, text in self.main.generation.texts.items()
                if name not in settings or text != str(settings[name])
            },
            last_seed=self.main.panes.parameters.last_seed,
            sizes=dict(self.main.window.sizes.shares),
            # Another terminal may have more colours.
            theme=self._theme_before if self.theme == self._first_theme else self.theme,
        )

    def leave(self, code: int = 0) -> None:
        """Save and end. What runs and waits is on disk already, for the next start."""
        self.main.models.downloads.cancel()
        if self._services is not None:
            self.main.queue.presenter.unsubscribe()
            self._services.monitor.stop()
        self.save().result()
        self.exit(code)

    def give_up(self, failure: SdtuiError) -> None:
        """End, because there is nothing to work with."""
        self.failure = failure
        self.leave()

    def close_services(self) -> bool:
        """Keep what waits for the next start. Returns whether nothing works any more."""
        return self._services is None or self._services.close()

    async def action_quit(self) -> None:
        """Leave; ask once where a picture would be lost."""
        lost = self._what_is_lost()
        if lost and self.screen is not self._question:
            self._ask_to_quit(lost)
        else:
            self.leave()

    def _what_is_lost(self) -> str:
        if self._services is None:
            return ""
        queue = self._services.queue
        if any(job.state is JobState.RUNNING for job in queue.jobs()):
            kept = "The queue is kept, and the next start offers to go on."
            return f"A picture is being made; it will be lost. {kept}"
        if queue.has_unsaved:
            return "What the disk had no room for will be lost. In the queue, w saves it."
        return ""

    @work
    async def _ask_to_quit(self, text: str) -> None:
        from sdtui.tui.screens.dialogs import ConfirmScreen

        self._question = ConfirmScreen("Quit?", text, "Quit", "Stay")
        if await self.push_screen_wait(self._question):
            self.leave()

    def action_help(self) -> None:
        """Explain the focused pane, or the keys of what lies over the window."""
        from sdtui.tui.screens.help import HelpScreen, key_help

        if self.screen is self.main:
            self.main.show_help()
        elif not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen("Keys here", "", key_help(self.main)))

    def action_command_palette(self) -> None:
        """Find an action by name. Help may lie over the palette, which Textual doesn't see."""
        if not any(isinstance(screen, CommandPalette) for screen in self.screen_stack):
            super().action_command_palette()

    def action_next_theme(self) -> None:
        """The next theme."""
        names = [theme.name for theme in OWN_THEMES]
        place = names.index(self.theme) + 1 if self.theme in names else 0
        self.theme = names[place % len(names)]
        self.notify(f"Theme: {self.theme}", timeout=2, markup=False)

    def action_help_quit(self) -> None:
        """Say how to quit, to those who press what ends other programs."""
        if key := self.main.keys_shown.get("app.quit"):
            self.notify(f"Press {key} to quit.", timeout=3)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Every action: those that work where the focus is, and those of other panes, which get
        the focus first."""
        active = {each.binding.id: each for each in self.main.active_bindings.values()}
        for action in ACTIONS:
            if action.id in _NOT_IN_THE_PALETTE:
                continue
            found, pane = active.get(action.id), self.main.panes.by_scope(action.scope)
            if found is not None:
                run = partial(self.run_action, action.name, found.node)
            elif pane is not None:
                run = partial(self._run_there, action.name, pane)
            else:
                continue
            keys = self.settings.keys.get(action.id, action.keys)
            place = f"{pane.title}: " if pane is not None else ""
            # The palette looks for what is typed in the first of the two only.
            yield SystemCommand(f"{place}{action.label} · {action.help}", keys, run)
        for topic, about in TOPICS.items():
            yield SystemCommand(f"Manual: {topic} · {about}", "", partial(self._open_manual, topic))
        yield SystemCommand(
            "Choose a theme", "All themes, seen as you go", self.action_change_theme
        )

    def _open_manual(self, topic: str) -> None:
        from sdtui.tui.screens.manual import ManualScreen

        self.push_screen(ManualScreen(topic))

    async def _run_there(self, action: str, pane: Pane) -> bool:
        self.main.window.show_pane(pane)
        return await self.run_action(action, pane)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """Tell something in a corner. Paths, prompts and errors stand in it, so it is never taken
        for markup, whatever a caller says: Textual's widgets always say that it is."""
        shown = visible(message)
        super().notify(shown, title=title, severity=severity, timeout=timeout, markup=False)

    def show_error(self, error: SdtuiError) -> None:
        """Show an error and its hint long enough to be read; the log has it too."""
        self.notify(str(error), severity="error", timeout=12)

    def edit(self, text: str, suffix: str = ".txt") -> str | None:
        """Let a person edit a text in $EDITOR; None if that can't be."""
        try:
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / f"prompt{suffix}"
                file.write_text(text, encoding="utf-8")
                if not self.edit_file(file):
                    return None
                return file.read_text(encoding="utf-8").rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            self.notify(f"The text stays as it was: {error}", severity="error")
            return None

    def edit_file(self, file: Path) -> bool:
        """Open a file in $EDITOR, with the app out of the way; whether that went well."""
        editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
        try:
            with self.suspend():
                problem = _run_editor(editor, file)
        except SuspendNotSupported as error:
            problem = f"{editor} can't be started: {error}"
        self.refresh(layout=True)
        if problem:
            self.notify(problem, severity="error")
        return not problem

    def copy(self, text: str, what: str) -> None:
        """Copy over OSC 52. No terminal says whether it worked, so there is a file as well."""
        self.copy_to_clipboard(text)
        file = paths.state_folder() / "copied.txt"
        try:
            write_atomic(file, text.encode())
        except OSError as error:
            told = f"{what} sent to the terminal's clipboard, but not to {file}: {error.strerror}"
            self.notify(told, severity="warning")
        else:
            self.notify(f"{what} sent to the terminal's clipboard, and to {file}")

    def _handle_exception(self, error: Exception) -> None:
        _log.error("the app met an error", exc_info=error)
        super()._handle_exception(error)


def _wait_for_editor(command: list[str]) -> int:
    """Its exit code. Told to end, the app ends it first: the loop, which handles the signal, stands
    still meanwhile."""
    with subprocess.Popen(command) as process:
        before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        try:
            return process.wait()
        finally:
            signal.signal(signal.SIGTERM, before)


def _run_editor(editor: str, file: Path) -> str:
    """What went wrong, or "". Nothing may be raised while the app is out of the way: Textual
    would not come back."""
    try:
        code = _wait_for_editor([*shlex.split(editor), str(file)])
    except (OSError, ValueError) as error:
        return f"{editor} can't be started: {error}"
    return f"{editor} ended with an error, so nothing was taken over." if code else ""
