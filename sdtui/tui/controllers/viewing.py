"""Full screen, and comparing two pictures."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from sdtui.core.errors import HistoryError
from sdtui.tui.background import run_on_thread
from sdtui.tui.context import AppContext
from sdtui.tui.images.halfcell import Pixels
from sdtui.tui.images.loader import ShownPicture, made_from, picture_of
from sdtui.tui.images.zoom_view import ZoomView
from sdtui.tui.panes.collection import Panes

if TYPE_CHECKING:
    from sdtui.history import Entry
    from sdtui.requests.record import GenerationRecord
    from sdtui.tui.screens.compare import Compared
    from sdtui.tui.screens.picture import CurrentPicture, PictureScreen, StopJob

_OF_MARKED = ("compare", "mark", "undo", "export", "trash_view")
"""Verbs that don't mean the picture on the screen alone."""


class PerformVerb(Protocol):
    """Carries out a verb on pictures; by default on the marked ones or the current one."""

    def __call__(self, verb: str, entries: tuple[Entry, ...] | None = None) -> Awaitable[None]: ...


class ViewingController:
    """Opens these screens, and tells full screen of the current picture."""

    def __init__(
        self, context: AppContext, panes: Panes, perform: PerformVerb, stop: StopJob
    ) -> None:
        self._context = context
        self._panes = panes
        self._perform = perform
        self._stop = stop
        self.is_running = False
        """True while a job runs."""
        self._screen: PictureScreen | None = None
        """Full screen, while it is open."""
        self._entry: Entry | None = None
        """The current picture, if it is in the history."""
        self._shown: tuple[ShownPicture, tuple[ShownPicture, ...]] | None = None
        """The current picture and what it was made from; None while one is forming."""
        self._is_read = False
        """True if the record of the current entry was read."""

    @property
    def has_picture(self) -> bool:
        """True if there is a current picture, or one will be forming."""
        return self.is_running or self._shown is not None

    def show_forming(self, pixels: Pixels) -> None:
        """The current picture is forming."""
        self._entry = self._shown = None
        if self._screen is not None:
            self._screen.show_forming(pixels)

    def show(self, picture: ShownPicture, made_from: tuple[ShownPicture, ...]) -> None:
        """The current picture was just made."""
        self._entry, self._shown = None, (picture, made_from)
        self._follow()

    def show_nothing(self) -> None:
        """There is no current picture."""
        self._entry = self._shown = None
        self._follow()

    def show_entry(self, entry: Entry, record: GenerationRecord | None) -> None:
        """The current picture is in the history."""
        self._entry, self._shown = entry, (picture_of(entry), made_from(entry, record))
        self._is_read = record is not None
        self._follow()

    def _follow(self) -> None:
        if self._screen is not None:
            self._screen.show(self._current())

    def _current(self) -> CurrentPicture | None:
        from sdtui.tui.screens.picture import CurrentPicture

        if self._shown is None:
            return None
        current = CurrentPicture(*self._shown)
        entry = self._entry
        if entry is None:
            return current
        place, total = self._panes.gallery.place
        marked = entry.id in self._panes.gallery.grid.marked
        return replace(
            current,
            is_read=self._is_read,
            seed=entry.seed,
            starred=entry.starred,
            marked=marked,
            place=place,
            total=total,
        )

    def job_changed(self, *, is_running: bool) -> None:
        """A job has begun, or none runs any more."""
        self.is_running = is_running
        if self._screen is not None:
            self._screen.job_changed()

    def open_full_screen(self) -> None:
        """Show the current picture on the whole screen, also while one forms."""
        from sdtui.tui.screens.picture import PictureScreen

        current = self._current()
        if not self.has_picture:
            self._context.notify("There is no picture to show yet.", timeout=3)
            return
        stage = self._panes.stage
        screen = PictureScreen(
            self._new_view(),
            self._context.picture_loader,
            current,
            step=self._panes.gallery.step,
            perform=self._perform_here,
            stop=self._stop,
            is_running=lambda: self.is_running,
            forming=stage.view.pixel_view.pixels if current is None else None,
        )
        self._screen = stage.viewer = screen
        self._context.push_screen(screen, self._closed)

    def _closed(self, _: None) -> None:
        self._screen = self._panes.stage.viewer = None

    async def _perform_here(self, verb: str) -> None:
        """Carry out a verb on the picture on the screen, even if others are marked."""
        entry = self._panes.gallery.selected
        if verb in _OF_MARKED or entry is None:
            await self._perform(verb)
        else:
            await self._perform(verb, (entry,))
        self._follow()

    def _new_view(self) -> ZoomView:
        return ZoomView(self._context.new_picture_view(), over_ssh=self._context.over_ssh)

    def compare(self, first: Compared, second: Compared) -> None:
        """Compare two pictures."""
        from sdtui.tui.screens.compare import CompareScreen

        screen = CompareScreen(
            first,
            second,
            new_view=self._new_view,
            loader=self._context.picture_loader,
            perform=self._perform_on,
        )
        self._context.push_screen(screen)

    async def _perform_on(self, verb: str, entry: Entry) -> Entry | None:
        """Carry out a verb on a picture. Returns its new entry, or None if it is gone."""
        await self._perform(verb, (entry,))
        try:
            return await run_on_thread(partial(self._context.backend.pictures.get, entry.id))
        except HistoryError:
            return None
