"""Making pictures of the gallery again in a larger size."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.screen import Screen

from sdtui.core.errors import SdtuiError
from sdtui.core.text import counted
from sdtui.tui.background import run_on_thread, start_worker
from sdtui.tui.context import AppContext
from sdtui.tui.controllers.local_loras import record_with_local_loras
from sdtui.tui.panes.gallery import Gallery

if TYPE_CHECKING:
    from sdtui.history import Entry
    from sdtui.jobs import Job
    from sdtui.requests.record import GenerationRecord
    from sdtui.requests.request import GenerationRequest


class HiresController:
    """Asks how much larger pictures become, and queues a job for each."""

    def __init__(
        self,
        context: AppContext,
        screen: Screen[Any],
        gallery: Gallery,
        submit: Callable[[GenerationRequest], Awaitable[Job]],
    ) -> None:
        """`screen` runs workers. `submit` queues a request and may raise SdtuiError."""
        self._context = context
        self._screen = screen
        self._gallery = gallery
        self._submit = submit
        self._last = ""

    async def ask(self, entries: tuple[Entry, ...]) -> None:
        """Ask how pictures are made again, and queue what is answered."""
        from sdtui.models import InstalledUpscaler
        from sdtui.requests.sections.hires import LATENT_UPSCALERS
        from sdtui.tui.screens.hires import OPEN, HiresScreen

        found = await run_on_thread(self._context.backend.models.upscalers)
        usable = [each for each in found if not each.problem]
        choices = [*map(InstalledUpscaler, (OPEN, *LATENT_UPSCALERS)), *usable]
        entry = entries[0]
        is_one = len(entries) == 1
        title = entry.path.name if is_one else counted(len(entries), "picture")
        size = (entry.width, entry.height) if is_one else None

        def queue(values: dict[str, Any] | None) -> None:
            if values is not None:
                self._last = values.get("hires_upscaler", OPEN)
                start_worker(self._screen, partial(self._queue, entries, values))

        self._context.push_screen(HiresScreen(title, choices, size, self._last), queue)

    async def _queue(self, entries: tuple[Entry, ...], values: dict[str, Any]) -> None:
        from sdtui.tui.hires import hires_request

        recipe = self._context.recipe.texts
        try:
            requests = [
                hires_request(
                    entry, await record_with_local_loras(self._context, made), recipe, values
                )
                for entry in entries
                if (made := await self._record_of_whole(entry)) is not None
            ]
            models = self._context.backend.models
            await run_on_thread(lambda: models.check_files(requests))
            for request in requests:
                await self._submit(request)
        except SdtuiError as error:
            self._context.show_error(error)
            return
        if requests:
            self._context.notify(f"Hires of {counted(len(requests), 'picture')} is queued.")

    async def _record_of_whole(self, entry: Entry) -> GenerationRecord | None:
        """Return the record whose prompt says what all of a picture shows: where a part was
        repainted, that of the picture before. None after an error was shown."""
        record = await self._gallery.record(entry)
        if record is None or record.request.inpainting is None:
            return record
        pictures = self._context.backend.pictures
        relatives = (await run_on_thread(partial(pictures.lineage, entry.id))).parents
        while record.request.inpainting is not None:
            parent = next((each for each in relatives if each.entry is not None), None)
            if parent is None or parent.entry is None:
                break
            before = await self._gallery.record(parent.entry)
            if before is None:
                break
            record, relatives = before, parent.relatives
        return record
