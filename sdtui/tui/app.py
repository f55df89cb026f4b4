"""SdtuiApp: themes, keys, saved state and notifications around the main screen."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.notifications import SeverityLevel
from textual.screen import Screen
from textual.timer import Timer

from sdtui.core import paths
from sdtui.core.enums import EventLevel
from sdtui.core.files import write_atomic
from sdtui.core.settings import LAST_THEME
from sdtui.core.text import visible
from sdtui.tui.actions import current_keymap
from sdtui.tui.bindings import bindings_in
from sdtui.tui.external_editor import ExternalEditor
from sdtui.tui.images.loader import PictureLoader
from sdtui.tui.images.view import PictureView
from sdtui.tui.palette import palette_commands
from sdtui.tui.recipe import Recipe
from sdtui.tui.screens.main import MainScreen
from sdtui.tui.shutdown import Shutdown
from sdtui.tui.state import load_state, save_state
from sdtui.tui.terminal import environment
from sdtui.tui.terminal.driver import terminal_driver
from sdtui.tui.terminal.key_queue import KeyQueue
from sdtui.tui.terminal.probe import UNKNOWN_TERMINAL, TerminalCapabilities
from sdtui.tui.terminal.symbols import substitutes
from sdtui.tui.textual_internals.driver import redraw_terminal, terminal_encoding, write_to_terminal
from sdtui.tui.textual_internals.screens import (
    OpaqueScreensApp,
    add_stylesheet,
    apply_theme_variables,
)
from sdtui.tui.themed_app import ThemedApp
from sdtui.tui.themes import OWN_THEMES, check_theme, first_theme
from sdtui.tui.widgets.key_bar import KeyBar

if TYPE_CHECKING:
    from sdtui.core.errors import SdtuiError
    from sdtui.core.settings import Settings
    from sdtui.jobs import Backend
    from sdtui.tui.images.terminal_picture import TerminalPicture

_GRACE_SECONDS = 0.8
"""Time that the running step has to end when the user quits."""
_SAVE_INTERVAL = 2.0
"""Seconds; a killed process loses at most this much of the form."""
_ERROR_SECONDS = 12
_LEVELS: Mapping[SeverityLevel, EventLevel] = {
    "information": EventLevel.INFO,
    "warning": EventLevel.WARNING,
    "error": EventLevel.ERROR,
}
"""The level of a message in the log."""


class SdtuiApp(ThemedApp, OpaqueScreensApp, inherit_bindings=False):
    """The app; its screens and controllers see it as an AppContext."""

    TITLE = "sdtui"
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings_in("app"),
        *bindings_in("reading"),
        Binding("ctrl+c", "help_quit", show=False),
    ]

    def __init__(
        self,
        settings: Settings,
        open_backend: Callable[[], Backend],
        *,
        picture_widget: type[TerminalPicture] | None = None,
        over_ssh: bool = False,
        early_input: bytes = b"",
        colours_note: str = "",
        terminal: TerminalCapabilities = UNKNOWN_TERMINAL,
    ) -> None:
        """`picture_widget` draws finished pictures; None means half-cells. `early_input` is
        what the terminal sent before the app started. `colours_note` says in the log why there are
        few colours."""
        # Both are read when the driver is chosen, by Textual's constructor.
        self._early_input = early_input
        self.terminal = terminal
        super().__init__()
        self.settings = settings
        self.over_ssh = over_ssh
        self.colours_note = colours_note
        self._picture_widget = picture_widget
        self.picture_loader = PictureLoader(lambda: self.backend.pictures)
        self._open_backend = open_backend
        self._backend: Backend | None = None
        self._opening = threading.Lock()
        self.failure: SdtuiError | None = None
        """Why the app had to end."""
        self.state = load_state()
        self.recipe = Recipe(settings.request_defaults())
        # Before the styles are read: a later change would read them all again.
        colours = {"standard": 16, "windows": 16}.get(self.console.color_system or "", 256)
        check_theme(settings.theme)
        self._saved_theme = self.state.theme if settings.theme == LAST_THEME else settings.theme
        self._first_theme = first_theme(self._saved_theme, colours)
        self.theme = self._first_theme
        apply_theme_variables(self)
        self.set_keymap(current_keymap(settings.keys))
        self.main = MainScreen(self)
        self.editor = ExternalEditor(self)
        self._app_shutdown = Shutdown(
            self, stop=self._stop, save=self.save, close_backend=self.close_backend
        )
        # One thread, so that the newest state is written last.
        self._disk = ThreadPoolExecutor(1, "sdtui-state")
        self._save_timer: Timer | None = None
        self._key_queue = KeyQueue(self, super().on_event)

    @property
    def backend(self) -> Backend:
        """Opened when first read, by a key, a thread or once the window is seen."""
        with self._opening:  # a second backend would have a queue and a worker of its own
            if self._backend is None:
                self._backend = self._open_backend()
            return self._backend

    def new_picture_view(self) -> PictureView:
        """Return a widget that draws finished pictures by the best means of the terminal."""
        return PictureView(self.picture_loader, self._picture_widget)

    def on_mount(self) -> None:
        self._app_shutdown.handle_signals()
        self.app_resume_signal.subscribe(self, self._draw_all)

    def _draw_all(self, _: object = None) -> None:
        self.refresh(layout=True)

    def get_driver_class(self) -> type[Driver]:
        """Return our own driver for terminals, else Textual's."""
        chosen = super().get_driver_class()
        return (
            terminal_driver(self._early_input, self.terminal) if chosen is LinuxDriver else chosen
        )

    async def on_event(self, event: events.Event) -> None:
        """Handle keys and pastes one after the other."""
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            await self._key_queue.put(event)
        else:
            await super().on_event(event)

    def on_ready(self) -> None:
        """Open the main screen. Earlier, while Textual holds back drawing, it would be laid out and
        drawn twice, and its styles, as the app's own, be read twice."""
        add_stylesheet(self, Path(__file__).parent / "screens" / "main.tcss")
        self.push_screen(self.main)

    def refresh_css(self, animate: bool = True) -> None:
        """Apply all styles again, for another theme. At the start Textual does it too, before there
        is anything to style."""
        if self.screen_stack:
            super().refresh_css(animate)

    @cached_property
    def shows_key_signs(self) -> bool:
        """False in a terminal without `⏎` and arrows."""
        return substitutes(terminal_encoding(self), environment.name()) is None

    @property
    def silence(self) -> float:
        """Seconds since the last key."""
        return time.monotonic() - self._key_queue.last

    async def take_keys(self) -> None:
        """Handle the keys that were pressed before the window was seen, and then each new one."""
        await self._key_queue.begin()

    def keep_saving(self) -> None:
        """Start saving the state whenever it changes. Called after the form is restored, so that an
        app that ends earlier doesn't overwrite the saved form."""
        self._save_timer = self.set_interval(_SAVE_INTERVAL, self._save_changes)

    def _save_changes(self) -> None:
        before = self.state
        self._update_state()
        if self.state != before:
            self.save()

    def save(self) -> Future[None]:
        """Save form, prompts, sizes and theme on another thread."""
        self._update_state()
        return self._disk.submit(save_state, self.state)

    def _update_state(self) -> None:
        if self._save_timer is None:
            return
        self.state = replace(
            self.state,
            form=self.recipe.changed_texts,
            last_seed=self.recipe.last_seed,
            sizes=dict(self.main.window.sizes),
            # Another terminal may have more colours.
            theme=self._saved_theme if self.theme == self._first_theme else self.theme,
        )

    def give_up(self, failure: SdtuiError) -> None:
        """Exit with an error."""
        self.failure = failure
        self._app_shutdown.leave()

    def _stop(self) -> None:
        self.main.models.downloads.cancel()
        if self._backend is not None:
            self.main.queue.presenter.unsubscribe()
            self._backend.hardware.stop()

    def close_backend(self) -> bool:
        """Save the queue for the next start. Returns True if all work has stopped."""
        return self._backend is None or self._backend.close(_GRACE_SECONDS)

    async def action_quit(self) -> None:
        self._app_shutdown.quit(self.main.queue.loss)

    def action_help(self) -> None:
        self.show_keys()

    def show_keys(self) -> None:
        """Show the keys that work now; once more, the manual."""
        from sdtui.tui.screens.help import HelpScreen

        if isinstance(self.screen, HelpScreen):
            self.screen.answer_more()
            return
        title, about = self.main.about_focus if self.screen is self.main else ("", "")
        screen = HelpScreen(self.main, title or "Keys here", about)
        self.push_screen(screen, screen.follow)

    def action_command_palette(self) -> None:
        """Open the palette, unless it is open."""
        from sdtui.tui.screens.commands import CommandScreen

        def run(command: SystemCommand | None) -> None:
            if command is not None:
                self.call_later(command.callback)

        if not any(isinstance(screen, CommandScreen) for screen in self.screen_stack):
            self.push_screen(CommandScreen([*self.get_system_commands(self.main)]), run)

    def search_themes(self) -> None:
        """Let the user choose a theme."""
        from sdtui.tui.screens.commands import ThemeScreen

        self.push_screen(ThemeScreen("Theme", sorted(self.available_themes), self.theme))

    def action_redraw(self) -> None:
        """Draw everything again, as after the process was stopped."""
        write_to_terminal(self, "\x1b[0m\x1b[2J")
        redraw_terminal(self)
        self.app_resume_signal.publish(self)
        self.notify("Screen redrawn.", timeout=2)

    def action_next_theme(self) -> None:
        names = [theme.name for theme in OWN_THEMES]
        place = names.index(self.theme) + 1 if self.theme in names else 0
        self.theme = names[place % len(names)]
        self.notify(f"Theme: {self.theme}", timeout=2)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return False for what can't be done now: it isn't shown among the keys."""
        if action == "cancel":
            return self.screen is self.main and self.main.queue.can_stop
        return super().check_action(action, parameters)

    def action_cancel(self) -> None:
        """Stop the running job, by a key that cuts text in editors."""
        self.main.action_cancel()

    def action_help_quit(self) -> None:
        """Show how to quit, for users who press the usual keys of other programs."""
        if key := self.main.keys_shown.get("app.quit"):
            self.notify(f"Nothing is running. {key} quits.", timeout=3)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Yield every action, and the pages of the manual."""
        yield from palette_commands(self, self.main)
        yield SystemCommand(
            "Choose a theme · All themes, seen as you go", "", self.action_change_theme
        )

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """Show a message, and add it to the log.
        `markup` is ignored: messages hold paths, prompts and errors, which must not be read as
        markup, and Textual's widgets always pass True."""
        self.main.panes.log.add_message(_LEVELS[severity], message)
        self.show_message(message, title, severity, timeout)

    def show_message(
        self, message: str, title: str, severity: SeverityLevel, timeout: float | None
    ) -> None:
        """Show a message in the last line of the upper screen that has one."""
        text = visible(f"{title}: {message}" if title else message)
        for screen in reversed(self.screen_stack):
            for bar in screen.query(KeyBar):
                bar.show_message(text, severity, timeout)
                return

    def show_error(self, error: SdtuiError, *, is_logged: bool = False) -> None:
        """Show an error and its hint long enough to be read. `is_logged` is True if the log has it
        already."""
        if not is_logged:
            self.main.panes.log.add_message(EventLevel.ERROR, str(error))
        self.show_message(str(error), "", "error", _ERROR_SECONDS)

    def copy(self, text: str, name: str) -> None:
        """Copy a text with OSC 52 and to a file, since terminals don't confirm that they accepted
        it. `name` describes the text in the notification."""
        self.copy_to_clipboard(text)
        file = paths.state_folder() / "copied.txt"
        try:
            write_atomic(file, text.encode())
        except OSError as error:
            self.notify(
                f"{name} was copied, but isn't in {file}: {error.strerror}",
                severity="warning",
            )
        else:
            self.notify(f"{name} was copied · also in {file}")
