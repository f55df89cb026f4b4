"""The history pane: search, list, and what can be done with a picture."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

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
from sdtui.tui.messages import message
from sdtui.tui.panes.pane import Pane
from sdtui.tui.widgets.history_list import PAGE, HistoryList
from sdtui.tui.widgets.line_input import LineInput
from sdtui.tui.widgets.virtual_list import VirtualList

if TYPE_CHECKING:
    from textual.worker import Worker

    from sdtui.history import Entry, History, Page
    from sdtui.requests.record import GenerationRecord

RequestedAction = Literal[
    "show", "reuse", "vary", "init_image", "copy_path", "copy_prompt", "copy_json"
]

_SETTLE = 0.12
"""Seconds that the cursor must rest before the picture under it is read."""
_PATIENCE = 2.0
"""Seconds for which the next key waits until a picture is changed or read."""


class SearchLine(LineInput):
    """What is searched for."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_in("search")

    class Left(Message):
        """Someone wants back to the list."""

    def action_leave(self) -> None:
        """Back to the list."""
        self.post_message(self.Left())


class HistoryPane(Pane):
    """Newest first. Everything that touches disk runs beside the app."""

    TITLE = "History"
    ABOUT = (
        'Every picture, newest first. / searches: words, "a phrase", -without, and fields such '
        "as model:pocket, w>=512, seed:42, star:yes, tag:cat or date:2026-11. Nothing is deleted: "
        "d moves into the trash, u brings back."
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings_in("history")
    DEFAULT_CSS = """
    HistoryPane > Input { height: 1; margin: 0 1; background: transparent; padding: 0; }
    """

    @message
    class Selected(Message):
        """The cursor rests on another picture."""

        entry: Entry | None
        record: GenerationRecord | None

    @message
    class ActionRequested(Message):
        """Something is to be done with a picture, outside of the history."""

        action: RequestedAction
        entry: Entry
        record: GenerationRecord

    @message
    class Compare(Message):
        """Two pictures are to be seen side by side."""

        first: Entry
        second: Entry

    @message
    class TagsWanted(Message):
        """Someone wants to write tags for a picture."""

        entry: Entry

    def __init__(self, id: str, open_history: Callable[[], History]) -> None:
        super().__init__(id=id)
        self._open_history = open_history
        self.search = SearchLine(placeholder="/ search", id="history-search")
        self.problem = Static(id="search-problem")
        self.list = HistoryList(id="history-list")
        self.trashed: list[Path] = []
        self._settling: Timer | None = None
        self._gone: Path | None = None
        """The picture that was last found missing, while it is still listed."""
        self._loads = 0
        self._seen_load = 0
        """The number of the load that the list was last read anew with. What was asked for of the
        same search before that and arrives behind it is out of date."""
        self._sought = ""
        self._shown = ""
        """The search of which the list shows what it found: the last that made sense."""
        self._found = asyncio.Event()
        """Set once what is `_sought` is in the list. That may lag behind what stands in the search
        line: this pane takes in no change of it while it waits."""
        self._found.set()

    @property
    def _history(self) -> History:
        return self._open_history()

    def contents(self) -> Sequence[Widget]:
        """Search above, list below."""
        return (self.search, self.problem, self.list)

    def focus_target(self) -> Widget:
        """The list."""
        return self.list

    def reload(self) -> None:
        """Read the list again, and keys go on with what is there. A search that is under way is
        made again too: it may have missed what changed."""
        self._load(self._shown, self.list.cursor // PAGE * PAGE, anew=True)
        if not self._found.is_set() and self._sought != self._shown:
            self._load(self._sought, 0, anew=True)

    async def add_tags(self, entry: Entry, text: str) -> None:
        """Add the tags in `text`, and take away those with a minus."""
        words = text.split()
        add = [word for word in words if not word.startswith("-")]
        remove = [word[1:] for word in words if word.startswith("-") and len(word) > 1]

        def change() -> None:
            if add:
                self._history.tag(entry.id, *add)
            if remove:
                self._history.untag(entry.id, *remove)

        await self._change(change)

    @on(Input.Changed, "#history-search")
    def _searched(self) -> None:
        self._sought = self.search.value
        self._found.clear()
        self._load(self._sought, 0, anew=True)

    @on(SearchLine.Left)
    @on(Input.Submitted, "#history-search")
    async def _search_done(self) -> None:
        """To the list, once there is something that the next key can act on."""
        await self._found.wait()
        if self.screen.focused is self.search:
            self.screen.set_focus(self.list)

    @on(HistoryList.PageWanted)
    def _page_wanted(self, event: HistoryList.PageWanted) -> None:
        self._load(self._shown, event.offset, anew=False)

    @on(VirtualList.Highlighted)
    def _highlighted(self) -> None:
        if self._settling is not None:
            self._settling.stop()
        self._settling = self.set_timer(_SETTLE, self._settled)

    @on(VirtualList.Clicked)
    async def _clicked(self) -> None:
        await self.action_show()

    def _settled(self) -> None:
        self._tell_selected()

    @work(group="selected", exclusive=True)
    async def _tell_selected(self) -> None:
        entry = self.list.selected
        record = None if entry is None else await self._record(entry)
        self.post_message(self.Selected(entry, record))

    async def _record(self, entry: Entry) -> GenerationRecord | None:
        try:
            return await asyncio.to_thread(self._history.record, entry)
        except SdtuiError as error:
            await self._tell(error, entry)
            return None

    async def _tell(self, error: SdtuiError, entry: Entry | None) -> None:
        """What went wrong with a picture. Often it is gone: people may delete them at any time."""
        if entry is None or await asyncio.to_thread(entry.path.exists):
            self.notify(str(error), severity="error", markup=False)
            return
        if entry.path == self._gone or not self.list.holds(entry):
            return  # several things may be done with it at once
        self._gone = entry.path
        self.notify(f"{entry.path.name} is no longer there.", severity="warning", markup=False)
        try:
            await asyncio.to_thread(self._history.refresh)
        except SdtuiError as problem:
            self.notify(str(problem), severity="error", markup=False)
        self.reload()

    @work
    async def _load(self, query: str, offset: int, *, anew: bool) -> None:
        await self._read(query, offset, anew=anew)

    async def _read(self, query: str, offset: int, *, anew: bool) -> None:
        self._loads += 1
        number = self._loads
        try:
            page = await asyncio.to_thread(self._history.entries, query, offset=offset, limit=PAGE)
        except InvalidRequestError as error:
            if query == self._sought:
                self._tell_problem(one_line(error.problems[0].message))
            return
        except SdtuiError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        finally:
            if anew and query == self._sought:
                self._found.set()
        if query == self._shown and number < self._seen_load:
            return
        if query == self._sought and anew:
            self._tell_problem("")
            if query != self._shown:
                self._shown = query
                self.list.cursor = 0
        if query == self._shown:
            if anew:
                self._seen_load = number
            self._show(page, anew)

    def _tell_problem(self, problem: str) -> None:
        self.search.set_class(bool(problem), "-wrong")
        self.problem.display = bool(problem)
        self.problem.update(Content(f"↑ {problem}"))

    def _show(self, page: Page, anew: bool) -> None:
        if all(entry.path != self._gone for entry in page.entries):
            self._gone = None
        found = " found" if self._shown.strip() else ""
        self.count_in_title(f"{page.total:,}{found}")
        self.list.empty = "Nothing was found." if found else "No pictures yet."
        self.list.use(page, anew=anew)
        if not page.total:
            self.post_message(self.Selected(None, None))

    async def _change(self, change: Callable[[], object]) -> None:
        """Change the history beside the app, then read the list again."""
        await self._before_the_next_key(self._carry_out(change))

    async def _request_action(self, action: RequestedAction) -> None:
        await self._before_the_next_key(self._read_and_request(action))

    async def _before_the_next_key(self, worker: Worker[None]) -> None:
        """Keys act on what the one before has left. They don't wait for a disk that hangs."""
        end = time.monotonic() + _PATIENCE
        while not worker.is_finished and time.monotonic() < end:
            await asyncio.sleep(0.002)

    @work
    async def _carry_out(self, change: Callable[[], object]) -> None:
        entry = self.list.selected
        try:
            await asyncio.to_thread(change)
        except SdtuiError as error:
            await self._tell(error, entry)
        await self._read(self._shown, self.list.cursor // PAGE * PAGE, anew=True)

    @work
    async def _read_and_request(self, action: RequestedAction) -> None:
        entry = self.list.selected
        record = None if entry is None else await self._record(entry)
        if entry is not None and record is not None:
            self.post_message(self.ActionRequested(action, entry, record))

    def action_search(self) -> None:
        """To the search."""
        self.screen.set_focus(self.search)

    async def action_show(self) -> None:
        """In the preview."""
        await self._request_action("show")

    async def action_reuse(self) -> None:
        """All settings into the form."""
        await self._request_action("reuse")

    async def action_vary(self) -> None:
        """All but the seed."""
        await self._request_action("vary")

    async def action_init_image(self) -> None:
        """Start from this picture."""
        await self._request_action("init_image")

    async def action_copy_path(self) -> None:
        """The path."""
        await self._request_action("copy_path")

    async def action_copy_prompt(self) -> None:
        """The prompt."""
        await self._request_action("copy_prompt")

    async def action_copy_json(self) -> None:
        """The metadata."""
        await self._request_action("copy_json")

    def action_compare(self) -> None:
        """Mark the first; with the second, compare."""
        entry, marked = self.list.selected, self.list.marked
        if entry is None:
            return
        if marked is None or marked.id == entry.id:
            self.list.marked = entry if marked is None else None
            if marked is None:
                # Short: it would lie over what the two pictures differ in.
                self.notify("Marked. Press c on another picture to compare.", timeout=2)
        else:
            self.list.marked = None
            self.post_message(self.Compare(marked, entry))
        self.list.refresh()

    async def action_star(self) -> None:
        """Star, or no star."""
        entry = self.list.selected
        if entry is not None:
            mark = self._history.unstar if entry.starred else self._history.star
            which = entry.id
            await self._change(lambda: mark(which))

    def action_tag(self) -> None:
        """Write tags."""
        entry = self.list.selected
        if entry is not None:
            self.post_message(self.TagsWanted(entry))

    async def action_trash(self) -> None:
        """Into the trash; it can be undone."""
        entry = self.list.selected
        if entry is not None:
            which = entry.id
            await self._change(lambda: self.trashed.append(self._history.trash(which)))

    async def action_undo(self) -> None:
        """The last one back out of the trash."""
        if self.trashed:
            path = self.trashed[-1]
            await self._change(lambda: self._restore(path))
        else:
            self.notify("Nothing was put into the trash since the start.", markup=False)

    def _restore(self, path: Path) -> None:
        self._history.restore(path)
        self.trashed.remove(path)
