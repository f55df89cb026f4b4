"""The history's list: however many pictures, only the pages around the cursor are in memory."""

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
_PAGES_KEPT = 12


class HistoryList(VirtualList):
    """One picture a line. Asks for the pages that it needs and shows blanks until they come."""

    @message
    class PageWanted(Message):
        """Entries from `offset` on are needed."""

        offset: int

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._pages: dict[int, tuple[Entry, ...]] = {}
        self._wanted: set[int] = set()
        self.marked: Entry | None = None

    def use(self, page: Page, *, anew: bool = False) -> None:
        """Take in a page of the present search. `anew`: it takes the place of all that was read
        before, which served until now."""
        if anew:
            self._stay(page)
            self.forget()
        elif page.offset not in self._wanted:
            return
        self._pages[page.offset] = page.entries
        self._wanted.discard(page.offset)
        while len(self._pages) > _PAGES_KEPT:
            here = self.cursor // PAGE * PAGE
            self._pages.pop(max(self._pages, key=lambda offset: abs(offset - here)))
        self.count = page.total
        self.refresh()
        if page.offset <= self.cursor < page.offset + PAGE:
            self.post_message(self.Highlighted(self, self.cursor))

    def _stay(self, page: Page) -> None:
        """Keep the cursor on its picture. In the first line, where nobody is at it, the newest
        takes its place."""
        if self.cursor == 0 and not self.has_focus:
            return
        ids = [entry.id for entry in page.entries]
        kept = self.selected
        if kept is not None and kept.id in ids:
            place = page.offset + ids.index(kept.id)
            self.count = max(self.count, place + 1)
            self.cursor = place

    def forget(self) -> None:
        """Nothing that was read still holds."""
        self._pages.clear()
        self._wanted.clear()

    def entry(self, index: int) -> Entry | None:
        """The picture in a line, if its page is here; else the page is asked for."""
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
        """Whether a picture is in what was read last."""
        return any(each.path == entry.path for page in self._pages.values() for each in page)

    @property
    def selected(self) -> Entry | None:
        """The picture with the cursor."""
        return self.entry(self.cursor) if self.count else None

    def line_text(self, index: int, width: int) -> Text:
        """Star and prompt; where there is room, also size, seed and model."""
        entry = self.entry(index)
        if entry is None:
            return Text("  …", theme_style(self.app, "muted"))
        marked = self.marked is not None and self.marked.id == entry.id
        sign = "◆ " if marked else "★ " if entry.starred else "  "
        line = Text().append(sign, theme_style(self.app, "accent"))
        line.append(one_line(entry.prompt) or "(no prompt)")
        if width < 36:
            return line
        right = f"{entry.width}×{entry.height}"
        if width >= 60:
            right = f"{one_line(entry.model)[-18:]:>18}  {right:>9}  {entry.seed:>10}"
        line.truncate(max(1, width - len(right) - 2), overflow="ellipsis", pad=True)
        return line.append(f"  {right}", theme_style(self.app, "muted"))
