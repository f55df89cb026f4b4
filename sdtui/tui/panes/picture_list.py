"""The list of pictures in the gallery: what it shows, its cursor, and the picture in progress."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from textual import on, work
from textual.message import Message
from textual.timer import Timer

from sdtui.core import paths
from sdtui.core.errors import InvalidRequestError, SdtuiError
from sdtui.core.text import one_line
from sdtui.tui.background import run_on_thread
from sdtui.tui.gallery.entries import KnownEntries
from sdtui.tui.gallery.listing import Listing, Wanted, read_listing
from sdtui.tui.gallery.order import FORMING
from sdtui.tui.gallery.search import TRASH, GallerySearch, Load
from sdtui.tui.images.halfcell import Pixels
from sdtui.tui.images.loader import PictureLoader, picture_of
from sdtui.tui.images.thumbnail_files import ThumbnailFiles
from sdtui.tui.images.thumbnails import Thumbnails
from sdtui.tui.messages import message
from sdtui.tui.panes.pane import Pane
from sdtui.tui.widgets.gallery_heading import GalleryHeading
from sdtui.tui.widgets.grid_texts import Forming
from sdtui.tui.widgets.thumbnail_grid import ThumbnailGrid

if TYPE_CHECKING:
    from pathlib import Path

    from sdtui.history import Entry
    from sdtui.jobs import Job, Pictures
    from sdtui.requests.record import GenerationRecord

_SELECTION_SECONDS = 0.12
"""Seconds that the cursor must rest before the picture under it is read."""
_AHEAD = 60
"""Places before and after the visible ones whose entries are read with them."""


class PictureList(Pane):
    """Lists what a search finds. All access to the disk is on other threads."""

    @message
    class Moved(Message):
        """The cursor is on another picture. There is no entry if it is in progress, or hasn't been
        read yet."""

        entry: Entry | None

    @message
    class Selected(Message):
        """The cursor rests on a picture, which was read. Both are None if there is no picture, or
        it is in progress."""

        entry: Entry | None
        record: GenerationRecord | None

    def __init__(
        self, id: str, open_pictures: Callable[[], Pictures], loader: PictureLoader
    ) -> None:
        super().__init__(id=id)
        self._open_pictures = open_pictures
        self._loader = loader
        self._known = KnownEntries()
        self.thumbnails = Thumbnails(self._thumbnail_files, self._thumbnails_drawn)
        self.heading = GalleryHeading(id="gallery-heading")
        self.grid = ThumbnailGrid(self._known, self.thumbnails, id="gallery-grid")
        self._search = GallerySearch()
        self._listing: Listing | None = None
        self._marks: dict[int, Entry] = {}
        self._current: int | None = None
        """The id of the picture that was current last."""
        self._announced: Entry | None = None
        """The entry of the last `Selected`."""
        self._goal: int | None = None
        """The id that gets the cursor as soon as it is listed."""
        self._seen: int | None = None
        """The newest id when the listed search began."""
        self._selection_timer: Timer | None = None
        self._missing: Path | None = None
        """The last picture found missing, while it is still listed."""
        self._unread: list[int] = []
        """Ids of visible pictures whose entries are to be read next."""
        self._is_reading = False

    def on_unmount(self) -> None:
        self.thumbnails.close()

    @property
    def selected(self) -> Entry | None:
        """The picture with the cursor; None if there is none, or it is in progress."""
        current = self.grid.selected
        return None if current is None else self._known.get(current)

    @property
    def marked(self) -> tuple[Entry, ...]:
        """The marked pictures, in the order in which they were marked."""
        return tuple(self._known.get(each) or entry for each, entry in self._marks.items())

    @property
    def chosen(self) -> tuple[Entry, ...]:
        """The marked pictures, or else the current one."""
        selected = self.selected
        return self.marked or (() if selected is None else (selected,))

    @property
    def is_at_newest(self) -> bool:
        """True while the cursor is on the first picture of the newest job or the one in progress,
        and follows new ones."""
        return self.grid.cursor == 0 and not self.is_trash

    @property
    def is_trash(self) -> bool:
        """True while the trash is listed."""
        return self._search.listed.strip() == TRASH

    @property
    def place(self) -> tuple[int, int]:
        """The place of the picture with the cursor, from 1 on, and how many there are."""
        has_forming = self.grid.forming is not None and self.grid.order.place_of(FORMING) == 0
        return self.grid.cursor + 1 - has_forming, self.total

    @property
    def total(self) -> int:
        """How many pictures are listed."""
        return 0 if self._listing is None else self._listing.order.pictures

    def reload(self) -> None:
        """Read the list again. Until that is done, keys act on what is listed."""
        self._known.outdate()
        for load in self._search.reload():
            self._load(load)

    async def list_changed(self) -> None:
        """List pictures again that were changed. Returns when that is done."""
        self._known.outdate()
        await self._read(self._search.reload()[0])

    def begin(self, job: Job) -> None:
        """Show a job's picture in progress in the first place. The cursor goes there, unless the
        user has moved it away from the newest picture."""
        from sdtui.history import first_id

        prompt, count = job.request.prompt, job.request.num_images_per_prompt
        since = None if job.grid is None else first_id(job.grid.grid.time)
        self.grid.forming = Forming(prompt, count, since)
        if self.is_at_newest:
            self._goal = FORMING
        self.reload()

    def follow(self) -> None:
        """Put the cursor on the first place, and on the next picture in progress."""
        self.grid.cursor = 0

    def show_forming(self, pixels: Pixels | None, progress: str = "") -> None:
        """Show a preview of the picture in progress, and how far it is, such as "12/20"."""
        forming = self.grid.forming
        if forming is not None:
            forming.pixels = pixels or forming.pixels
            forming.progress = progress or forming.progress
            self.grid.refresh_entry(FORMING)

    def finish(self) -> None:
        """Show no picture in progress any more. If the cursor is there, it goes to the first one
        that was made."""
        self.grid.forming = None
        self.reload()

    @work
    async def _load(self, load: Load) -> None:
        await self._read(load)

    async def _read(self, load: Load) -> None:
        search, change = self._search, self._known.change
        forming = self.grid.forming
        seen = self._seen if load.query == search.listed else None
        since = None if forming is None else forming.since
        wanted = Wanted(
            load.query, self._goal or self.grid.selected, forming is not None, since, seen
        )
        try:
            listing = await asyncio.to_thread(read_listing, self._open_pictures(), wanted)
        except InvalidRequestError as error:
            if load.query == search.entered:
                self._show_problem(one_line(error.problems[0].message))
            return
        except SdtuiError as error:
            self.notify(str(error), severity="error")
            return
        finally:
            search.end(load)
        if forming is not None and forming.since is None and listing.trash_bytes is None:
            forming.since = listing.newest + 1
        before = search.listed
        if search.accept(load):
            if search.answers(load):
                self._show_problem("")
            self._show(listing, change, before)

    def _show_problem(self, problem: str) -> None:
        """Say what is wrong with the search; "" if nothing is."""

    def _show(self, listing: Listing, change: int, query_before: str) -> None:
        grid, order = self.grid, listing.order
        is_new = self._search.listed != query_before
        if TRASH in (query_before.strip(), self._search.listed.strip()) and is_new:
            self._known.clear()
            self.unmark()
        self._known.add([entry.id for entry in listing.entries], listing.entries, change)
        if all(entry.path != self._missing for entry in listing.entries):
            self._missing = None
        if is_new:
            self._seen = listing.newest
        self._listing, grid.highlighted = listing, self._search.listed
        goal = None if self._goal is None else order.place_of(self._goal)
        if goal is not None:
            self._goal = None
        elif is_new and self._search.listed.strip():
            goal = order.first_finished
        elif not is_new and self.is_at_newest:
            goal = 0
        grid.show(order, order.place_near(grid.order, grid.cursor) if goal is None else goal)
        self._look()
        self._check_current()

    def _show_count(self) -> None:
        """Show where the cursor is and how many pictures are listed."""
        listing, grid = self._listing, self.grid
        if listing is None:
            return
        grid.empty = f" {listing.empty_text}"
        count = f"{self.total:,}"
        if self.total and grid.selected not in (None, FORMING):
            count = f"{self.place[0]:,}/{count}"
        notes = [f"{len(self._marks):,} marked"] if self._marks else []
        text = None
        if len(grid.order):
            has_heading = grid.shows_own_heading
            text = grid.texts.about(grid.cursor, self.heading.columns, has_heading=has_heading)
        self.heading.show(text, " · ".join([*notes, *listing.notes]), count + listing.found)

    @on(ThumbnailGrid.Looked)
    def _look(self) -> None:
        """Read what is needed for the visible pictures."""
        grid = self.grid
        places = grid.visible_places()
        shown = list(places)
        if len(grid.order):
            shown += [grid.cursor, grid.order.group_at(grid.cursor).start]
        missing = self._known.missing(self._ids(shown))
        if missing:
            first, after = max(0, places.start - _AHEAD), min(places.stop + _AHEAD, len(grid.order))
            self._unread = self._known.missing(self._ids([*shown, *range(first, after)]))
            if not self._is_reading:
                self._is_reading = True
                self._read_entries()
        entries = (self._known.get(each) for each in self._ids(places))
        if not grid.shape.is_list:
            pictures = [picture_of(entry) for entry in entries if entry is not None]
            self.thumbnails.request(pictures, grid.frame)
        self._show_count()

    def _ids(self, places: Iterable[int]) -> list[int]:
        ids = self.grid.order.ids
        found = (ids[place] for place in places if place < len(ids))
        return list(dict.fromkeys(each for each in found if each != FORMING))

    @work
    async def _read_entries(self) -> None:
        """Read entries until none of the visible ones is missing."""
        try:
            while ids := self._known.missing(self._unread):
                self._unread, change = [], self._known.change
                if self.is_trash:
                    break  # all of it was read at once
                entries = await asyncio.to_thread(self._open_pictures().entries_of, ids)
                self._known.add(ids, entries, change)
                self.grid.refresh()
                self._look()
                self._check_current()
        except SdtuiError as error:
            self.notify(str(error), severity="error")
        finally:
            self._is_reading = False

    def _thumbnail_files(self) -> ThumbnailFiles:
        return ThumbnailFiles(paths.cache_folder() / "thumbnails", self._loader)

    def _thumbnails_drawn(self) -> None:
        """Called on other threads."""
        self.call_later(self._show_thumbnails)

    def _show_thumbnails(self) -> None:
        entries = {entry.path: entry.id for entry in self._visible_entries()}
        for picture in self.thumbnails.take_new():
            if picture.path in entries:
                self.grid.refresh_entry(entries[picture.path])

    def _visible_entries(self) -> Iterable[Entry]:
        found = map(self._known.get, self._ids(self.grid.visible_places()))
        return (entry for entry in found if entry is not None)

    @on(ThumbnailGrid.Moved)
    def _moved(self) -> None:
        self._goal = None
        self._show_count()
        self._check_current()

    def _check_current(self) -> None:
        """Report another current picture, at once and when the cursor rests."""
        current, entry = self.grid.selected, self.selected
        if current != self._current or (entry is not None and entry != self._announced):
            if current != self._current:
                self.post_message(self.Moved(entry))
            self._current, self._announced = current, entry
            if self._selection_timer is not None:
                self._selection_timer.stop()
            self._selection_timer = self.set_timer(_SELECTION_SECONDS, self._settled)

    def _settled(self) -> None:
        if self.selected is not None or self.grid.selected in (None, FORMING):
            self._post_selected()

    @work(group="selected", exclusive=True)
    async def _post_selected(self) -> None:
        entry = self.selected
        record = None if entry is None else await self.record(entry)
        if entry == self.selected:
            self.post_message(self.Selected(entry, record))

    async def is_current_there(self) -> bool:
        """Return False, and read the list again, if the current picture was deleted."""
        return self.selected is None or await self.record(self.selected) is not None

    async def record(self, entry: Entry) -> GenerationRecord | None:
        """Read a picture's record; shows the error and returns None if that fails."""
        try:
            return await run_on_thread(partial(self._open_pictures().record, entry))
        except SdtuiError as error:
            await self.show_error(error, entry)
            return None

    async def show_error(self, error: SdtuiError, entry: Entry | None) -> None:
        """Show an error about a picture. Often its file is missing: users may delete files at any
        time."""
        if entry is None or await asyncio.to_thread(self._loader.exists, picture_of(entry)):
            self.notify(str(error), severity="error")
            return
        if entry.path == self._missing or self.grid.order.place_of(entry.id) is None:
            return  # several things may be done with it at once
        self._missing = entry.path
        self.notify(f"{entry.path.name} is no longer there.", severity="warning")
        try:
            await asyncio.to_thread(self._open_pictures().refresh)
        except SdtuiError as problem:
            self.notify(str(problem), severity="error")
        self.reload()

    def _mark(self, entries: Sequence[Entry], *, marked: bool) -> None:
        for entry in entries:
            if marked:
                self._marks[entry.id] = entry
            else:
                self._marks.pop(entry.id, None)
        self.grid.marked = set(self._marks)
        self.grid.refresh()
        self._show_count()

    def mark(self, entries: Sequence[Entry]) -> None:
        """Mark these pictures and no others."""
        self.unmark()
        self._mark(entries, marked=True)

    def unmark(self, entries: Sequence[Entry] | None = None) -> None:
        """Take the marks of some pictures away, by default of all."""
        unmarked = tuple(self._marks.values()) if entries is None else entries
        self._mark(unmarked, marked=False)
