"""Two pictures compared: side by side, in turns, divided, or by their difference."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Static

from sdtui.core.errors import ImageError
from sdtui.core.text import one_line
from sdtui.tui.bindings import bindings_in
from sdtui.tui.images.difference import Difference, difference, divided, on_one_canvas
from sdtui.tui.images.loader import LARGEST_SIDE, PictureLoader, picture_of
from sdtui.tui.images.zoom import Zoom
from sdtui.tui.images.zoom_view import ZoomView
from sdtui.tui.record_differences import different_fields
from sdtui.tui.screens.picture import BACK_TO_WINDOW
from sdtui.tui.screens.zooming import ZoomingScreen
from sdtui.tui.styles import theme_style
from sdtui.tui.widgets.difference_table import DifferenceTable
from sdtui.tui.widgets.key_bar import KeyBar

if TYPE_CHECKING:
    from PIL.Image import Image

    from sdtui.history import Entry
    from sdtui.requests.record import GenerationRecord

_DIVIDER_STEP = 0.05
"""The part of what is seen by which a key moves the divider."""
_NAMES = "AB"
_ELSEWHERE = ("open", "compare", "mark")
"""Verbs that make no sense while two pictures are compared."""


class Mode(StrEnum):
    """How two pictures are compared; the values are what the caption calls it."""

    SIDE_BY_SIDE = "side by side"
    DIVIDER = "divider"
    DIFFERENCE = "difference"
    ONE = "one at a time"


_IN_TURN = (Mode.SIDE_BY_SIDE, Mode.DIVIDER, Mode.DIFFERENCE)


@dataclass(frozen=True)
class Compared:
    """A picture and how it was made."""

    entry: Entry
    record: GenerationRecord


class CompareScreen(ZoomingScreen[None]):
    """Compares picture A with picture B. Both have the same size on the screen, are magnified and
    moved together, and one of them is the side that the keys of pictures mean."""

    CSS_PATH = "picture.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings_in("viewer"),
        *bindings_in("compare"),
        *ZoomingScreen.ZOOM_BINDINGS,
        *bindings_in("picture"),
    ]

    def __init__(
        self,
        first: Compared,
        second: Compared,
        *,
        new_view: Callable[[], ZoomView],
        loader: PictureLoader,
        perform: Callable[[str, Entry], Awaitable[Entry | None]],
    ) -> None:
        """`perform` carries out a verb on a picture and returns its new entry, or None if it is
        gone."""
        super().__init__()
        self.sides = [first, second]
        self.side = 1
        """0 if the keys of pictures mean A, 1 for B."""
        self.mode = Mode.SIDE_BY_SIDE
        self._loader = loader
        self._perform = perform
        self._images: tuple[Image, Image] | None = None
        self._difference: Difference | None = None
        self._sizes: tuple[tuple[int, int], tuple[int, int]] | None = None
        self._divider = 0.5
        """Where A ends and B begins, as a fraction of what is seen."""
        self._views = (new_view(), new_view())
        self._view = new_view()
        self._view.add_class("single")
        self._names = (Static(classes="name"), Static(classes="name"))
        self._table = DifferenceTable()
        self._caption = Static(id="caption")

    def compose(self) -> ComposeResult:
        with Horizontal(id="compared"):
            yield from self._views
            yield self._view
        with Horizontal(id="names"):
            yield from self._names
        with VerticalScroll(id="differences", can_focus=False):
            yield self._table
        yield self._caption
        yield KeyBar()

    def on_mount(self) -> None:
        first, second = self.sides
        self._table.show(different_fields(first.record, second.record))
        self._set_mode(Mode.SIDE_BY_SIDE)
        self._read()

    def on_resize(self) -> None:
        half = max(1, (self.size.width - 1) // 2)
        for each in (*self._views, *self._names):
            each.styles.width = half
        for each in (self._views[1], self._names[1]):
            each.styles.margin = (0, 0, 0, self.size.width - 2 * half)

    @work(exclusive=True)
    async def _read(self) -> None:
        read = [await asyncio.to_thread(self._load, each.entry) for each in self.sides]
        first, second = read
        if isinstance(first, ImageError) or isinstance(second, ImageError):
            self._show_what_is_there(read)
            return
        same_size = await asyncio.to_thread(on_one_canvas, first, second)
        self._difference = await asyncio.to_thread(difference, *same_size)
        self._sizes, self._images = (first.size, second.size), same_size
        self._show()

    def _load(self, entry: Entry) -> Image | ImageError:
        try:
            return self._loader.load(picture_of(entry), LARGEST_SIDE)
        except ImageError as error:
            return error

    def _show_what_is_there(self, read: Sequence[Image | ImageError]) -> None:
        """Show why there is nothing to compare, and the picture that can be read, if one can."""
        for view, image in zip(self._views, read, strict=True):
            if isinstance(image, ImageError):
                view.show_problem(image)
                self._view.show_problem(image)
            else:
                view.show(image)

    def resized(self) -> None:
        self._show()

    def zoom_views(self) -> Sequence[ZoomView]:
        return self._views if self.mode is Mode.SIDE_BY_SIDE else (self._view,)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("divider_left", "divider_right"):
            return self.mode is Mode.DIVIDER
        if action == "verb" and parameters[0] in _ELSEWHERE:
            return False
        return super().check_action(action, parameters)

    def _set_mode(self, mode: Mode) -> None:
        self.mode = mode
        self.set_class(mode is Mode.SIDE_BY_SIDE, "-side-by-side")
        self.set_class(mode is Mode.ONE, "-one")
        self.refresh_bindings()
        self._show()

    def _show(self) -> None:
        self._show_images()
        self._show_names()
        self.show_caption()

    def _show_images(self) -> None:
        views = self.zoom_views()
        if self._images is not None and all(view.size for view in views):
            for view, image in zip(views, self._shown(), strict=True):
                view.zoom = self.zoom
                view.show(image)

    def _shown(self) -> tuple[Image, ...]:
        """Return what the visible views show."""
        assert self._images is not None
        assert self._difference is not None
        match self.mode:
            case Mode.SIDE_BY_SIDE:
                return self._images
            case Mode.ONE:
                return (self._images[self.side],)
            case Mode.DIFFERENCE:
                return (self._difference.image,)
        first, second = self._images
        part = self.zoom.viewport(first, self._view.area)
        column = round(part.left + part.width * self._divider)
        line = math.ceil(1 / self.zoom.scale_in(first, self._view.area))
        return (divided(first, second, column, line),)

    def _show_names(self) -> None:
        """Show the names under the pictures, that of the side that keys mean bright."""
        for number, (widget, each) in enumerate(zip(self._names, self.sides, strict=True)):
            is_chosen = number == self.side
            widget.set_class(is_chosen, "-chosen")
            text = Text(f"{'▸' if is_chosen else ' '}{_NAMES[number]}  ")
            if each.entry.starred:
                text.append("★ ", theme_style(self.app, "star"))
            widget.update(text.append(one_line(each.entry.path.name)))

    def show_caption(self) -> None:
        parts = [str(self.mode), self.zoom_views()[0].caption]
        if self.mode is Mode.DIFFERENCE and self._difference is not None:
            found = self._difference
            parts += [f"mean {found.mean:.1f}, largest {found.largest} of 255 · ×{found.gain}"]
        if self._sizes is not None and self._sizes[0] != self._sizes[1]:
            (width, height), (other_width, other_height) = self._sizes
            parts += [f"A {width}×{height} and B {other_width}×{other_height} in the same size"]
        text = "   ".join(part for part in parts if part)
        self._caption.update(Text(text))

    def drag(self, event: ZoomView.Dragged) -> None:
        """Move the divider to the pointer, or the pictures with it."""
        if self.mode is not Mode.DIVIDER or self._images is None or not self._view.size:
            super().drag(event)
            return
        first, area = self._images[0], self._view.area
        part = self.zoom.viewport(first, area)
        column, _ = self.zoom.point_at(event.at, first, area)
        self._move_divider((column - part.left) / part.width - self._divider)

    def set_zoom(self, zoom: Zoom) -> None:
        """Magnify and move both; the divider stays where it is seen."""
        super().set_zoom(zoom)
        if self.mode is Mode.DIVIDER:
            self._show_images()

    def _move_divider(self, by: float) -> None:
        self._divider = min(1.0, max(0.0, self._divider + by))
        self._show_images()

    def action_close(self) -> None:
        self.dismiss(None)

    def action_next_mode(self) -> None:
        place = _IN_TURN.index(self.mode) + 1 if self.mode in _IN_TURN else 0
        self._set_mode(_IN_TURN[place % len(_IN_TURN)])

    def action_flip(self) -> None:
        """Show one picture in the place of the other."""
        if self.mode is Mode.ONE:
            self._choose_side(1 - self.side)
        else:
            self._set_mode(Mode.ONE)

    def action_first(self) -> None:
        self._choose_side(0)

    def action_second(self) -> None:
        self._choose_side(1)

    def _choose_side(self, side: int) -> None:
        """Let the keys of pictures mean A or B."""
        self.side = side
        if self.mode is Mode.ONE:
            self._show()
        else:
            self._show_names()

    async def action_verb(self, verb: str) -> None:
        """Carry out a verb on the chosen side."""
        side = self.sides[self.side]
        if verb in BACK_TO_WINDOW:
            self.dismiss(None)
            await self._perform(verb, side.entry)
            return
        entry = await self._perform(verb, side.entry)
        if not self.is_current:  # it was left meanwhile
            return
        if entry is None:
            self.dismiss(None)
        else:
            self.sides[self.side] = replace(side, entry=entry)
            self._show_names()

    def action_divider_left(self) -> None:
        self._move_divider(-_DIVIDER_STEP)

    def action_divider_right(self) -> None:
        self._move_divider(_DIVIDER_STEP)

    def action_scroll_up(self) -> None:
        self.query_one("#differences").scroll_page_up(animate=False)

    def action_scroll_down(self) -> None:
        self.query_one("#differences").scroll_page_down(animate=False)
