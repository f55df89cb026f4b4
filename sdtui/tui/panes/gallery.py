"""The gallery: every picture as a thumbnail, with the search and what can be done with pictures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.binding import BindingType
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from sdtui.core.errors import SdtuiError
from sdtui.core.text import one_line
from sdtui.tui.bindings import bindings_in
from sdtui.tui.gallery.order import FORMING
from sdtui.tui.gallery.search import TRASH
from sdtui.tui.images.loader import PictureLoader
from sdtui.tui.messages import message
from sdtui.tui.panes.picture_list import PictureList
from sdtui.tui.widgets.search_line import SearchLine
from sdtui.tui.widgets.thumbnail_grid import ThumbnailGrid

if TYPE_CHECKING:
    from sdtui.history import Entry
    from sdtui.jobs import Pictures

_AGES_SECONDS = 30.0
"""Ages in headings are written anew so often."""


class Gallery(PictureList):
    """Lists pictures, newest first, and changes them."""

    TITLE = "Gallery"
    ABOUT = (
        'Every picture, newest first. / searches: words, "a phrase", -without, and fields such '
        "as model:pocket, w>=512, seed:42, star:yes, tag:cat or date:2026-11. Nothing is deleted: "
        "d moves into the trash, u undoes, T lists the trash."
    )
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_in("gallery"), *bindings_in("picture")]

    class Opened(Message):
        """The picture with the cursor was clicked twice."""

    class Left(Message):
        """The user leaves the gallery."""

    @message
    class Resized(Message):
        """The user made the thumbnails larger or smaller."""

        pitch: int
        """Tenths of columns from one to the next."""

    def __init__(
        self, id: str, open_pictures: Callable[[], Pictures], loader: PictureLoader
    ) -> None:
        super().__init__(id, open_pictures, loader)
        self.search_line = SearchLine(id="gallery-search")
        self._range_start: int | None = None
        """The id where marking a range began."""

    def contents(self) -> Sequence[Widget]:
        return (self.heading, self.search_line, self.grid)

    def focus_target(self) -> Widget:
        return self.grid

    def on_mount(self) -> None:
        super().on_mount()
        self.set_interval(_AGES_SECONDS, self.grid.refresh)
        self.app.theme_changed_signal.subscribe(self, lambda _: self._show_count())

    # The search

    def search(self, query: str) -> None:
        """List what a search finds, and show it in the search line."""
        self.search_line.add_class("-used")
        self.search_line.value = query

    def focus_search(self) -> None:
        """Write a search."""
        self.search_line.add_class("-used")
        self.screen.set_focus(self.search_line)

    @on(Input.Changed, "SearchLine")
    def _searched(self) -> None:
        if self.search_line.value != self._search.entered:
            self._load(self._search.enter(self.search_line.value))

    @on(SearchLine.Left)
    def _search_left(self) -> None:
        self.leave_search()
        self.screen.set_focus(self.grid)

    @on(Input.Submitted, "SearchLine")
    async def _search_done(self) -> None:
        """Go to the pictures, once there is something that the next key can act on."""
        await self._search.wait()
        if self.screen.focused is self.search_line:
            self.screen.set_focus(self.grid)
            self._hide_empty_search()

    def go_to(self, entry: int) -> None:
        """Put the cursor on a picture; a search that doesn't list it is left."""
        place = self.grid.order.place_of(entry)
        if place is not None:
            self.grid.cursor = place
            return
        self.leave_search()
        self._goal = entry
        self.reload()

    def leave_search(self) -> bool:
        """List everything again, around the same picture. Returns False if everything is listed
        already."""
        was_used = self.search_line.has_class("-used")
        self.search_line.value = ""
        if self._search.entered:
            self._load(self._search.enter(""))
        self._hide_empty_search()
        return was_used

    def _hide_empty_search(self) -> None:
        if not self.search_line.value:
            self.search_line.remove_class("-used")

    def _show_problem(self, problem: str) -> None:
        self.search_line.set_class(bool(problem), "-wrong")
        self.heading.show_problem(problem)

    @on(SearchLine.SaveWanted)
    @work
    async def action_save_search(self) -> None:
        """Save the search, or forget it if it is saved."""
        from sdtui.tui.saved_searches import toggle_search

        query = self.search_line.value.strip()
        if not query:
            self.notify("There is no search to save.")
            return
        try:
            is_saved = await asyncio.to_thread(toggle_search, query)
        except SdtuiError as error:
            self.notify(str(error), severity="error")
            return
        self.notify(f"{'Saved' if is_saved else 'Forgotten'}: {one_line(query)}")

    @on(SearchLine.ChoiceWanted)
    @work
    async def _choose_search(self) -> None:
        """Let the user choose from the saved searches."""
        from sdtui.tui.saved_searches import saved_searches
        from sdtui.tui.screens.search_dialog import ChooseScreen

        saved = await asyncio.to_thread(saved_searches)
        current = self.search_line.value
        names = [*dict.fromkeys((*saved, "star:yes", TRASH))]
        chosen = await self.app.push_screen_wait(ChooseScreen("Saved searches", names, current))
        if chosen is not None:
            self.search_line.value = chosen

    def action_leave(self) -> None:
        """Leave the search, or drop the marks, or leave the gallery."""
        if self.leave_search():
            return
        if self._marks:
            self.unmark()
        else:
            self.post_message(self.Left())

    def toggle_trash(self) -> None:
        """List the trash, or everything again."""
        if self.is_trash:
            self.leave_search()
        else:
            self.search(TRASH)

    # Moving and marking

    def action_left(self) -> None:
        self.grid.cursor -= 1

    def action_right(self) -> None:
        self.grid.cursor += 1

    def action_up(self) -> None:
        self.grid.move_rows(-1)

    def action_down(self) -> None:
        self.grid.move_rows(1)

    def action_page_up(self) -> None:
        self.grid.move_pages(-1)

    def action_page_down(self) -> None:
        self.grid.move_pages(1)

    def action_newest(self) -> None:
        """Go to the picture in progress, or to the first of the newest job."""
        self.follow()

    def action_last(self) -> None:
        self.grid.cursor = len(self.grid.order) - 1

    def action_larger(self) -> None:
        """Make the thumbnails larger."""
        self._change_cells(-1)

    def action_smaller(self) -> None:
        """Make the thumbnails smaller."""
        self._change_cells(1)

    def _change_cells(self, more: int) -> None:
        self.grid.change_cells(more)
        self.post_message(self.Resized(round(10 * (self.grid.pitch or 0))))

    def action_list(self) -> None:
        """Show a list in place of thumbnails, or thumbnails again."""
        self.grid.is_list = not self.grid.is_list

    def step(self, by: int) -> None:
        """Move the cursor by so many pictures."""
        self.grid.cursor += by

    def pair_to_compare(self) -> tuple[Entry, Entry] | None:
        """Return two pictures to compare: the two marked ones, or a marked one and the current.
        With none marked, mark the current one and return None."""
        marked, current = self.marked, self.selected
        if current is None or len(marked) > 2:
            self.notify("Mark two pictures to compare them.", timeout=3)
        elif len(marked) == 2:
            return marked[0], marked[1]
        elif marked and marked[0].id != current.id:
            self.unmark()
            return marked[0], current
        else:
            self._mark([current], marked=not marked)
            if not marked:
                self.notify("Marked. Press c on another picture to compare.", timeout=3)
        return None

    def toggle_mark(self) -> None:
        """Mark the current picture, or take the mark away, and go to the next."""
        entry = self.selected
        if entry is not None:
            self._mark([entry], marked=entry.id not in self._marks)
            self._range_start = entry.id
            self.grid.cursor += 1

    def action_mark_range(self) -> None:
        """Begin a range of marks, or mark all from its beginning to here."""
        current = self.grid.selected
        start = None if self._range_start is None else self.grid.order.place_of(self._range_start)
        if current is None or current == FORMING:
            return
        if start is None:
            self._range_start = current
            self.notify("V on another picture marks all from this one to that.", timeout=4)
            self.toggle_mark()
        else:
            self._mark_places(start, self.grid.cursor)
            self._range_start = None

    def action_mark_left(self) -> None:
        self._extend(self.action_left)

    def action_mark_right(self) -> None:
        self._extend(self.action_right)

    def action_mark_up(self) -> None:
        self._extend(self.action_up)

    def action_mark_down(self) -> None:
        self._extend(self.action_down)

    def _extend(self, move: Callable[[], None]) -> None:
        """Move, and mark all pictures on the way."""
        before = self.grid.cursor
        move()
        self._mark_places(before, self.grid.cursor)

    @on(ThumbnailGrid.Marked)
    def _marked_by_mouse(self, event: ThumbnailGrid.Marked) -> None:
        entry = self._known.get(self.grid.order.ids[event.first])
        if event.first != event.last:
            self._mark_places(event.first, event.last)
        elif entry is not None:
            self._mark([entry], marked=entry.id not in self._marks)

    @work
    async def _mark_places(self, first: int, last: int) -> None:
        """Mark all pictures between two places, also those that weren't read yet."""
        ids = self._ids(range(min(first, last), max(first, last) + 1))
        entries = {each: self._known.get(each) for each in ids}
        unread = [each for each, entry in entries.items() if entry is None]
        read: Sequence[Entry] = ()
        if unread and not self.is_trash:
            try:
                read = await asyncio.to_thread(self._open_pictures().entries_of, unread)
            except SdtuiError as error:
                self.notify(str(error), severity="error")
                return
        self._mark([*(each for each in entries.values() if each), *read], marked=True)

    @on(ThumbnailGrid.Opened)
    def _opened(self) -> None:
        self.post_message(self.Opened())
