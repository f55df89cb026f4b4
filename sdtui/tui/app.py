"""SdtuiApp: themes, keys, saved state and notifications around the main screen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.notifications import SeverityLevel
from textual.screen import Screen
from textual.timer import Timer

from sdtui.core import paths
from sdtui.core.enums import EventLevel
from sdtui.core.files import write_atomic
from sdtui.core.settings import LAST_THEME
from sdtui.tui.bindings import bindings_in
from sdtui.tui.external_editor import ExternalEditor
from sdtui.tui.images.loader import PictureLoader
from sdtui.tui.images.view import PictureView
from sdtui.tui.palette import palette_commands
from sdtui.tui.recipe import Recipe
from sdtui.tui.screens.main import MainScreen
from sdtui.tui.shutdown import Shutdown
from sdtui.tui.state import load_state, save_state
from sdtui.tui.terminal.probe import UNKNOWN_TERMINAL, TerminalCapabilities
from sdtui.tui.terminal_app import TerminalApp
from sdtui.tui.textual_internals.screens import add_stylesheet

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


class SdtuiApp(TerminalApp, inherit_bindings=False):
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
        state = load_state()
        self._saved_theme = state.theme if settings.theme == LAST_THEME else settings.theme
        super().__init__(settings, self._saved_theme, early_input=early_input, terminal=terminal)
        self.state = state
        self.over_ssh = over_ssh
        self.colours_note = colours_note
        self._picture_widget = picture_widget
        self.picture_loader = PictureLoader(lambda: self.backend.pictures)
        self._open_backend = open_backend
        self._backend: Backend | None = None
        self._opening = threading.Lock()
        self.failure: SdtuiError | None = None
        """Why the app had to end."""
        self.recipe = Recipe(settings.request_defaults())
        self.main = MainScreen(self)
        self.editor = ExternalEditor(self)
        self._app_shutdown = Shutdown(
            self, stop=self._stop, save=self.save, close_backend=self.close_backend
        )
        # One thread, so that the newest state is written last.
        self._disk = ThreadPoolExecutor(1, "sdtui-state")
        self._save_timer: Timer | None = None

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

    def on_ready(self) -> None:
        """Open the main screen. Earlier, while Textual holds back drawing, it would be laid out and
        drawn twice, and its styles, as the app's own, be read twice."""
        add_stylesheet(self, Path(__file__).parent / "screens" / "main.tcss")
        self.push_screen(self.main)

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
            theme=self._saved_theme if self.theme == self.first_theme else self.theme,
        )

    def give_up(self, failure: SdtuiError) -> None:
        """Exit with an error."""
        self.failure = failure
        self._app_shutdown.leave()

    def _stop(self) -> None:
        if self._backend is None or not self._backend.keeps_running:
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

    def action_captions(self) -> None:
        """Ask for a folder of this machine, and edit its captions."""
        from sdtui.tui.folder_choice import ask_for_folder
        from sdtui.tui.screens.captions import CaptionScreen

        title = "Edit the captions of the pictures in which folder"
        ask_for_folder(self, title, lambda folder: self.push_screen(CaptionScreen(self, folder)))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Yield every action, and the pages of the manual."""
        yield from palette_commands(self, self.main)
        yield SystemCommand(
            "Choose a theme · All themes, seen as you go", "", self.action_change_theme
        )
        yield SystemCommand(
            "Captions · Edit captions of pictures to learn", "", self.action_captions
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
        """Show a message, and add it to the log."""
        self.main.panes.log.add_message(_LEVELS[severity], message)
        super().notify(message, title=title, severity=severity, timeout=timeout)

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
