"""Making a picture again with one value changed, and comparing the two."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.screen import Screen
from textual.widgets import Input, TextArea

from sdtui.core.errors import HistoryError, SdtuiError
from sdtui.core.text import one_line
from sdtui.tui.background import run_on_thread, start_worker
from sdtui.tui.context import AppContext
from sdtui.tui.grids import as_grid
from sdtui.tui.panes.collection import Panes

if TYPE_CHECKING:
    from sdtui.history import Entry
    from sdtui.jobs import Job
    from sdtui.requests.record import GenerationRecord
    from sdtui.requests.request import GenerationRequest


@dataclass
class _Variation:
    """The jobs of one answer."""

    original: Entry
    open_jobs: set[str] = field(default_factory=set)
    paths: list[str] = field(default_factory=list)
    """Of the pictures that were saved."""


class VaryController:
    """Asks what to change, queues the requests, and opens compare when the picture is there."""

    def __init__(
        self,
        context: AppContext,
        screen: Screen[Any],
        panes: Panes,
        submit: Callable[[GenerationRequest], Awaitable[Job]],
        compare: Callable[[Entry, Entry], Awaitable[None]],
    ) -> None:
        """`screen` is the window. `submit` queues a request and may raise SdtuiError."""
        self._context = context
        self._screen = screen
        self._panes = panes
        self._submit = submit
        self._compare = compare
        self._variations: list[_Variation] = []

    def ask(self, entry: Entry, record: GenerationRecord) -> None:
        """Ask what to change in a picture, and queue what is answered."""
        from sdtui.tui.screens.vary import VaryScreen

        screen = VaryScreen(entry.path.name, record, self._models)

        def queue(requests: tuple[GenerationRequest, ...] | None) -> None:
            if requests:
                start_worker(self._screen, partial(self._queue, entry, requests))

        self._context.push_screen(screen, queue)

    def _models(self) -> list[str]:
        return [source.name for source in self._context.backend.models.installed()]

    async def _queue(self, entry: Entry, requests: tuple[GenerationRequest, ...]) -> None:
        variation = _Variation(entry)
        queue = self._context.backend.jobs
        try:
            if (grid := as_grid(requests)) is not None:
                jobs = await run_on_thread(partial(queue.submit_grid, grid))
                variation.open_jobs |= {job.id for job in jobs}
            else:
                for request in requests:
                    variation.open_jobs.add((await self._submit(request)).id)
        except SdtuiError as error:
            self._context.show_error(error)
        if variation.open_jobs:
            self._variations.append(variation)
        for job_id in list(variation.open_jobs):
            with suppress(KeyError):
                if (job := queue.job(job_id)).state.is_over:  # its end was seen before its id
                    self.job_over(job)

    def job_over(self, job: Job) -> None:
        """A job is over: show the variation, if it was its last job."""
        for variation in [each for each in self._variations if job.id in each.open_jobs]:
            variation.open_jobs.discard(job.id)
            variation.paths += job.pictures
            if not variation.open_jobs:
                self._variations.remove(variation)
                start_worker(self._screen, partial(self._show, variation))

    async def _show(self, variation: _Variation) -> None:
        """Compare one new picture with the original; otherwise mark them all."""
        made = [await self._entry(path) for path in variation.paths]
        found = [entry for entry in made if entry is not None]
        if not found:
            return
        if len(found) == 1 and self._may_open_screen():
            await self._compare(variation.original, found[0])
            return
        self._panes.gallery.mark([variation.original, *found])
        if len(found) == 1:
            name = one_line(found[0].path.name)
            self._context.notify(f"{name} is ready; c compares it with the original.")
        else:
            self._context.notify(f"{len(found)} variations are ready and marked.")

    async def _entry(self, path: str) -> Entry | None:
        try:
            return await run_on_thread(partial(self._context.backend.pictures.get, Path(path)))
        except HistoryError:  # it was moved or deleted meanwhile
            return None

    def _may_open_screen(self) -> bool:
        """False while the user types, or is in a dialog."""
        from sdtui.tui.screens.zooming import ZoomingScreen

        app = self._screen.app
        is_looking = app.screen is self._screen or isinstance(app.screen, ZoomingScreen)
        return is_looking and not isinstance(app.focused, Input | TextArea)
