"""The history's list: of all pictures, only the pages around the cursor are in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.message import Message

from sdtui.core.text import one_line
from sdtui.tui.messages import message
from sdtui.tui.styles import theme_style
from sdtui.tui.widgets.virtual_list import VirtualList

if TYPE_CHECKING:
    from sdtui.history import Entry, Page

PAGE = 100
_MAX_PAGES = 12


class HistoryList(VirtualList["Entry"]):
    """One picture a line. Asks for the pages that it needs and shows dots until they come."""

    @message
    class PageWanted(Message):
        """Entries from `offset` on are needed."""

        offset: int

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._pages: dict[int, tuple[Entry, ...]] = {}
        self._wanted: set[int] = set()
        self.marked: Entry | None = None

    def show_page(self, page: Page, *, replaces: bool) -> None:
        """List a page of the current results. If it `replaces` them, all pages that were read
        before are dropped."""
        if replaces:
            self._keep_cursor(page)
            self._pages.clear()
            self._wanted.clear()
        elif page.offset not in self._wanted:
            return
        self._pages[page.offset] = page.entries
        self._wanted.discard(page.offset)
        while len(self._pages) > _MAX_PAGES:
            here = self.cursor // PAGE * PAGE
            self._pages.pop(max(self._pages, key=lambda offset: abs(offset - here)))
        self.count = page.total
        self.refresh()
        if page.offset <= self.cursor < page.offset + PAGE:
            self.post_message(self.Highlighted(self, self.cursor))

    def _keep_cursor(self, page: Page) -> None:
        """Keep the cursor on its picture; in the first line of an unfocused list, keep it on the
        newest."""
        if self.cursor == 0 and not self.has_focus:
            return
        ids = [entry.id for entry in page.entries]
        selected = self.selected
        if selected is not None and selected.id in ids:
            place = page.offset + ids.index(selected.id)
            self.count = max(self.count, place + 1)
            self.cursor = place

    def entry(self, index: int) -> Entry | None:
        """Return the picture in a line if its page was read; else ask for the page."""
        offset = index // PAGE * PAGE
        page = self._pages.get(offset)
        if page is None:
            if 0 <= index < self.count and offset not in self._wanted:
                self._wanted.add(offset)
                self.post_message(self.PageWanted(offset))
            return None
        place = index - offset
        return page[place] if place < len(page) else None

    def holds(self, entry: Entry) -> bool:
        """True if a picture is in the pages that were read."""
        return any(each.path == entry.path for page in self._pages.values() for each in page)

    @property
    def selected(self) -> Entry | None:
        return self.entry(self.cursor) if self.count else None

    def line_text(self, index: int, width: int) -> Text:
        """Return star and prompt; from 36 columns on also the size, from 60 on model and seed."""
        entry = self.entry(index)
        if entry is None:
            return Text("  …", theme_style(self.app, "muted"))
        marked = self.marked is not None and self.marked.id == entry.id
        mark = "◆ " if marked else "★ " if entry.starred else "  "
        line = Text().append(mark, theme_style(self.app, "accent"))
        line.append(one_line(entry.prompt) or "(no prompt)")
        if width < 36:
            return line
        right = f"{entry.width}×{entry.height}"
        if width >= 60:
            seed = "" if entry.seed is None else str(entry.seed)
            right = f"{one_line(entry.model)[-18:]:>18}  {right:>9}  {seed:>10}"
        line.truncate(max(1, width - len(right) - 2), overflow="ellipsis", pad=True)
        return line.append(f"  {right}", theme_style(self.app, "muted"))
