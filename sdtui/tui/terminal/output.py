"""Sending to the terminal, on a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sdtui.tui.terminal.cell_writer import SYNC_BEGIN, SYNC_END, Abilities, CellWriter
from sdtui.tui.terminal.cells import CellGrid
from sdtui.tui.terminal.raster import Rasters

_log = logging.getLogger(__name__)


class TerminalOutput:
    """Sends control sequences in their order, and after them what changed on the screen since it
    was last sent: of frames that come faster than the terminal takes them only the last is sent."""

    def __init__(
        self,
        send: Callable[[str], None],
        wanted: CellGrid,
        abilities: Abilities,
        rasters: Rasters | None = None,
    ) -> None:
        """`send` hands a text to the terminal, and may block. `wanted` is what the terminal should
        show; nothing is known of what it shows."""
        self._send = send
        self._wanted = wanted
        self._writer = CellWriter(wanted.width, wanted.height, abilities, rasters)
        if rasters is not None:
            rasters.ready = self._draw_again
        self._changed = threading.Condition()
        """Guards all below and the grids."""
        self._texts: list[str] = []
        self._cursor = (0, 0)
        self._synchronizes = False
        self._draws = True
        self._has_frame = False
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, name="terminal-output", daemon=True)

    def start(self) -> None:
        """Start sending."""
        self._thread.start()

    def write(self, text: str) -> None:
        """Send control sequences that draw nothing."""
        with self._changed:
            self._texts.append(text)
            self._changed.notify()

    @contextmanager
    def frame(self, cursor: tuple[int, int], *, synchronizes: bool) -> Iterator[CellGrid]:
        """Change what the terminal should show. `cursor` is the row and column of its cursor."""
        with self._changed:
            yield self._wanted
            self._cursor = cursor
            self._synchronizes = synchronizes
            self._has_frame = self._draws
            self._changed.notify()

    def _draw_again(self) -> None:
        """Send what could not be sent before."""
        with self._changed:
            self._has_frame = self._draws
            self._changed.notify()

    def forget(self) -> None:
        """Send the whole screen again, as something else may have drawn on it."""
        with self._changed:
            self._writer.forget()
            self._has_frame = self._draws
            self._changed.notify()

    def stop_frames(self) -> None:
        """Send no more frames, not even the last."""
        with self._changed:
            self._draws = self._has_frame = False

    def stop(self) -> None:
        """Send what was written, and stop."""
        with self._changed:
            self._is_ending = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while text := self._next():
            try:
                self._send(text)
            except OSError as error:  # the terminal is gone; a signal ends the app
                _log.warning("the terminal takes no more: %s", error)
                return

    def _next(self) -> str:
        """Wait for something to send; "" means the end."""
        text = ""
        with self._changed:
            while not text:
                self._changed.wait_for(lambda: self._texts or self._has_frame or self._is_ending)
                text = "".join(self._texts)
                self._texts.clear()
                if self._is_ending:
                    break
                if self._has_frame:
                    text += self._next_frame()
        return text

    def _next_frame(self) -> str:
        self._has_frame = False
        frame, _ = self._writer.update(self._wanted, self._cursor)
        return f"{SYNC_BEGIN}{frame}{SYNC_END}" if frame and self._synchronizes else frame
