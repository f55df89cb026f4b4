"""Sending to the terminal, on a thread of its own."""

from __future__ import annotations

import logging
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sdtui.tui.terminal.cell_writer import SYNC_BEGIN, SYNC_END, Abilities, CellWriter
from sdtui.tui.terminal.cells import CellGrid
from sdtui.tui.terminal.flow import Flow
from sdtui.tui.terminal.raster import Rasters

_KITTY = "\x1b_G"
_KITTY_COMMAND = re.compile(r"\x1b_G.*?\x1b\\", re.DOTALL)
_LEAST_BYTES = 200
"""Bytes. It isn't worth the while to send less of a frame."""
_ANSWER_SECONDS = 1.0
"""How long the end waits for the terminal's answer, which the shell would get otherwise."""
_END_SECONDS = 2.0
"""How long the last text may take, to a terminal that takes no more."""
_log = logging.getLogger(__name__)


class TerminalOutput:
    """Sends control sequences in their order, and after them what changed on the screen since it
    was last sent: of frames that come faster than the terminal takes them only the last is sent.
    On a slow line no more is on its way than the line takes in a moment; text goes first, then
    pictures."""

    def __init__(
        self,
        send: Callable[[str], None],
        wanted: CellGrid,
        abilities: Abilities,
        rasters: Rasters | None = None,
        flow: Flow | None = None,
    ) -> None:
        """`send` hands a text to the terminal, and may block. `wanted` is what the terminal should
        show; nothing is known of what it shows. Without a flow the line counts as fast."""
        self._send = send
        self._wanted = wanted
        self._writer = CellWriter(wanted.width, wanted.height, abilities, rasters)
        if rasters is not None:
            rasters.ready = self._draw_again
        self._changed = threading.Condition()
        """Guards all below and the grids."""
        self._texts: list[str] = []
        self._kitty_commands: deque[str] = deque()
        self.flow = flow
        self._cursor = (0, 0)
        self._synchronizes = False
        self._draws = True
        self._has_frame = False
        self._is_drawing = False
        """True while a frame is made ready to be sent."""
        self._knows_screen = True
        """False if something else may have drawn on the terminal's screen."""
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, name="terminal-output", daemon=True)

    def start(self) -> None:
        """Start sending."""
        self._thread.start()

    def write(self, text: str) -> None:
        """Send control sequences that draw nothing."""
        with self._changed:
            if self.flow and text.startswith(_KITTY):
                self._kitty_commands.extend(_KITTY_COMMAND.findall(text))
            else:
                self._texts.append(text)
            self._changed.notify()

    @property
    def is_behind(self) -> bool:
        """True while something waits to be sent."""
        return self._has_frame or self._is_drawing or bool(self._kitty_commands)

    def answered(self) -> None:
        """Called when the terminal has answered the flow's question."""
        with self._changed:
            if self.flow:
                self.flow.answered()
                self._changed.notify()

    @contextmanager
    def frame(self, cursor: tuple[int, int], *, synchronizes: bool) -> Iterator[CellGrid]:
        """Change what the terminal should show. `cursor` is the row and column of its cursor."""
        with self._changed:
            yield self._wanted
            self._cursor = cursor
            self._synchronizes = synchronizes
            self._draw_again()

    def _draw_again(self) -> None:
        """Send what could not be sent before."""
        with self._changed:
            self._has_frame = self._draws
            self._changed.notify()

    def forget(self) -> None:
        """Send the whole screen again, as something else may have drawn on it."""
        with self._changed:
            self._knows_screen = False
            self._draw_again()

    def stop_frames(self) -> None:
        """Send no more frames, not even the last."""
        with self._changed:
            self._draws = self._has_frame = False

    def await_answers(self) -> None:
        """Wait a moment for answers that the terminal still owes."""
        with self._changed:
            if flow := self.flow:
                self._changed.wait_for(lambda: not flow.is_waiting, _ANSWER_SECONDS)

    def stop(self) -> None:
        """Send what was written, and stop."""
        with self._changed:
            self._is_ending = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(_END_SECONDS)

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
        while not text:
            with self._changed:
                self._changed.wait_for(self._has_work, self.flow.patience if self.flow else None)
                text = "".join(self._texts)
                self._texts.clear()
                if self._is_ending:
                    break
                free = self._free_bytes()
                frame = self._take_frame() if free != 0 else None
                if frame is None and free != 0 and self._kitty_commands:
                    text += self._kitty_commands.popleft()
            if frame is not None:
                text += self._drawn(*frame, free)
            if self.flow and text:
                with self._changed:
                    text += self.flow.sent(len(text.encode(errors="replace")))
        return text

    def _has_work(self) -> bool:
        if self._texts or self._is_ending:
            return True
        return self.is_behind and self._free_bytes() != 0

    def _free_bytes(self) -> int | None:
        free = self.flow.free_bytes() if self.flow else None
        return free if free is None or free >= _LEAST_BYTES else 0

    def _take_frame(self) -> tuple[CellGrid, tuple[int, int], bool] | None:
        """Return a copy of what the terminal should show, its cursor, and whether frames are
        synchronized; None if it shows that already."""
        if not self._has_frame:
            return None
        if not self._knows_screen:
            self._writer.forget()
        self._has_frame, self._is_drawing, self._knows_screen = False, True, True
        return self._wanted.copy(), self._cursor, self._synchronizes

    def _drawn(
        self, wanted: CellGrid, cursor: tuple[int, int], synchronizes: bool, free: int | None
    ) -> str:
        """Return what can be sent of a frame. Called without the lock: the app mustn't wait while
        a whole picture is compared and written."""
        frame, is_whole = self._writer.update(wanted, cursor, free)
        with self._changed:
            self._is_drawing = False
            if not self._draws:
                return ""
            self._has_frame = self._has_frame or not is_whole
        return f"{SYNC_BEGIN}{frame}{SYNC_END}" if frame and synchronizes else frame
