"""Asking for grids, and queueing them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from textual.screen import Screen

from sdtui.core.errors import SdtuiError
from sdtui.core.text import counted
from sdtui.tui.background import run_on_thread, start_worker
from sdtui.tui.context import AppContext

if TYPE_CHECKING:
    from sdtui.requests.grids import Grid
    from sdtui.requests.request import GenerationRequest


class GridController:
    """Asks for the axes of a grid, and queues it."""

    def __init__(self, context: AppContext, screen: Screen[Any]) -> None:
        """`screen` runs workers."""
        self._context = context
        self._screen = screen
        self._texts: tuple[str, ...] = ("", "", "")
        """Of the axes that were asked for last."""

    def ask(self, title: str, request: GenerationRequest) -> None:
        """Ask for the axes of a grid of a request, and queue it."""
        from sdtui.tui.screens.grid import GridScreen

        screen = GridScreen(title, request, self._texts)

        def queue(grid: Grid | None) -> None:
            if grid is not None:
                self._texts = screen.texts
                start_worker(self._screen, partial(self._queue, grid))

        self._context.push_screen(screen, queue)

    async def _queue(self, grid: Grid) -> None:
        from sdtui.jobs.request_checks import check_grid

        backend = self._context.backend

        def check_and_submit() -> None:
            check_grid(backend.models, grid)
            backend.jobs.submit_grid(grid)

        try:
            await run_on_thread(check_and_submit)
        except SdtuiError as error:
            self._context.show_error(error)
            return
        self._context.notify(f"{counted(len(grid.cells), 'picture')} of a grid are queued.")
