"""Everything that the app uses of Textual beyond its public interface, in one place.

Before Textual is upgraded, each of these has to be compared with the new version's code; then
CHECKED_VERSION is set to it.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from rich.color import ColorSystem
from rich.console import Console, RenderableType
from rich.style import Style
from rich.text import Text
from textual import events
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual._xterm_parser import _MAX_SEQUENCE_SEARCH_THRESHOLD, XTermParser
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message
from textual.reactive import Reactive
from textual.screen import Screen
from textual.scrollbar import ScrollBar
from textual.strip import SGR_STYLES, Strip
from textual.widgets import Input, TextArea

from sdtui.tui.terminal.cell_writer import Abilities
from sdtui.tui.terminal.cells import PLAIN, CellGrid, Look
from sdtui.tui.terminal.flow import Flow
from sdtui.tui.terminal.output import TerminalOutput
from sdtui.tui.terminal.raster import Rasters

Result = TypeVar("Result")

CHECKED_VERSION = "8.2.8"

LONGEST_SEQUENCE = _MAX_SEQUENCE_SEARCH_THRESHOLD
"""Characters; Textual takes longer sequences for keys, letter by letter."""

_log = logging.getLogger(__name__)


class KeyParser(XTermParser):
    """Textual's parser of what a terminal sends."""

    @property
    def is_inside_sequence(self) -> bool:
        """True while the parser waits for the rest of a sequence."""
        return self._timeout_time is not None

    def end_sequence(self) -> Iterator[Message]:
        """Stop waiting for the rest of a sequence, and yield what it is without."""
        if self.is_inside_sequence:
            self._timeout_time = 0.0
            yield from XTermParser.tick(self)

    def key_events(self, sequence: str, alt: bool) -> Iterator[events.Key]:
        """Yield the keys of a sequence."""
        yield from super()._sequence_to_key_events(sequence, alt)

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterator[events.Key]:
        yield from self.key_events(sequence, alt)


def is_written_with_alt(sequence: str) -> bool:
    """True if Textual takes an escape and this digit or letter for what a Mac writes with alt."""
    return len(sequence) == 2 and isinstance(ANSI_SEQUENCES_KEYS.get(sequence), str)


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

    def forget_screen(self) -> None:
        """Send the whole screen again: something else may have drawn on it."""
        self.output.forget()

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


class KeyInput(Input):
    """An input whose subclasses decide which keys it takes and how its text is drawn."""

    def refuses(self, event: events.Key) -> bool:
        """Return True for a key that must not be handled as text."""
        return False

    def drawn_text(self) -> Text:
        """Return the text as it is drawn."""
        return super()._value

    def paste(self, text: str) -> None:
        """Insert a pasted text; it is all of it."""
        self.replace(text, *self.selection)

    def _on_paste(self, event: events.Paste) -> None:
        """Textual takes the first line only."""
        event.prevent_default()
        event.stop()
        self.paste(event.text)

    async def _on_key(self, event: events.Key) -> None:
        if self.refuses(event):
            event.prevent_default()
        else:
            await super()._on_key(event)

    @property
    def _value(self) -> Text:
        return self.drawn_text()


class KeyTextArea(TextArea):
    """A text area whose subclasses decide which keys it takes, and can handle them after it."""

    def refuses(self, event: events.Key) -> bool:
        """Return True for a key that must not be handled as text."""
        return False

    async def after_key(self, event: events.Key) -> None:
        """Called after Textual has handled a key."""

    def after_paste(self, pasted: str, before: str) -> None:
        """Called after Textual has inserted a pasted text; `before` is the whole text without
        it."""

    async def _on_paste(self, event: events.Paste) -> None:
        event.prevent_default()
        before = self.text
        await super()._on_paste(event)
        self.after_paste(event.text, before)

    async def _on_key(self, event: events.Key) -> None:
        if self.refuses(event):
            event.prevent_default()
            return
        await super()._on_key(event)
        await self.after_key(event)


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
        app._driver.forget_screen()


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


def draw_update(
    update: CompositorUpdate, screen: Screen[Any], console: Console, grid: CellGrid
) -> None:
    """Draw what Textual has drawn into a grid."""
    system = console._color_system or ColorSystem.TRUECOLOR
    if isinstance(update, LayoutUpdate):
        if (grid.width, grid.height) != update.region.size:
            grid.resize(*update.region.size)
        for y, (strips, cuts) in enumerate(
            zip(update.strips, screen._compositor.cuts, strict=False)
        ):
            for strip, x, end in zip(strips, cuts, cuts[1:], strict=False):
                _draw_strip(grid, y, x, end, strip, system)
    elif isinstance(update, ChopsUpdate):
        for y, x1, x2 in update.spans:
            chops: dict[int, Strip | None] = dict(update.chops[y]) if y < grid.height else {}
            for (x, chop), end in zip(chops.items(), update.chop_ends[y], strict=False):
                if chop is not None and x <= x2 and end > x1:
                    right = min(end, x2)
                    cropped = chop if end == right else chop.crop(0, right - x)
                    _draw_strip(grid, y, x, right, cropped, system)


def _draw_strip(
    grid: CellGrid, y: int, x: int, end: int, strip: Strip, system: ColorSystem
) -> None:
    right = min(end, grid.width)
    for text, style, control in strip._segments:
        if x < right and not control:
            x = grid.put(y, x, text, _look(style, system), right)


@lru_cache(maxsize=20_000)
def _look(style: Style | None, system: ColorSystem) -> Look:
    """Return how a style is sent to a terminal."""
    if style is None:
        return PLAIN
    bits = style._attributes & style._set_attributes
    attributes = ";".join(sgr for bit, sgr in enumerate(SGR_STYLES) if bits & 1 << bit)
    foreground, background = (
        ";".join(color.downgrade(system).get_ansi_codes(is_foreground)) if color else ""
        for color, is_foreground in ((style._color, True), (style._bgcolor, False))
    )
    return Look(
        attributes,
        "" if foreground == "39" else foreground,
        "" if background == "49" else background,
        style._link or "",
    )


def is_first_resume(screen: Screen[Any]) -> bool:
    """True while a screen has never been covered or uncovered."""
    return screen.stack_updates == 0


def set_scrollbar_length(scrollbar: ScrollBar, lines: int) -> None:
    """Tell a scrollbar how many lines there are, without a new layout."""
    scrollbar.window_virtual_size = lines


def add_stylesheet(app: App[Any], file: Path) -> None:
    """Add a stylesheet for the next screen. The styles of existing widgets aren't updated."""
    app.stylesheet.add_source(file.read_text(encoding="utf-8"), (str(file), ""))


def apply_theme_variables(app: App[Any]) -> None:
    """Give the stylesheet the theme's variables before it is first read."""
    app.stylesheet.set_variables(app.get_css_variables())


def apply_styles_now(screen: Screen[Any]) -> None:
    """Apply the styles of changed classes at once, and not with the next frame."""
    screen.app.stylesheet.update(screen)
