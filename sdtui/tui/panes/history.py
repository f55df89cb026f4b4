"""The history pane: search, list, and actions on a picture."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.binding import BindingType
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Static

from sdtui.core.errors import InvalidRequestError, SdtuiError
from sdtui.core.text import one_line
from sdtui.tui.bindings import bindings_in
from sdtui.tui.images.loader import PictureLoader, picture_of
from sdtui.tui.messages import message
from sdtui.tui.panes.history_search import HistorySearch, PageLoad
from sdtui.tui.panes.pane import Pane
from sdtui.tui.widgets.history_list import PAGE, HistoryList
from sdtui.tui.widgets.line_input import LineInput
from sdtui.tui.widgets.virtual_list import VirtualList

if TYPE_CHECKING:
    from sdtui.history import Entry, Page
    from sdtui.jobs import Pictures
    from sdtui.requests.record import GenerationRecord

_SELECTION_SECONDS = 0.12
"""Seconds that the cursor must rest before the picture under it is read."""


class SearchLine(LineInput):
    """The input of a search."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_in("search")

    class Left(Message):
        """The user leaves the search for the list."""

    def action_leave(self) -> None:
        self.post_message(self.Left())


class HistoryPane(Pane):
    """Lists pictures, newest first. All access to the disk is on other threads."""

    TITLE = "Gallery"
    ABOUT = (
        'Every picture, newest first. / searches: words, "a phrase", -without, and fields such '
        "as model:pocket, w>=512, seed:42, star:yes, tag:cat or date:2026-11. Nothing is deleted: "
        "d moves into the trash, u brings back."
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings_in("picture")
    DEFAULT_CSS = """
    HistoryPane > Input { height: 1; margin: 0 1; background: transparent; padding: 0; }
    """

    @message
    class Selected(Message):
        """The cursor rests on another picture."""

        entry: Entry | None
        record: GenerationRecord | None

    def __init__(
        self, id: str, open_pictures: Callable[[], Pictures], loader: PictureLoader
    ) -> None:
        super().__init__(id=id)
        self._open_pictures = open_pictures
        self._loader = loader
        self.search = SearchLine(placeholder="/ search", id="history-search")
        self.problem = Static(id="search-problem")
        self.list = HistoryList(id="history-list")
        self._selection_timer: Timer | None = None
        self._search = HistorySearch()
        self._missing: Path | None = None
        """The last picture found missing, while it is still listed."""

    @property
    def _history(self) -> Pictures:
        return self._open_pictures()

    def contents(self) -> Sequence[Widget]:
        return (self.search, self.problem, self.list)

    def focus_target(self) -> Widget:
        return self.list

    @property
    def _page_offset(self) -> int:
        """The offset of the page with the cursor."""
        return self.list.cursor // PAGE * PAGE

    def reload(self) -> None:
        """Read the list again. Until that is done, keys act on what is listed."""
        for load in self._search.reload(self._page_offset):
            self._load(load)

    @on(Input.Changed, "#history-search")
    def _searched(self) -> None:
        self._load(self._search.enter(self.search.value))

    @on(SearchLine.Left)
    @on(Input.Submitted, "#history-search")
    async def _search_done(self) -> None:
        """Go to the list, once there is something that the next key can act on."""
        await self._search.wait()
        if self.screen.focused is self.search:
            self.screen.set_focus(self.list)

    @on(HistoryList.PageWanted)
    def _page_wanted(self, event: HistoryList.PageWanted) -> None:
        self._load(self._search.add_page(event.offset))

    @on(VirtualList.Highlighted)
    def _highlighted(self) -> None:
        if self._selection_timer is not None:
            self._selection_timer.stop()
        self._selection_timer = self.set_timer(_SELECTION_SECONDS, self._settled)

    def _settled(self) -> None:
        self._post_selected()

    @work(group="selected", exclusive=True)
    async def _post_selected(self) -> None:
        entry = self.list.selected
        record = None if entry is None else await self._record(entry)
        self.post_message(self.Selected(entry, record))

    async def _record(self, entry: Entry) -> GenerationRecord | None:
        try:
            return await asyncio.to_thread(self._history.record, entry)
        except SdtuiError as error:
            await self.show_error(error, entry)
            return None

    async def show_error(self, error: SdtuiError, entry: Entry | None) -> None:
        """Show an error about a picture. Often its file is missing: users may delete files at any
        time."""
        if entry is None or await asyncio.to_thread(self._loader.exists, picture_of(entry)):
            self.notify(str(error), severity="error")
            return
        if entry.path == self._missing or not self.list.holds(entry):
            return  # several things may be done with it at once
        self._missing = entry.path
        self.notify(f"{entry.path.name} is no longer there.", severity="warning")
        try:
            await asyncio.to_thread(self._history.refresh)
        except SdtuiError as problem:
            self.notify(str(problem), severity="error")
        self.reload()

    @work
    async def _load(self, load: PageLoad) -> None:
        await self._read(load)

    async def _read(self, load: PageLoad) -> None:
        search = self._search
        try:
            page = await asyncio.to_thread(
                self._history.entries, load.query, offset=load.offset, limit=PAGE
            )
        except InvalidRequestError as error:
            if load.query == search.entered:
                self._show_problem(one_line(error.problems[0].message))
            return
        except SdtuiError as error:
            self.notify(str(error), severity="error")
            return
        finally:
            search.end(load)
        listed_before = search.listed
        if search.accept(load):
            if search.answers(load):
                self._show_problem("")
            if search.listed != listed_before:
                self.list.cursor = 0
            self._show(page, replaces=load.replaces)

    def _show_problem(self, problem: str) -> None:
        self.search.set_class(bool(problem), "-wrong")
        self.problem.display = bool(problem)
        self.problem.update(Content(f"↑ {problem}"))

    def _show(self, page: Page, *, replaces: bool) -> None:
        if all(entry.path != self._missing for entry in page.entries):
            self._missing = None
        found = " found" if self._search.listed.strip() else ""
        self.set_count(f"{page.total:,}{found}")
        self.list.empty = "Nothing was found." if found else "No pictures yet."
        self.list.show_page(page, replaces=replaces)
        if not page.total:
            self.post_message(self.Selected(None, None))

    def focus_search(self) -> None:
        """Focus the search line."""
        self.screen.set_focus(self.search)

    async def read_again(self) -> None:
        """List the present page again, after pictures changed."""
        await self._read(self._search.replace_page(self._page_offset))

    @property
    def selected(self) -> Entry | None:
        """The picture with the cursor."""
        return self.list.selected

    @property
    def chosen(self) -> tuple[Entry, ...]:
        """The pictures that a verb means."""
        return () if self.selected is None else (self.selected,)

    @property
    def marked(self) -> tuple[Entry, ...]:
        """The picture that was marked to be compared."""
        return () if self.list.marked is None else (self.list.marked,)

    @property
    def place(self) -> tuple[int, int]:
        """The place of the picture with the cursor, 1 being the newest, and how many there are."""
        return self.list.cursor + 1, self.list.count

    @property
    def is_at_newest(self) -> bool:
        """True while the cursor is on the newest picture, and follows new ones."""
        return self.list.cursor == 0

    def step(self, by: int) -> None:
        """Move the cursor."""
        self.list.cursor = max(0, min(self.list.cursor + by, self.list.count - 1))

    def mark_to_compare(self, entry: Entry) -> Entry | None:
        """Mark a picture, or return the one that was marked before."""
        marked = self.list.marked
        self.list.marked = None if marked is not None else entry
        self.list.refresh()
        if marked is None:
            # Short: it would lie over what the two pictures differ in.
            self.notify("Marked. Press c on another picture to compare.", timeout=2)
        return None if marked is None or marked.id == entry.id else marked
