"""The driver of the terminal, and what the app sends to it."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import Any

from rich.console import Console
from textual._compositor import CompositorUpdate
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.screen import Screen

from sdtui.tui.terminal.cell_writer import Abilities
from sdtui.tui.terminal.cells import CellGrid
from sdtui.tui.terminal.flow import Flow
from sdtui.tui.terminal.output import TerminalOutput
from sdtui.tui.terminal.raster import Rasters
from sdtui.tui.textual_internals.drawing import draw_update


class AdaptableDriver(LinuxDriver):
    """Textual's driver with the hooks that ours needs. It draws on stdout if stderr is no terminal;
    the size of the terminal counts more than COLUMNS and LINES; a process that was stopped without
    notice gets its terminal back; and an error while input is read ends the app as any other."""

    def __init__(
        self,
        app: App[Any],
        *,
        debug: bool = False,
        mouse: bool = True,
        size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        is_terminal = sys.__stderr__ is not None and sys.__stderr__.isatty()
        screen = sys.__stderr__ if is_terminal else sys.__stdout__
        assert screen is not None
        self._screen = self._file = screen
        self._draws = False
        """True in application mode."""
        self.rasters = Rasters()
        """The pictures that are drawn over cells."""
        self._grid = CellGrid(0, 0)
        self.output = self._new_output()

    @property
    def _writer_thread(self) -> Any:
        """What sends to the terminal. Textual's thread queues whole frames."""
        return self.output

    @_writer_thread.setter
    def _writer_thread(self, _: object) -> None:
        """Textual's own is never used."""

    def _new_output(self) -> TerminalOutput:
        return TerminalOutput(self.send, self._grid, self.abilities, self.rasters, self.new_flow())

    def new_flow(self) -> Flow | None:
        """Return the control of the line's flow, None if the line counts as fast."""
        return None

    @property
    def abilities(self) -> Abilities:
        """What the terminal can do."""
        return Abilities()

    def send(self, text: str) -> None:
        """Hand a text to the terminal. Called on the thread that sends."""
        self._screen.write(text)
        self._screen.flush()

    def show(
        self, update: CompositorUpdate, screen: Screen[Any], console: Console, *, synchronizes: bool
    ) -> None:
        """Show what changed on the screen."""
        column, row = screen.outer_size.clamp_offset(screen.app.cursor_position)
        with self.output.frame((row, column), synchronizes=synchronizes) as grid:
            draw_update(update, screen, console, grid)

    def answered(self) -> None:
        """Called when the terminal has answered the question of the flow."""
        self.output.answered()

    @property
    def encoding(self) -> str:
        """The encoding of what is sent to the terminal."""
        return self._screen.encoding

    @property
    def draws(self) -> bool:
        """True while the terminal is the app's."""
        return self._draws

    def start_application_mode(self) -> None:
        """Set the terminal up for the app."""
        self.output = self._new_output()
        super().start_application_mode()  # type: ignore[no-untyped-call]
        self._draws = True

    def stop_application_mode(self) -> None:
        """Restore the terminal."""
        self.stop_drawing()
        super().stop_application_mode()

    def stop_drawing(self) -> None:
        """Stop sending what is on the screen."""
        self._draws = False
        self.output.stop_frames()
        self.output.await_answers()

    def _sigtstp_application(self, *_: object) -> None:
        """Give the terminal back, unless that was done already, and stop."""
        if self._draws:
            super()._sigtstp_application()
        else:
            os.kill(os.getpid(), signal.SIGSTOP)

    def _sigcont_application(self, *_: object) -> None:
        """Go on. After SIGSTOP, which no program can handle, the modes are those of the shell."""
        if self._draws:
            self.suspend_application_mode()
            self._must_signal_resume = True
        if self._must_signal_resume:
            self.resume_application_mode()

    def _get_terminal_size(self) -> tuple[int, int]:
        with suppress(OSError):
            columns, rows = os.get_terminal_size(self._screen.fileno())
            if columns and rows:
                return columns, rows
        return super()._get_terminal_size()

    def _run_input_thread(self) -> None:
        try:
            self.run_input_thread()
        except Exception as error:  # noqa: BLE001 - handed to the app, which ends and logs it
            self._app.call_later(self._app._handle_exception, error)


def write_to_terminal(app: App[Any], text: str) -> None:
    """Send text to the terminal through the writer that also sends the screen's updates; a second
    writer would mix with it."""
    if app._driver is not None:
        app._driver.write(text)


def terminal_encoding(app: App[Any]) -> str:
    """Return the encoding of what is sent to the terminal; without one, UTF-8."""
    return app._driver.encoding if isinstance(app._driver, AdaptableDriver) else "utf-8"


def redraw_terminal(app: App[Any]) -> None:
    """Send the whole screen to the terminal again, as something else may have drawn on it."""
    if isinstance(app._driver, AdaptableDriver):
        app._driver.output.forget()


def rasters_of(app: App[Any]) -> Rasters:
    """Return the pictures that the terminal draws over cells; without a terminal, some that nobody
    draws."""
    return app._driver.rasters if isinstance(app._driver, AdaptableDriver) else Rasters()


def line_is_busy(app: App[Any]) -> bool:
    """True while the last frame is on its way to the terminal."""
    return isinstance(app._driver, AdaptableDriver) and app._driver.output.is_behind


def line_is_measured(app: App[Any]) -> bool:
    """True if frames are sent at the pace of the line to the terminal."""
    return isinstance(app._driver, AdaptableDriver) and app._driver.output.flow is not None
