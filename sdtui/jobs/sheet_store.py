"""The protocol of what makes and saves the sheets of grids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from sdtui.requests.record import GenerationRecord


class SavedSheet(Protocol):
    """A sheet on disk."""

    @property
    def path(self) -> Path: ...

    @property
    def record(self) -> GenerationRecord: ...


class SheetStore(Protocol):
    """Makes and saves sheets; `History` is one."""

    def save_sheets(
        self, grid_id: str, pictures: Iterable[Path] = (), folder: Path | None = None
    ) -> Sequence[SavedSheet]:
        """Save the sheets of a grid, that of the whole grid first: to `folder`, or to the store's
        default folder. None are saved if the grid has no picture. `pictures` are files of the grid
        that may lie outside of the store. Raises SdtuiError."""
        ...
