"""The app and its screens, drawn no more often than needed."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, TypeVar

from rich.console import RenderableType
from textual._compositor import CompositorUpdate
from textual.app import App
from textual.reactive import Reactive
from textual.screen import Screen

from sdtui.tui.textual_internals.driver import AdaptableDriver, redraw_terminal

Result = TypeVar("Result")

_log = logging.getLogger(__name__)


class OpaqueScreensApp(App[int], inherit_bindings=False):
    """An app that doesn't draw what an opaque screen covers, and logs its own errors."""

    @property
    def _background_screens(self) -> list[Screen[Any]]:
        """Textual always counts the screen below the upper one as visible: whatever changed there,
        a picture on the whole screen would be drawn and sent to the terminal again."""
        is_covered = self.screen_stack and self.screen.styles.background.a == 1
        return [] if is_covered else super()._background_screens

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        """Textual would send the whole of what it has drawn, and not only what changed."""
        driver = self._driver
        if not isinstance(driver, AdaptableDriver) or not isinstance(renderable, CompositorUpdate):
            super()._display(screen, renderable)
        elif driver.draws and self._running and not self._closed and not self._batch_count:
            driver.show(renderable, screen, self.console, synchronizes=self._sync_available)
            self.post_display_hook()

    def on_resize(self) -> None:
        """Draw all: a terminal that is resized and back again may have lost what it showed."""
        redraw_terminal(self)

    def _handle_exception(self, error: Exception) -> None:
        _log.error("the app met an error", exc_info=error)
        super()._handle_exception(error)

    def _fatal_error(self) -> None:
        """End the app. Textual would print the traceback with all local variables."""
        self._close_messages_no_wait()


class SteadyScreen(Screen[Result]):
    """A screen that isn't drawn anew as a whole when the focus moves."""

    focused = Reactive(None, repaint=False)


def is_first_resume(screen: Screen[Any]) -> bool:
    """True while a screen has never been covered or uncovered."""
    return screen.stack_updates == 0


def add_stylesheet(app: App[Any], file: Path) -> None:
    """Add a stylesheet for the next screen. The styles of existing widgets aren't updated."""
    app.stylesheet.add_source(file.read_text(encoding="utf-8"), (str(file), ""))


def apply_theme_variables(app: App[Any]) -> None:
    """Give the stylesheet the theme's variables before it is first read."""
    app.stylesheet.set_variables(app.get_css_variables())
