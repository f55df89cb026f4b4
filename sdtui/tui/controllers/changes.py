"""Changing the gallery's pictures: stars, tags, the trash, undo; and writing them into a file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.screen import Screen

from sdtui.core.errors import SdtuiError
from sdtui.core.text import counted, one_line
from sdtui.core.units import data_size
from sdtui.tui.background import run_on_thread, start_worker
from sdtui.tui.context import AppContext
from sdtui.tui.gallery.changes import PictureChanges
from sdtui.tui.panes.gallery import Gallery

if TYPE_CHECKING:
    from sdtui.history import Entry
    from sdtui.jobs import Pictures

_LONGEST_EXPORT_SECONDS = 600.0
"""How long the message that an export has begun is shown, unless it ends."""


class ChangeController:
    """Changes pictures on another thread, and lists them again."""

    def __init__(self, context: AppContext, screen: Screen[Any], gallery: Gallery) -> None:
        """`screen` runs workers."""
        self._context = context
        self._screen = screen
        self._gallery = gallery
        self._changes = PictureChanges(lambda: self._pictures)
        self._under_way = 0

    @property
    def _pictures(self) -> Pictures:
        return self._context.backend.pictures

    @property
    def is_changing(self) -> bool:
        """True while pictures are changed: what is listed may be gone already."""
        return self._under_way > 0

    async def star(self, entries: Sequence[Entry]) -> None:
        """Star pictures, or take the stars away if all have one."""
        if self._may_change():
            await self._change(lambda: self._changes.star(entries))

    async def tag(self, entries: Sequence[Entry], text: str) -> None:
        """Add the tags in `text` to pictures, and remove those with a minus."""
        if self._may_change():
            await self._change(lambda: self._changes.tag(entries, text))

    async def trash(self, entries: Sequence[Entry]) -> None:
        """Move pictures to the trash; those that are there, delete for good if the user agrees."""
        if self._gallery.is_trash:
            start_worker(self._screen, partial(self._delete, entries))
            return
        self._gallery.unmark(entries)
        await self._change(lambda: self._changes.trash(entries))
        if len(entries) > 1:
            pictures = counted(len(entries), "picture")
            self._context.notify(f"{pictures} in the trash. u brings them back.")

    async def undo(self, entries: Sequence[Entry] | None = None) -> None:
        """Take the last change back; in the trash, restore pictures, by default the chosen ones."""
        chosen = self._gallery.chosen if entries is None else entries
        if self._gallery.is_trash and chosen:
            self._gallery.unmark(chosen)
            await self._change(lambda: self._changes.restore(chosen))
            return
        names: list[str | None] = []
        await self._change(lambda: names.append(self._changes.undo()))
        if names == [None]:
            self._context.notify("Nothing was changed since the start.")
        elif names:
            self._context.notify(f"Undone: {names[0]}.", timeout=3)

    async def export(self, entries: Sequence[Entry], target: Path) -> None:
        """Write pictures with their JSON into a zip file."""
        pictures, ids = self._pictures, [entry.id for entry in entries]
        if not self._may_change():
            return
        where = one_line(str(target))
        if len(ids) > 1:
            begun = f"Writing {counted(len(ids), 'picture')} to {where} …"
            self._context.notify(begun, timeout=_LONGEST_EXPORT_SECONDS)
        try:
            count = await run_on_thread(lambda: pictures.export(target, ids=ids))
        except SdtuiError as error:
            self._context.notify(str(error), severity="error")
        else:
            self._context.notify(f"{counted(count, 'picture')} written to {where}")

    def _may_change(self) -> bool:
        """Return False, and say why, while the trash is listed."""
        if self._gallery.is_trash:
            self._context.notify(
                "This is the trash: u restores the picture, d deletes it for good."
            )
        return not self._gallery.is_trash

    async def _delete(self, chosen: Sequence[Entry]) -> None:
        from sdtui.tui.screens.dialogs import ConfirmScreen

        size = await asyncio.to_thread(_size_of, chosen)
        what = counted(len(chosen), "picture") + (f" ({data_size(size)})" if size else "")
        question = f"Delete {what} for good? This can't be undone."
        screen = ConfirmScreen("Delete?", question, "Delete", "Back")
        if await self._context.push_screen_wait(screen):
            self._gallery.unmark(chosen)
            paths = [entry.path for entry in chosen]
            await self._change(lambda: self._pictures.delete_trashed(paths))

    async def _change(self, change: Callable[[], object]) -> None:
        entry = self._gallery.selected
        self._under_way += 1
        try:
            await run_on_thread(change)
        except SdtuiError as error:
            await self._gallery.show_error(error, entry)
        finally:
            await self._gallery.list_changed()
            self._under_way -= 1


def _size_of(entries: Sequence[Entry]) -> int:
    """Return the bytes of pictures, as far as they are files of this machine."""
    total = 0
    for entry in entries:
        if entry.path.is_file():
            total += entry.path.stat().st_size
    return total
