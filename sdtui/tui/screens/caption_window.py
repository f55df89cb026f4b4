"""The window of captions: a list of pictures, the picture with the cursor, and its caption."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Static

from sdtui.core.errors import ImageError, OutputError, TrainingError
from sdtui.core.text import counted, end_of, one_line, visible
from sdtui.requests.training.caption_set import CaptionSet
from sdtui.requests.training.pictures import no_pictures
from sdtui.tui.background import run_on_thread, start_worker
from sdtui.tui.bindings import bindings_in
from sdtui.tui.caption_writer import CaptionWriter
from sdtui.tui.context import CaptionContext
from sdtui.tui.images.loader import ShownPicture
from sdtui.tui.screens.dialogs import ConfirmScreen
from sdtui.tui.textual_internals.screens import SteadyScreen
from sdtui.tui.widgets.caption_parts import CaptionList, CaptionText
from sdtui.tui.widgets.key_bar import KeyBar
from sdtui.tui.widgets.line_input import LineInput
from sdtui.tui.widgets.virtual_list import VirtualList

_READ_AT_ONCE = 500
"""Captions between two looks at what else waits for the disk."""
_COMPARED_AT_ONCE = 1000
"""Captions between two looks at what else waits for the app's thread."""
_PAUSE_SECONDS = 0.05
"""While the cursor moves on, no picture is read."""


class CaptionWindow(SteadyScreen[None]):
    """Shows the captions of a folder on this machine, and edits one. Going on to another picture
    saves it."""

    CSS_PATH = "captions.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings_in("captions")

    def __init__(self, context: CaptionContext, folder: Path) -> None:
        super().__init__()
        self.context = context
        self.folder = folder.absolute()
        self.captions: CaptionSet | None = None
        """None until the folder is read."""
        self.disk = CaptionWriter()
        self.list = CaptionList(self.folder)
        self.text = CaptionText()
        self._view = context.new_picture_view()
        self._filter = LineInput(placeholder="words in captions and names", id="caption-filter")
        self._heading = Static(id="caption-heading")
        self._status = Static(id="caption-status")
        self.shown: Path | None = None
        """The picture whose caption is in the editor."""
        self._saved_text = ""
        """What its file has."""
        self._pixels = ""
        self._names: dict[Path, str] = {}
        """What is searched besides captions."""
        self._only_missing = False
        self.progress = ""
        """What a model has captioned, while it does."""

    def compose(self) -> ComposeResult:
        self.list.empty = "The folder is being read…"
        yield self._heading
        with Horizontal(id="caption-body"):
            with Vertical(id="caption-column"):
                yield self._filter
                yield self.list
            with Vertical(id="caption-picture"):
                yield self._view
                yield self.text
        yield self._status
        yield KeyBar()

    def on_mount(self) -> None:
        self.list.focus()
        start_worker(self, self._open)

    async def _open(self) -> None:
        """List the pictures, then read their captions."""
        try:
            captions = await run_on_thread(partial(CaptionSet, self.folder))
        except TrainingError as error:
            self.list.empty = str(error)
            self.list.refresh()
            return
        self.list.empty = "There are no such pictures."
        if not captions.pictures:
            self.list.empty = str(no_pictures(self.folder))
        self.captions, self.list.captions = captions, captions.captions
        self._names = {each: str(each)[len(str(self.folder)) :] for each in captions.pictures}
        await self._narrow()
        if (connection := self._remote_name) is not None:
            self.notify(
                f"Captions are edited in folders of this machine; {connection} trains on its own."
            )
        pictures = captions.pictures
        for start in range(0, len(pictures), _READ_AT_ONCE):
            part = pictures[start : start + _READ_AT_ONCE]
            await self.disk.on_disk(partial(captions.read, part))
            self.show_captions()
        if self._is_filtered:
            self.narrow()

    @property
    def _remote_name(self) -> str | None:
        backend = self.context.backend
        connection = backend.connection if backend is not None else None
        return None if connection is None or connection.shares_files else connection.name

    # What is shown

    def narrow(self) -> None:
        """List the pictures that match the filter, once they are found."""
        start_worker(self, self._narrow, group="narrow", exclusive=True)

    async def _narrow(self) -> None:
        """List the pictures that match the filter; the cursor stays on its picture."""
        if self.captions is None:
            return
        items = self.captions.pictures
        if self._is_filtered:
            items = await self._matching(self._filter.value.casefold().split())
        before = self.list.selected
        place = next((at for at, each in enumerate(items) if each is before), 0)
        self.list.show_items(items)
        self.list.move_to(place)
        self._show(self.list.selected)
        self._show_heading()

    async def _matching(self, words: list[str]) -> tuple[Path, ...]:
        """Return the pictures with these words in their captions or names."""
        assert self.captions is not None
        found: list[Path] = []
        pictures = self.captions.pictures
        for start in range(0, len(pictures), _COMPARED_AT_ONCE):
            part = pictures[start : start + _COMPARED_AT_ONCE]
            found += [each for each in part if self._matches(each, words)]
            await asyncio.sleep(0)
        return tuple(found)

    @property
    def _is_filtered(self) -> bool:
        return self._only_missing or bool(self._filter.value.strip())

    def _matches(self, picture: Path, words: list[str]) -> bool:
        caption = self.list.captions.get(picture)
        text = caption.text if caption is not None else None
        if self._only_missing and text is not None:
            return False
        searched = f"{self._names[picture]} {text or ''}".casefold()
        return all(word in searched for word in words)

    def show_captions(self) -> None:
        """Show what the files have now, unless the user has changed it."""
        self.list.refresh()
        if not self._is_changed:
            self._load_text()
        self._show_heading()

    def _show_heading(self) -> None:
        if self.captions is None:
            return
        known = map(self.list.captions.get, self.captions.pictures)
        missing = sum(each is not None and each.text is None for each in known)
        pictures = counted(len(self.captions.pictures), "picture")
        right = f"{missing:,} of {pictures} without a caption"
        if self._is_filtered:
            right = f"{len(self.list.items):,} listed · {right}"
        if self.progress:
            right = f"{self.progress} · {right}"
        left = "Captions · "
        space = self.size.width - 4 - cell_len(left) - cell_len(right)
        line = Text(left + end_of(visible(str(self.folder), keep=""), max(1, space)), no_wrap=True)
        line.pad_right(self.size.width - 2 - cell_len(right) - line.cell_len)
        self._heading.update(line.append(right))

    def on_resize(self) -> None:
        self._show_heading()

    @on(VirtualList.Highlighted)
    def _cursor_moved(self) -> None:
        self._show(self.list.selected)

    def _show(self, picture: Path | None) -> None:
        """Show a picture and its caption; that of the picture before is saved."""
        if picture == self.shown:
            return
        self._save_soon()
        self.shown, self._pixels = picture, ""
        self._load_text()
        start_worker(self, partial(self._look_at, picture), group="look", exclusive=True)

    def _load_text(self) -> None:
        """Show the text of the file, or what couldn't be written into it yet."""
        caption = self.list.captions.get(self.shown) if self.shown else None
        self._saved_text = (caption.text if caption else None) or ""
        text = self.disk.unsaved.get(self.shown, self._saved_text) if self.shown else ""
        if text != self.text.text:
            self.text.load_text(text)
            self.text.move_cursor(self.text.document.end)
        self._show_status(caption.problem if caption else "")

    def _show_status(self, problem: str = "") -> None:
        if self.shown is None:
            self._status.update("")
            return
        place = f"{self.list.cursor + 1:,}/{len(self.list.items):,}"
        name = visible(self.shown.name, keep="")
        parts = [place, one_line(problem), name, self._pixels]
        self._status.update(Text(" · ".join(filter(None, parts)), no_wrap=True))

    async def _look_at(self, picture: Path | None) -> None:
        """Show a picture, and what its caption's file has now."""
        from sdtui.requests.input_images import size_of_picture

        await asyncio.sleep(_PAUSE_SECONDS)
        self._view.show_picture(None if picture is None else ShownPicture(picture))
        if picture is None or self.captions is None:
            return
        await self.disk.on_disk(partial(self.captions.read, [picture]))
        try:
            width, height = await run_on_thread(partial(size_of_picture, picture))
        except ImageError:
            return  # the view says why
        self._pixels = f"{width}×{height}"
        self.show_captions()

    # Saving

    @property
    def _is_changed(self) -> bool:
        return self.text.text != self._saved_text

    def _note_text(self) -> Path | None:
        """Note the text in the editor as one to be written; return its picture, if it changed."""
        if self.shown is None or not self._is_changed:
            return None
        self.disk.unsaved[self.shown] = self.text.text
        return self.shown

    def _save_soon(self) -> None:
        """Save the caption in the editor, if it was changed."""
        picture = self._note_text()
        if picture is not None:
            start_worker(self, partial(self._write, picture), group="save")

    async def save(self) -> None:
        """Save the caption in the editor, and wait until it is written."""
        picture = self._note_text()
        if picture is not None:
            await self._write(picture)

    async def _write(self, picture: Path) -> None:
        assert self.captions is not None
        try:
            text = await self.disk.write(self.captions, picture)
        except OutputError as error:
            self.notify(str(error), severity="error")
            return
        if text is not None and picture == self.shown:
            self._saved_text = text
        self.show_captions()

    async def leave(self) -> None:
        """Save, and leave; ask first if something can't be saved."""
        await self.save()
        if not self.disk.unsaved:
            self.dismiss()
            return
        lost = f"{counted(len(self.disk.unsaved), 'caption')} can't be saved, and will be lost."
        question = ConfirmScreen("Leave the captions?", lost, "Leave", "Stay")
        self.app.push_screen(question, self._answered)

    def _answered(self, leaves: bool | None) -> None:
        if leaves:
            self.disk.unsaved.clear()
            self.text.load_text(self._saved_text)
            self.dismiss()

    def on_unmount(self) -> None:
        """Save what isn't when the app ends."""
        self._note_text()
        if self.captions is not None:
            self.disk.write_all_now(self.captions)

    # Keys

    def action_edit(self) -> None:
        self.text.focus()

    @on(VirtualList.Clicked)
    def _clicked(self) -> None:
        self.action_edit()

    @on(CaptionText.Left)
    def _text_left(self) -> None:
        self._save_soon()
        self.list.focus()

    @on(CaptionText.Stepped)
    def _step(self, event: CaptionText.Stepped) -> None:
        place = self.list.cursor + event.by
        if 0 <= place < len(self.list.items):
            self.list.cursor = place
        else:
            self._save_soon()
            end = "last" if event.by > 0 else "first"
            self.notify(f"This is the {end} picture.", timeout=2)

    def action_search(self) -> None:
        self._filter.add_class("-used")
        self._filter.focus()

    @on(Input.Changed)
    def _filter_changed(self) -> None:
        self.narrow()

    @on(Input.Submitted)
    def _filter_taken(self) -> None:
        self._filter.set_class(bool(self._filter.value), "-used")
        self.list.focus()

    def filter_by(self, words: str) -> None:
        """List the pictures with these words."""
        self._filter.value = words
        self._filter_taken()

    def action_missing(self) -> None:
        self._only_missing = not self._only_missing
        self.narrow()

    async def action_close(self) -> None:
        """Leave the filter, or leave; the caption is saved."""
        if self._filter.has_focus:
            self.filter_by("")
            return
        await self.leave()
