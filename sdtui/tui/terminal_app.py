"""An app in a terminal: its driver, its keys in their order, messages, themes."""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING

from textual import events
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.notifications import SeverityLevel

from sdtui.core.text import visible
from sdtui.tui.keymap import current_keymap
from sdtui.tui.terminal import environment
from sdtui.tui.terminal.driver import terminal_driver
from sdtui.tui.terminal.key_queue import KeyQueue
from sdtui.tui.terminal.probe import TerminalCapabilities
from sdtui.tui.terminal.symbols import substitutes
from sdtui.tui.textual_internals.driver import redraw_terminal, terminal_encoding, write_to_terminal
from sdtui.tui.textual_internals.screens import OpaqueScreensApp, apply_theme_variables
from sdtui.tui.themed_app import ThemedApp
from sdtui.tui.themes import OWN_THEMES, check_theme, first_theme
from sdtui.tui.widgets.key_bar import KeyBar

if TYPE_CHECKING:
    from sdtui.core.settings import Settings


class TerminalApp(ThemedApp, OpaqueScreensApp, inherit_bindings=False):
    """The base of what sdtui shows in a terminal."""

    def __init__(
        self,
        settings: Settings,
        theme: str,
        *,
        early_input: bytes = b"",
        terminal: TerminalCapabilities,
    ) -> None:
        """`theme` is the one that the user chose last. `early_input` is what the terminal sent
        before the app started."""
        # Both are read when the driver is chosen, by Textual's constructor.
        self._early_input = early_input
        self.terminal = terminal
        super().__init__()
        self.settings = settings
        # Before the styles are read: a later change would read them all again.
        colours = {"standard": 16, "windows": 16}.get(self.console.color_system or "", 256)
        check_theme(settings.theme)
        self.first_theme = first_theme(theme, colours)
        """The theme to begin with: the terminal may have too few colours for the chosen one."""
        self.theme = self.first_theme
        apply_theme_variables(self)
        self.set_keymap(current_keymap(settings.keys))
        self._key_queue = KeyQueue(self, super().on_event)

    def on_mount(self) -> None:
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
        """Handle the keys that were pressed before the app was seen, and then each new one."""
        await self._key_queue.begin()

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

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """Show a message. `markup` is ignored: messages hold paths, prompts and errors, which must
        not be read as markup, and Textual's widgets always pass True."""
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
