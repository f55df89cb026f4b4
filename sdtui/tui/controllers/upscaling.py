"""Upscaling pictures of the gallery."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.screen import Screen

from sdtui.core.errors import SdtuiError
from sdtui.core.text import counted
from sdtui.core.upscaler_names import LANCZOS
from sdtui.tui.background import run_on_thread, start_worker
from sdtui.tui.context import AppContext

if TYPE_CHECKING:
    from sdtui.history import Entry
    from sdtui.jobs import Job
    from sdtui.requests.request import GenerationRequest


class UpscaleController:
    """Asks how much larger pictures become, and queues a job for each."""

    def __init__(
        self,
        context: AppContext,
        screen: Screen[Any],
        submit: Callable[[GenerationRequest], Awaitable[Job]],
    ) -> None:
        """`screen` runs workers. `submit` queues a request and may raise SdtuiError."""
        self._context = context
        self._screen = screen
        self._submit = submit
        self._last = LANCZOS

    async def ask(self, entries: tuple[Entry, ...]) -> None:
        """Ask how pictures are upscaled, and queue what is answered."""
        from sdtui.tui.screens.upscale import UpscaleScreen

        found = await run_on_thread(self._context.backend.models.upscalers)
        usable = [each for each in found if not each.problem]
        entry = entries[0]
        is_one = len(entries) == 1
        title = entry.path.name if is_one else counted(len(entries), "picture")
        size = (entry.width, entry.height) if is_one else None
        screen = UpscaleScreen(title, usable, size, self._last)

        def queue(values: dict[str, Any] | None) -> None:
            if values is not None:
                self._last = values["upscaler"]
                start_worker(self._screen, partial(self._queue, entries, values))

        self._context.push_screen(screen, queue)

    async def _queue(self, entries: tuple[Entry, ...], values: dict[str, Any]) -> None:
        from sdtui.requests.request import GenerationRequest

        try:
            requests = [
                GenerationRequest.parse({"prompt": "", **values, "upscale_image": entry.path})
                for entry in entries
            ]
            models = self._context.backend.models
            await run_on_thread(lambda: models.check_files(requests))
            for request in requests:
                await self._submit(request)
        except SdtuiError as error:
            self._context.show_error(error)
            return
        self._context.notify(f"Upscaling of {counted(len(requests), 'picture')} is queued.")
