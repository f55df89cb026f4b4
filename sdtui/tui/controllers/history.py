"""Actions on the history's pictures."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from textual.message_pump import MessagePump

from sdtui.core.errors import SdtuiError
from sdtui.tui.background import run_in_background
from sdtui.tui.context import AppContext
from sdtui.tui.controllers.generation import GenerationController
from sdtui.tui.images.loader import input_image, picture_of
from sdtui.tui.messages import HistoryRead
from sdtui.tui.panes.collection import Panes
from sdtui.tui.panes.history import RequestedAction
from sdtui.tui.window_layout import WindowLayout

if TYPE_CHECKING:
    from sdtui.history import Entry
    from sdtui.jobs import Pictures
    from sdtui.requests.record import GenerationRecord
    from sdtui.requests.request import GenerationRequest


class HistoryController:
    """Brings pictures and their settings from the history to the other panes."""

    def __init__(
        self,
        context: AppContext,
        target: MessagePump,
        panes: Panes,
        layout: WindowLayout,
        generation: GenerationController,
    ) -> None:
        """`target` is posted HistoryRead."""
        self._context = context
        self._target = target
        self._panes = panes
        self._layout = layout
        self._generation = generation

    def read(self) -> None:
        """List the pictures, and update the index on another thread, which then posts
        HistoryRead."""
        self._panes.history.reload()
        pictures = self._context.backend.pictures
        run_in_background(self._target, lambda: refresh(pictures))

    def show_refreshed(self, problem: str) -> None:
        """List the pictures again, now that the index is up to date."""
        if problem:
            self._context.notify(problem, severity="warning")
        self._panes.history.reload()

    def show_selected(self, entry: Entry | None, record: GenerationRecord | None) -> None:
        """Show the selected picture and its metadata."""
        self._panes.metadata.show(picture_of(entry) if entry else None, record)

    def perform(self, action: RequestedAction, entry: Entry, record: GenerationRecord) -> None:
        """Perform an action that the history pane requested."""
        match action:
            case "show":
                before = input_image(record.request)
                self._panes.preview.show_from_history(picture_of(entry), before)
                self._layout.show_tab("create")
            case "reuse":
                self._generation.use_request(single_picture_request(record))
            case "vary":
                self._generation.use_request(record.request, keep_seed=False)
            case "init_image":
                self._generation.use_init_image(str(entry.path))
            case "copy_path":
                self._context.copy(str(entry.path), "The path")
            case "copy_prompt":
                self._context.copy(entry.prompt, "The prompt")
            case "copy_json":
                from sdtui.tui.widgets.metadata_tree import as_json

                self._context.copy(as_json(record), "The metadata")

    async def compare(self, first: Entry, second: Entry) -> None:
        """Show two pictures side by side, and reuse the settings of one if the user chooses it."""
        from sdtui.tui.screens.picture import CompareScreen

        pictures = self._context.backend.pictures
        entries = (first, second)
        try:
            records = [await asyncio.to_thread(pictures.record, entry) for entry in entries]
        except SdtuiError as error:
            self._context.show_error(error)
            return
        left, right = (
            (picture_of(entry), each) for entry, each in zip(entries, records, strict=True)
        )
        views = self._context.new_picture_view(), self._context.new_picture_view()
        screen = CompareScreen(left, right, views)
        chosen = await self._context.push_screen_wait(screen)
        if chosen is not None:
            self._generation.use_request(single_picture_request(chosen))

    async def edit_tags(self, entry: Entry) -> None:
        """Let the user add and remove tags."""
        from sdtui.tui.screens.dialogs import AskScreen

        tags = " ".join(entry.tags)
        title = "Tags" + (f" (now: {tags})" if tags else "")
        text = await self._context.push_screen_wait(AskScreen(title, hint="cat garden -dog"))
        if text:
            await self._panes.history.edit_tags(entry, text)


def refresh(pictures: Pictures) -> HistoryRead:
    """Index pictures that were moved, copied or deleted. Not for the app's thread."""
    try:
        pictures.refresh()
    except SdtuiError as error:
        return HistoryRead(str(error))
    return HistoryRead()


def single_picture_request(record: GenerationRecord) -> GenerationRequest:
    """Return the request that makes this one picture of its batch again. The seed stays open if it
    is unknown."""
    return replace(record.request, seed=record.seed, num_images_per_prompt=1)
