"""The stage: the current picture, or the one that is forming."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar, Protocol

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from sdtui.core.text import one_line
from sdtui.tui.bindings import bindings_in
from sdtui.tui.images.halfcell import BYTES_A_CELL, Pixels
from sdtui.tui.images.loader import ShownPicture
from sdtui.tui.images.view import PictureView
from sdtui.tui.messages import message
from sdtui.tui.panes.pane import Pane
from sdtui.tui.textual_internals.driver import line_is_busy, line_is_measured

_LOCAL = (0.25, 90_000)
_OVER_SSH = (0.5, 22_000)
"""Minimum seconds between two previews, and the bytes per second that they may take."""


class PictureViewer(Protocol):
    """Shows the current picture on the whole screen."""

    def cells(self, preview: Pixels) -> int:
        """Return how many cells a preview takes."""
        ...


class Stage(Pane, can_focus=True):
    """Shows previews, newest only and paced, and else the current picture."""

    TITLE = "Picture"
    ABOUT = (
        "The current picture: the one that is forming, or the one under the gallery's cursor. All "
        "keys of pictures work here too. b switches between the picture, the image that it was "
        "made from, and its control maps."
    )
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_in("picture"), *bindings_in("stage")]
    DEFAULT_CSS = """
    Stage {
        & > #welcome { display: none; width: 1fr; height: 1fr; padding: 0 1; }
        &.-welcome > #welcome { display: block; }
        &.-welcome > PictureView { display: none; }
    }
    """

    @message
    class Step(Message):
        """The user wants another picture: the next one, or the one before for -1."""

        by: int

    def __init__(self, view: PictureView, *, over_ssh: bool) -> None:
        super().__init__(id="stage")
        self.view = view
        self.picture: ShownPicture | None = None
        """The finished picture that is shown; None while one is forming."""
        self.made_from: tuple[ShownPicture, ...] = ()
        """The image that it was made from, and its control maps."""
        self.viewer: PictureViewer | None = None
        """The screen that shows the forming picture too, while it is open."""
        self._place = 0
        """Of the image that is shown among these, from 1; 0 for the picture itself."""
        self._interval, self._budget = _OVER_SSH if over_ssh else _LOCAL
        self._next_preview = 0.0

    def compose(self) -> ComposeResult:
        yield Static(id="welcome")

    def contents(self) -> Sequence[Widget]:
        return (self.view,)

    def focus_target(self) -> Widget:
        return self

    def welcome(self, text: Text) -> None:
        """Show a text while there is no picture yet."""
        self.query_one("#welcome", Static).update(text)
        self.add_class("-welcome")

    @property
    def is_welcoming(self) -> bool:
        """True until there is a picture."""
        return self.has_class("-welcome")

    def begin(self) -> None:
        """Called when a job begins. Its first preview comes at once."""
        self._next_preview = 0.0

    def wants_preview(self) -> bool:
        """True if enough time has passed since the last preview, and the line is free."""
        return time.monotonic() >= self._next_preview and not line_is_busy(self.app)

    def show_forming(self, pixels: Pixels, made_from: tuple[ShownPicture, ...]) -> None:
        """Show the picture in progress."""
        self.remove_class("-welcome")
        self.picture, self.made_from, self._place = None, made_from, 0
        self.view.show_pixels(pixels)

    def count_preview(self, pixels: Pixels) -> None:
        """Wait with the next preview, as long as this one takes on the line if that isn't known."""
        wait = self._interval
        if not line_is_measured(self.app):
            cells = (self.viewer or self.view.pixel_view).cells(pixels)
            wait = max(wait, cells * BYTES_A_CELL / self._budget)
        self._next_preview = time.monotonic() + wait

    def show(self, picture: ShownPicture | None, made_from: tuple[ShownPicture, ...] = ()) -> None:
        """Show a finished picture, or none."""
        if picture is not None:
            self.remove_class("-welcome")
        is_new = picture is None or self.picture is None or picture.path != self.picture.path
        self.picture, self.made_from = picture, made_from
        if is_new or self._place:
            self._place = 0
            self._show()

    @property
    def shown(self) -> ShownPicture | None:
        """The finished picture, or the image that is shown in its place."""
        return self.made_from[self._place - 1] if self._place else self.picture

    def _show(self) -> None:
        self.view.show_picture(self.shown)

    def action_before_after(self) -> None:
        if not self.made_from:
            self.notify("This picture was made without an init image.")
        elif self.picture is not None:
            self._place = (self._place + 1) % (len(self.made_from) + 1)
            self._show()
            if self.shown is not None and len(self.made_from) > 1:
                self.notify(one_line(self.shown.path.name), timeout=2)

    def action_next(self) -> None:
        self.post_message(self.Step(1))

    def action_previous(self) -> None:
        self.post_message(self.Step(-1))
