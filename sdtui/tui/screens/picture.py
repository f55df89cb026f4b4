"""The current picture on the whole screen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Static

from sdtui.core.errors import ImageError
from sdtui.core.text import end_of, one_line
from sdtui.tui.bindings import bindings_in, bindings_of
from sdtui.tui.images.halfcell import Pixels
from sdtui.tui.images.loader import LARGEST_SIDE, PictureLoader, ShownPicture
from sdtui.tui.images.zoom_view import ZoomView
from sdtui.tui.screens.zooming import ZoomingScreen
from sdtui.tui.styles import theme_style
from sdtui.tui.widgets.key_bar import KeyBar

_SHORTEST_PATH = 12
"""Columns of the caption's path."""
BACK_TO_WINDOW = ("mask", "reuse", "reuse_new_seed", "start_from", "trash_view")
"""Verbs whose result is seen in the window."""


class StopJob(Protocol):
    """Stops the running job, now or after the picture under way."""

    def __call__(self, *, after_picture: bool) -> None: ...


@dataclass(frozen=True)
class CurrentPicture:
    """The picture under the gallery's cursor, as full screen shows it."""

    picture: ShownPicture
    made_from: tuple[ShownPicture, ...] = ()
    is_read: bool = True
    """False until its record was read: what it was made from isn't known yet."""
    seed: int | None = None
    starred: bool = False
    marked: bool = False
    place: int = 0
    """1 for the gallery's first picture; 0 if it is unknown."""
    total: int = 0

    @property
    def path(self) -> Path:
        return self.picture.path


class PictureScreen(ZoomingScreen[None]):
    """Shows the current picture as large as the terminal, or a part of it. It is told of another
    one by `show` and of the forming one by `show_forming`."""

    CSS_PATH = "picture.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings_in("viewer"),
        *ZoomingScreen.ZOOM_BINDINGS,
        *bindings_in("full_screen"),
        *bindings_in("picture"),
        *bindings_of("window.cancel", "window.stop_after"),
    ]

    def __init__(
        self,
        view: ZoomView,
        loader: PictureLoader,
        current: CurrentPicture | None,
        *,
        step: Callable[[int], None],
        perform: Callable[[str], Awaitable[None]],
        stop: StopJob,
        is_running: Callable[[], bool],
        forming: Pixels | None = None,
    ) -> None:
        """`step` makes the next picture of the gallery the current one, or the one before.
        `perform` carries out a verb of pictures. `forming` is shown if there is no current
        picture."""
        super().__init__()
        self._view = view
        self._loader = loader
        self._current = current
        self._step = step
        self._perform = perform
        self._forming = forming
        """The picture that is forming, while there is no finished one."""
        self._stop = stop
        self._is_running = is_running
        self._place = 0
        """Of the image that is shown among those that it was made from, from 1; 0 for itself."""
        self._wants_before = False
        """True if the first of these is to be shown as soon as it is known."""
        self._caption = Static(id="caption")

    def compose(self) -> ComposeResult:
        yield self._view
        yield self._caption
        yield KeyBar()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Let jobs be stopped only while one runs."""
        if action in ("cancel", "stop_after"):
            return self._is_running()
        return super().check_action(action, parameters)

    def on_mount(self) -> None:
        self._read(self._shown)
        self.show_caption()

    def on_resize(self) -> None:
        self.show_caption()

    def zoom_views(self) -> tuple[ZoomView]:
        return (self._view,)

    def cells(self, preview: Pixels) -> int:
        """Return how many cells a preview takes."""
        return self._view.view.pixel_view.cells(preview)

    def show_forming(self, pixels: Pixels) -> None:
        """Show the picture that is forming."""
        self._current, self._forming = None, pixels
        self._place, self._wants_before = 0, False
        self._view.show_pixels(pixels)
        self.show_caption()

    def job_changed(self) -> None:
        """Called when a job has begun or ended."""
        self.refresh_bindings()

    def show(self, current: CurrentPicture | None) -> None:
        """Show another picture, or the same with other marks."""
        before = self._current
        self._current, self._forming = current, None
        is_other = current is None or before is None or current.path != before.path
        if current is None or is_other or self._place > len(current.made_from):
            self._place, self._wants_before = 0, False
            self._read(self._shown)
        elif self._wants_before and current.is_read:
            self._wants_before = False
            self.action_before_after()
        self.show_caption()

    @property
    def _shown(self) -> ShownPicture | None:
        if self._current is None:
            return None
        return self._current.made_from[self._place - 1] if self._place else self._current.picture

    @work(exclusive=True)
    async def _read(self, picture: ShownPicture | None) -> None:
        if picture is None:
            self._view.show_pixels(self._forming)
            self.show_caption()
            return
        try:
            image = await asyncio.to_thread(self._loader.load, picture, LARGEST_SIDE)
        except ImageError as error:
            self._view.show_problem(error)
            self.show_caption()
            return
        self._view.show(image)
        self.show_caption()

    def show_caption(self) -> None:
        """Show what is known of the picture in the line under it."""
        current, shown = self._current, self._shown
        if current is None or shown is None:
            self._caption.update("" if self._forming is None else "forming")
            return
        caption = Text()
        if current.place:
            caption.append(f"{current.place}/{current.total}   ")
        if current.starred:
            caption.append("★   ", theme_style(self.app, "star"))
        if current.marked:
            caption.append("● marked   ", theme_style(self.app, "marked"))
        if self._place:
            caption.append("before   ")
        elif current.seed is not None:
            caption.append(f"seed {current.seed}   ")
        if self._view.caption:
            caption.append(f"{self._view.caption}   ")
        space = max(_SHORTEST_PATH, self.size.width - caption.cell_len - 2)
        self._caption.update(caption.append(end_of(one_line(str(shown.path)), space)))

    def action_close(self) -> None:
        self.dismiss(None)

    def action_back(self) -> None:
        self.dismiss(None)

    def action_next(self) -> None:
        self._step(1)

    def action_previous(self) -> None:
        self._step(-1)

    def action_before_after(self) -> None:
        """Switch to the next of the images that it was made from, and back."""
        if self._current is None:
            return
        if not self._current.is_read:
            self._wants_before = not self._wants_before
        elif not self._current.made_from:
            self.notify("This picture was made without an init image.", timeout=3)
        else:
            self._place = (self._place + 1) % (len(self._current.made_from) + 1)
            self._read(self._shown)
            self.show_caption()

    async def action_verb(self, verb: str) -> None:
        """Carry out a verb on this picture."""
        if verb == "open" or verb in BACK_TO_WINDOW:
            self.dismiss(None)
        if verb != "open":
            await self._perform(verb)

    def action_cancel(self) -> None:
        self._stop(after_picture=False)

    def action_stop_after(self) -> None:
        self._stop(after_picture=True)
