"""The preview pane: the picture as it forms, then the finished one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar, Protocol

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static

from sdtui.tui.bindings import bindings_in
from sdtui.tui.images.halfcell import BYTES_A_CELL, Pixels
from sdtui.tui.images.loader import ShownPicture
from sdtui.tui.images.view import PictureView
from sdtui.tui.panes.pane import Pane

_LOCAL = (0.25, 90_000)
_OVER_SSH = (0.5, 22_000)
"""Minimum seconds between two previews, and the bytes per second that they may take."""


class PictureViewer(Protocol):
    """Shows a job's pictures on the whole screen."""

    def begin(self, init_image: ShownPicture | None) -> None:
        """Called when a job begins."""
        ...

    def show_forming(self, pixels: Pixels) -> None:
        """Show the picture in progress."""
        ...

    def cells(self, preview: Pixels) -> int:
        """Return how many cells a preview takes."""
        ...

    def add(self, picture: ShownPicture) -> None:
        """Show one more finished picture."""
        ...


class PreviewPane(Pane, can_focus=True):
    """Shows previews, newest only and paced, and then what was saved."""

    TITLE = "Preview"
    ABOUT = (
        "The picture as it forms, then the finished one. With several pictures, left and right "
        "step through them and g shows them all. b switches between the picture and the init "
        "image that it was made from."
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings_in("preview")
    DEFAULT_CSS = """
    PreviewPane {
        & > #welcome { display: none; width: 1fr; height: 1fr; padding: 0 1; }
        &.-welcome > #welcome { display: block; }
        &.-welcome > PictureView { display: none; }
    }
    """

    class FullScreen(Message):
        """The user wants to see the picture on the whole screen."""

    index: reactive[int | None] = reactive(None)
    """Index of the picture; None means all of them."""

    def __init__(self, id: str, view: PictureView, *, over_ssh: bool) -> None:
        super().__init__(id=id)
        self.view = view
        self.pictures: tuple[ShownPicture, ...] = ()
        self.init_image: ShownPicture | None = None
        self._job_pictures: tuple[ShownPicture, ...] = ()
        """The finished pictures of the last job, whatever is shown."""
        self._job_init_image: ShownPicture | None = None
        """The last job's init image."""
        self._shows_history = False
        """True while a picture of the history is shown."""
        self.viewer: PictureViewer | None = None
        """The screen that shows the same pictures, while it is open."""
        self._before = False
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

    def wants_preview(self) -> bool:
        """True if enough time has passed since the last preview."""
        return time.monotonic() >= self._next_preview

    def show_preview(self, pixels: Pixels) -> None:
        """Show the picture in progress, unless a picture of the history is shown."""
        self.remove_class("-welcome")
        if not self._shows_history:
            self.view.show_pixels(pixels)
        cells = self.view.pixel_view.cells(pixels)
        if self.viewer is not None:
            self.viewer.show_forming(pixels)
            cells = self.viewer.cells(pixels)
        cost = cells * BYTES_A_CELL / self._budget
        self._next_preview = time.monotonic() + max(self._interval, cost)

    def begin(self, init_image: ShownPicture | None) -> None:
        """Called when a job begins."""
        self._job_pictures, self._job_init_image, self._shows_history = (), init_image, False
        self.pictures = ()
        self.init_image = init_image
        self.set_count("")
        if self.viewer is not None:
            self.viewer.begin(init_image)

    def add(self, picture: ShownPicture) -> None:
        """Show one more finished picture of the job."""
        self._job_pictures = (*self._job_pictures, picture)
        self._shows_history = False
        self.init_image = self._job_init_image
        self.show_pictures(self._job_pictures)
        if self.viewer is not None:
            self.viewer.add(picture)

    def show_from_history(self, picture: ShownPicture, init_image: ShownPicture | None) -> None:
        """Show a picture of the history, until the next one is finished."""
        self._shows_history = True
        self.init_image = init_image
        self.show_pictures((picture,))

    def show_pictures(self, pictures: Sequence[ShownPicture]) -> None:
        """Show finished pictures: all of them, until someone steps through."""
        self.remove_class("-welcome")
        self.pictures = tuple(pictures)
        self._before = False
        self.set_reactive(PreviewPane.index, None)
        self._show()

    def watch_index(self) -> None:
        self._before = False
        self._show()

    @property
    def shown(self) -> tuple[ShownPicture, ...]:
        """The pictures that are shown now."""
        if self._before and self.init_image is not None:
            return (self.init_image,)
        return self.pictures if self.index is None else (self.pictures[self.index],)

    def _show(self) -> None:
        if not self.pictures:
            return
        self.view.show_pictures(self.shown)
        if self._before:
            self.set_count("· before")
        elif len(self.pictures) > 1:
            place = "all" if self.index is None else str(self.index + 1)
            self.set_count(f"{place} of {len(self.pictures)}")
        else:
            self.set_count("")

    def action_next(self) -> None:
        if len(self.pictures) > 1:
            self.index = 0 if self.index is None else (self.index + 1) % len(self.pictures)

    def action_previous(self) -> None:
        if len(self.pictures) > 1:
            self.index = ((self.index or 0) - 1) % len(self.pictures)

    def action_grid(self) -> None:
        self.index = None

    def action_before_after(self) -> None:
        if self.init_image is None:
            self.notify("This picture was made without an init image.")
        else:
            self._before = not self._before
            self._show()

    def action_open(self) -> None:
        self.post_message(self.FullScreen())
