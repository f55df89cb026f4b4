"""The captions and headings of the gallery as they are now."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from rich.style import Style
from rich.text import Text
from textual.app import App

from sdtui.tui.gallery import captions
from sdtui.tui.gallery.captions import CaptionStyles
from sdtui.tui.gallery.entries import KnownEntries
from sdtui.tui.gallery.order import FORMING, Group, Order
from sdtui.tui.images.halfcell import Pixels
from sdtui.tui.images.thumbnails import Drawn, Frame, drawn
from sdtui.tui.styles import theme_style


@dataclass
class Forming:
    """The picture in progress."""

    prompt: str
    count: int
    """How many pictures its job makes."""
    since: int | None = None
    """No picture of its job has a smaller id; None until that is known."""
    progress: str = ""
    """Such as "12/20"."""
    pixels: Pixels | None = None
    _drawn: tuple[Pixels, Frame, Drawn] | None = field(default=None, repr=False)

    def drawn_in(self, frame: Frame) -> Drawn | None:
        """Return its preview as a thumbnail."""
        if self.pixels is None:
            return None
        if self._drawn is None or self._drawn[:2] != (self.pixels, frame):
            self._drawn = (self.pixels, frame, drawn(self.pixels, frame))
        return self._drawn[2]


class GridTexts:
    """Writes what stands under and above pictures."""

    def __init__(
        self,
        app: App[object],
        order: Order,
        known: KnownEntries,
        now: datetime,
        query: str,
        forming: Forming | None,
    ) -> None:
        self._order = order
        self._known = known
        self._now = now
        self._query = query
        self._forming = forming
        self._styles = CaptionStyles(
            muted=theme_style(app, "muted"),
            star=theme_style(app, "star"),
            mark=theme_style(app, "marked"),
            found=theme_style(app, "changed") + Style(bold=True, underline=True),
            running=theme_style(app, "running"),
        )

    def caption(self, place: int, width: int, *, has_cursor: bool, is_marked: bool) -> Text:
        """Return the line under a thumbnail."""
        entry_id = self._order.ids[place]
        entry = self._known.get(entry_id)
        if entry_id == FORMING or entry is None:
            return self._unknown(entry_id, width, has_cursor=has_cursor)
        number = None
        if self._order.group_at(place).is_job:
            from sdtui.history import position_in_run

            number = position_in_run(entry_id) + 1
        return captions.caption(
            entry, number, width, self._styles, has_cursor=has_cursor, is_marked=is_marked
        )

    def list_line(self, place: int, width: int, *, has_cursor: bool, is_marked: bool) -> Text:
        """Return a line of the list."""
        entry_id = self._order.ids[place]
        entry = self._known.get(entry_id)
        if entry_id == FORMING or entry is None:
            return self._unknown(entry_id, width, has_cursor=has_cursor)
        return captions.list_line(
            entry,
            width,
            self._styles,
            self._now,
            self._found(entry.prompt),
            has_cursor=has_cursor,
            is_marked=is_marked,
        )

    def _unknown(self, entry_id: int, width: int, *, has_cursor: bool) -> Text:
        """Return the line of the forming picture, or of one that hasn't been read."""
        text = Text("▸" if has_cursor else " ", no_wrap=True)
        if entry_id == FORMING:
            text.append(self._forming.progress if self._forming else "")
        else:
            text.append("…", self._styles.muted)
        text.truncate(width, pad=True)
        return text

    def about(self, place: int, width: int, *, has_heading: bool) -> Text:
        """Return a line about a picture: its age, seed and prompt, or what the visible heading of
        its job doesn't say."""
        entry, group = self._known.get(self._order.ids[place]), self._order.group_at(place)
        if entry is None:
            return Text() if has_heading else self.heading(group, width)
        if group.is_job and has_heading:
            return captions.details(entry, self._styles, width)
        found = self._found(entry.prompt)
        return captions.about(entry, self._now, found, self._styles, width)

    def heading(self, group: Group, width: int) -> Text:
        """Return the heading of a group."""
        if self._order.ids[group.start] == FORMING and self._forming is not None:
            return captions.forming_heading(
                self._forming.prompt, self._forming.count, self._styles, width
            )
        first = self._known.get(self._order.ids[group.start])
        if first is None:
            return Text("…", self._styles.muted)
        if group.is_job:
            found = self._found(first.prompt)
            return captions.heading(first, group.count, self._now, found, self._styles, width)
        return captions.day_heading(*self._times(group), self._now, self._styles)

    def _times(self, group: Group) -> tuple[datetime, datetime]:
        from sdtui.history import time_of

        ids = self._order.ids
        return time_of(ids[group.start]), time_of(ids[group.start + group.count - 1])

    def _found(self, prompt: str) -> list[tuple[int, int]]:
        if not self._query.strip():
            return []
        from sdtui.history import found_in

        return found_in(prompt[: captions.MOST_CHARACTERS], self._query)
