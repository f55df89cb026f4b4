"""The preview pane: the picture as it forms, then the finished one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
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
from sdtui.tui.images.view import PictureView
from sdtui.tui.panes.pane import Pane

_LOCAL = (0.25, 90_000)
_OVER_SSH = (0.5, 22_000)
"""Seconds between two previews at the least, and bytes a second that they may cost."""


class PictureViewer(Protocol):
    """Shows a job's pictures on the whole screen."""

    def begin(self, init_image: Path | None) -> None:
        """A job begins."""
        ...

    def show_forming(self, pixels: Pixels) -> None:
        """Show the picture that is forming."""
        ...

    def cells(self, preview: Pixels) -> int:
        """Return how many cells a preview takes."""
        ...

    def add(self, path: Path) -> None:
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
        """Someone wants to see the picture on the whole screen."""

    index: reactive[int | None] = reactive(None)
    """Which picture is shown; None is all of them."""

    def __init__(self, id: str, *, picture_widget: type[Widget] | None, over_ssh: bool) -> None:
        super().__init__(id=id)
        self.view = PictureView(picture_widget)
        self.paths: tuple[Path, ...] = ()
        self.init_image: Path | None = None
        self._made: tuple[Path, ...] = ()
        """What the last job has finished, whatever is shown."""
        self._made_from: Path | None = None
        """That job's init image."""
        self._shows_kept = False
        """Whether a picture of the history is shown."""
        self.viewer: PictureViewer | None = None
        """What shows the same on the whole screen, while it is open."""
        self._before = False
        self._interval, self._budget = _OVER_SSH if over_ssh else _LOCAL
        self._next_preview = 0.0

    def compose(self) -> ComposeResult:
        """The welcome."""
        yield Static(id="welcome")

    def contents(self) -> Sequence[Widget]:
        """A place for pictures."""
        return (self.view,)

    def focus_target(self) -> Widget:
        """The pane itself."""
        return self

    def welcome(self, text: Text) -> None:
        """Say something while there is no picture yet."""
        self.query_one("#welcome", Static).update(text)
        self.add_class("-welcome")

    @property
    def is_welcoming(self) -> bool:
        """Whether there was no picture yet."""
        return self.has_class("-welcome")

    def wants_preview(self) -> bool:
        """Whether enough time has gone by since the last preview."""
        return time.monotonic() >= self._next_preview

    def show_preview(self, pixels: Pixels) -> None:
        """Show the picture that is forming, unless someone looks at one of the history."""
        self.remove_class("-welcome")
        if not self._shows_kept:
            self.view.show_pixels(pixels)
        cells = self.view.pixel_view.cells(pixels)
        if self.viewer is not None:
            self.viewer.show_forming(pixels)
            cells = self.viewer.cells(pixels)
        cost = cells * BYTES_A_CELL / self._budget
        self._next_preview = time.monotonic() + max(self._interval, cost)

    def begin(self, init_image: Path | None) -> None:
        """A job begins: what it will make is not here yet."""
        self._made, self._made_from, self._shows_kept = (), init_image, False
        self.paths = ()
        self.init_image = init_image
        self.count_in_title("")
        if self.viewer is not None:
            self.viewer.begin(init_image)

    def add(self, path: Path) -> None:
        """One more picture of the job is finished."""
        self._made = (*self._made, path)
        self._shows_kept = False
        self.init_image = self._made_from
        self.show_paths(self._made)
        if self.viewer is not None:
            self.viewer.add(path)

    def show_kept(self, path: Path, init_image: Path | None) -> None:
        """Show a picture of the history, until the next one is finished."""
        self._shows_kept = True
        self.init_image = init_image
        self.show_paths((path,))

    def show_paths(self, paths: Sequence[Path]) -> None:
        """Show finished pictures: all of them, until someone steps through."""
        self.remove_class("-welcome")
        self.paths = tuple(paths)
        self._before = False
        self.set_reactive(PreviewPane.index, None)
        self._show()

    def watch_index(self) -> None:
        """Another picture is to be shown."""
        self._before = False
        self._show()

    @property
    def shown(self) -> tuple[Path, ...]:
        """The pictures that are seen now."""
        if self._before and self.init_image is not None:
            return (self.init_image,)
        return self.paths if self.index is None else (self.paths[self.index],)

    def _show(self) -> None:
        if not self.paths:
            return
        self.view.show_paths(self.shown)
        if self._before:
            self.count_in_title("· before")
        elif len(self.paths) > 1:
            place = "all" if self.index is None else str(self.index + 1)
            self.count_in_title(f"{place} of {len(self.paths)}")
        else:
            self.count_in_title("")

    def action_next(self) -> None:
        """The next picture."""
        if len(self.paths) > 1:
            self.index = 0 if self.index is None else (self.index + 1) % len(self.paths)

    def action_previous(self) -> None:
        """The picture before."""
        if len(self.paths) > 1:
            self.index = ((self.index or 0) - 1) % len(self.paths)

    def action_grid(self) -> None:
        """All pictures."""
        self.index = None

    def action_before_after(self) -> None:
        """The init image, or the picture again."""
        if self.init_image is None:
            self.notify("This picture was made without an init image.", markup=False)
        else:
            self._before = not self._before
            self._show()

    def action_open(self) -> None:
        """On the whole screen."""
        self.post_message(self.FullScreen())
