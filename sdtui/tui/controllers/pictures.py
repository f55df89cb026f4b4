"""The current picture, and what keys do with pictures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.screen import Screen

from sdtui.core import paths
from sdtui.core.errors import ImageError, SdtuiError
from sdtui.core.text import counted
from sdtui.tui.background import run_in_background, start_worker, wait_briefly
from sdtui.tui.context import AppContext
from sdtui.tui.controllers.changes import ChangeController
from sdtui.tui.controllers.export import EXPORTS, ExportController
from sdtui.tui.controllers.generation import GenerationController
from sdtui.tui.controllers.grids import GridController
from sdtui.tui.controllers.hires import HiresController
from sdtui.tui.controllers.lineage import LineageController
from sdtui.tui.controllers.local_loras import record_with_local_loras
from sdtui.tui.controllers.masks import MaskController
from sdtui.tui.controllers.upscaling import UpscaleController
from sdtui.tui.controllers.vary import VaryController
from sdtui.tui.controllers.viewing import ViewingController
from sdtui.tui.images.halfcell import Pixels
from sdtui.tui.images.loader import ShownPicture, input_images, made_from, picture_of
from sdtui.tui.key_table import KeyChoice
from sdtui.tui.messages import HistoryRead
from sdtui.tui.panes.collection import Panes
from sdtui.tui.variations import picture_request

if TYPE_CHECKING:
    from sdtui.history import Entry
    from sdtui.jobs import Job, Pictures
    from sdtui.requests.record import GenerationRecord
    from sdtui.requests.request import GenerationRequest
    from sdtui.tui.screens.picture import StopJob

_COPIES = {
    "y": ("copy_path", "Path"),
    "p": ("copy_prompt", "Prompt"),
    "j": ("copy_json", "JSON of the record"),
    "i": ("copy_image", "Image"),
    "s": ("copy_scp_line", "Line for scp"),
    "d": ("send_file", "Download by the terminal"),
    "o": ("open_viewer", "Open in a viewer"),
}
"""What the keys after the one that copies do: a verb, and what it copies."""
_OF_SEVERAL = ("star", "trash", "tag", "export", "compare", "hires", "upscale")
"""Verbs that mean all marked pictures; the others mean the current one."""
_MAX_KEY_WAIT_SECONDS = 2.0
"""How long the next key waits until a picture is changed or read."""


class PicturesController:
    """Shows the current picture, which is the one under the gallery's cursor or the one that is
    forming, and carries out the verbs of pictures."""

    def __init__(
        self,
        context: AppContext,
        screen: Screen[Any],
        panes: Panes,
        generation: GenerationController,
        stop: StopJob,
        submit: Callable[[GenerationRequest], Awaitable[Job]],
        masks: MaskController,
    ) -> None:
        """`screen` runs workers and is posted HistoryRead."""
        self._context = context
        self._screen = screen
        self._panes = panes
        self._generation = generation
        self._masks = masks
        self._lineage = LineageController(context, panes.gallery)
        self.viewing = ViewingController(context, panes, self.perform, stop)
        self._vary = VaryController(context, screen, panes, submit, self._compare)
        self.grids = GridController(context, screen)
        self._upscaling = UpscaleController(context, screen, submit)
        self._hires = HiresController(context, screen, panes.gallery, submit)
        self._changes = ChangeController(context, screen, panes.gallery)
        self._export = ExportController(context, screen)
        self._made_from: tuple[ShownPicture, ...] = ()
        """What the running job starts from."""
        self._job: Job | None = None
        """The job whose picture is forming, or formed last."""
        self._had_pictures = False

    @property
    def _pictures(self) -> Pictures:
        return self._context.backend.pictures

    def read(self) -> None:
        """List the pictures, and update the index on another thread, which then posts
        HistoryRead."""
        self._panes.gallery.reload()
        pictures = self._pictures
        run_in_background(self._screen, lambda: refresh(pictures))

    def show_refreshed(self, problem: str) -> None:
        """List the pictures again, now that the index is up to date."""
        if problem:
            self._context.notify(problem, severity="warning")
        self._panes.gallery.reload()

    # The current picture

    def begin(self, job: Job) -> None:
        """A job begins."""
        self._made_from, self._job = input_images(job.request), job
        self._panes.gallery.begin(job)
        self._panes.stage.begin()
        self.viewing.job_changed(is_running=True)

    def show_forming(self, pixels: Pixels) -> None:
        """Show the picture in progress, unless the user looks at another one."""
        stage = self._panes.stage
        self._panes.gallery.show_forming(pixels)
        if self._panes.gallery.is_at_newest:
            stage.show_forming(pixels, self._made_from)
            self.viewing.show_forming(pixels)
        stage.count_preview(pixels)

    def add(self, picture: ShownPicture) -> None:
        """The running job saved a picture."""
        if self._panes.gallery.is_at_newest:
            self._panes.stage.show(picture, self._made_from)
            self.viewing.show(picture, self._made_from)

    def job_over(self, job: Job) -> None:
        """A job was finished, has failed or was cancelled."""
        self._vary.job_over(job)

    def finish(self) -> None:
        """No job is running any more."""
        self.viewing.job_changed(is_running=False)
        self._panes.gallery.finish()

    def show_moved(self, entry: Entry | None) -> None:
        """The gallery's cursor is on another picture: full screen shows it at once."""
        if entry is not None and not (self.viewing.is_running and self._panes.gallery.is_at_newest):
            self.viewing.show_entry(entry, None)

    async def show_failed(self, picture: ShownPicture, error: ImageError) -> None:
        """A picture can't be shown on the stage. If it was deleted, list the pictures again."""
        gallery = self._panes.gallery
        entry = gallery.selected
        if picture in self._panes.stage.made_from:
            self._context.show_error(error)
        elif entry is not None and picture == picture_of(entry) and not self._changes.is_changing:
            await gallery.show_error(error, entry)

    def show_selected(self, entry: Entry | None, record: GenerationRecord | None) -> None:
        """The gallery's cursor rests on another picture: show it and its record."""
        has_pictures = self._panes.gallery.total > 0
        if has_pictures is not self._had_pictures:
            self._had_pictures = has_pictures
            self._screen.refresh_bindings()
        picture = None if entry is None else picture_of(entry)
        if entry is None and self.viewing.is_running and self._job is not None:
            self._panes.info.show_job(self._job)
        else:
            self._panes.info.show(entry, record, self._panes.gallery.grid.highlighted)
        if self.viewing.is_running and self._panes.gallery.is_at_newest:
            return
        if entry is None:
            if self._panes.gallery.total == 0:
                self._panes.stage.show(None)
                self.viewing.show_nothing()
            return
        self._panes.stage.show(picture, made_from(entry, record))
        self.viewing.show_entry(entry, record)

    # Verbs

    def can_perform(self, verb: str) -> bool:
        """False if a verb needs a picture and there is none at all."""
        if verb == "open" and self.viewing.has_picture:
            return True
        return verb in ("undo", "trash_view") or self._panes.gallery.total > 0

    async def perform(self, verb: str, entries: tuple[Entry, ...] | None = None) -> None:
        """Carry out a verb of the scope `picture` on some pictures, by default on the current one,
        or on the marked ones if it is for several. Returns when it is done, so that the next key
        acts on the result, but not later than after two seconds: a disk may hang."""
        if verb == "open":
            await wait_briefly(start_worker(self._screen, self._open), _MAX_KEY_WAIT_SECONDS)
        elif verb == "mark":
            self._panes.gallery.toggle_mark()
        elif verb == "trash_view":
            self._panes.gallery.toggle_trash()
        elif verb == "undo":
            undo = partial(self._changes.undo, entries)
            await wait_briefly(start_worker(self._screen, undo), _MAX_KEY_WAIT_SECONDS)
        elif chosen := self._chosen(verb) if entries is None else entries:
            action: Callable[[], Any] = partial(self._perform, verb, chosen)
            await wait_briefly(start_worker(self._screen, action), _MAX_KEY_WAIT_SECONDS)
        else:
            what = (
                "The picture is still forming."
                if self.viewing.is_running
                else "There is no picture yet."
            )
            self._context.notify(what, timeout=3)

    def _chosen(self, verb: str) -> tuple[Entry, ...]:
        gallery = self._panes.gallery
        if verb in _OF_SEVERAL:
            return gallery.chosen
        return () if gallery.selected is None else (gallery.selected,)

    async def _open(self) -> None:
        if await self._panes.gallery.is_current_there():
            self.viewing.open_full_screen()

    async def _perform(self, verb: str, entries: tuple[Entry, ...]) -> None:
        entry = entries[0]
        gallery = self._panes.gallery
        match verb:
            case "star":
                await self._changes.star(entries)
            case "trash":
                await self._changes.trash(entries)
            case "compare":
                if (pair := gallery.pair_to_compare()) is not None:
                    await self._compare(*pair)
            case "tag":
                self._ask_for_tags(entries)
            case "export":
                self._ask_for_file(entries)
            case "start_from":
                self._generation.use_init_image(str(entry.path))
            case "lineage":
                await self._lineage.show(entry)
            case "mask":
                await self._masks.draw_over(picture_of(entry))
            case "hires":
                await self._hires.ask(entries)
            case "upscale":
                await self._upscaling.ask(entries)
            case "copy":
                self._ask_what_to_copy(entries)
            case _ if verb in EXPORTS:
                await self._export.perform(verb, entry)
            case "copy_prompt":
                self._context.copy(entry.prompt, "The prompt")
            case _:
                if (record := await gallery.record(entry)) is not None:
                    await self._perform_with_record(verb, entry, record)

    async def _perform_with_record(self, verb: str, entry: Entry, record: GenerationRecord) -> None:
        match verb:
            case "vary":
                self._vary.ask(entry, await record_with_local_loras(self._context, record))
            case "grid":
                local = await record_with_local_loras(self._context, record)
                self.grids.ask(entry.path.name, picture_request(local))
            case "reuse":
                await self._generation.reuse(picture_request(record), record.lora_hashes)
            case "reuse_new_seed":
                hashes = record.lora_hashes
                await self._generation.reuse(record.request, hashes, keep_seed=False)
            case "copy_json":
                from sdtui.tui.record_text import as_json

                self._context.copy(as_json(record), "The JSON")

    def _ask_what_to_copy(self, entries: tuple[Entry, ...]) -> None:
        from sdtui.tui.screens.which_key import show_choices

        def copy(verb: str) -> None:
            start_worker(self._screen, partial(self._perform, verb, entries))

        choices = [
            (KeyChoice(key, label), partial(copy, verb)) for key, (verb, label) in _COPIES.items()
        ]
        show_choices(self._context, "Copy", choices)

    async def _compare(self, first: Entry, second: Entry) -> None:
        records = [await self._panes.gallery.record(each) for each in (first, second)]
        if records[0] is None or records[1] is None:
            return
        from sdtui.tui.screens.compare import Compared

        self.viewing.compare(Compared(first, records[0]), Compared(second, records[1]))

    def _ask_for_tags(self, entries: tuple[Entry, ...]) -> None:
        from sdtui.tui.screens.dialogs import AskScreen

        tags = " ".join(sorted({tag for each in entries for tag in each.tags}))
        title = "Tags" + (f" (now: {tags})" if tags else "")

        def change(text: str | None) -> None:
            if text:
                start_worker(self._screen, partial(self._changes.tag, entries, text))

        self._context.push_screen(AskScreen(title, hint="cat garden -dog"), change)

    def _ask_for_file(self, entries: tuple[Entry, ...]) -> None:
        from sdtui.tui.screens.dialogs import AskScreen

        proposed = paths.home_folder() / f"pictures-{datetime.now():%Y%m%d-%H%M%S}.zip"
        title = f"Write {counted(len(entries), 'picture')} with JSON into a zip file"

        def export(text: str | None) -> None:
            if text:
                work = partial(self._changes.export, entries, paths.expanded(text))
                start_worker(self._screen, work)

        self._context.push_screen(AskScreen(title, str(proposed)), export)


def refresh(pictures: Pictures) -> HistoryRead:
    """Index pictures that were moved, copied or deleted. Not for the app's thread."""
    try:
        pictures.refresh()
    except SdtuiError as error:
        return HistoryRead(str(error))
    return HistoryRead()
