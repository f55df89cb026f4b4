"""The sheets of a grid, made of its pictures that are there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sdtui.core.errors import HistoryError
from sdtui.history.names import sidecar_path
from sdtui.history.sheet import Labels, labelled_sheet, side_by_side
from sdtui.history.sidecar import read_record
from sdtui.requests.grids import CellPlace, GridPlace, GridRecord
from sdtui.requests.record import GenerationRecord, ImageRecord

if TYPE_CHECKING:
    from PIL.Image import Image


def pictures_of_grid(
    grid_id: str, paths: Iterable[Path]
) -> dict[CellPlace, tuple[Path, GenerationRecord]]:
    """Return the pictures of a grid with their records, of several in one place the first. Files
    that can't be read and those that are no cell of this grid are left out."""
    found: dict[CellPlace, tuple[Path, GenerationRecord]] = {}
    for path in paths:
        try:
            record = read_record(sidecar_path(path))
        except HistoryError:
            continue
        place = record.grid
        if place is not None and place.grid.id == grid_id and place.cell is not None:
            found.setdefault(place.cell, (path, record))
    return found


def compose_sheets(
    grid: GridRecord, pictures: Mapping[CellPlace, Path]
) -> Iterator[tuple[GridPlace, Image]]:
    """Yield the sheet of a whole grid, then, if Z has several values, one for each that has
    pictures. `pictures` are the files that are there; other places stay blank."""
    size = _largest(pictures.values())
    columns, rows, sheets = grid.size
    x, y, z = (axis.captions if grid.has_labels else [""] * len(axis.values) for axis in grid.axes)
    parts = [
        labelled_sheet(
            {place[:2]: path for place, path in pictures.items() if place[2] == number},
            size,
            columns,
            rows,
            Labels(x, y),
            grid.margin,
        )
        for number in range(sheets)
    ]
    if sheets == 1:
        yield GridPlace(grid=grid), side_by_side(parts, z, 0, size)
        return
    yield GridPlace(grid=grid), side_by_side(parts, z, grid.margin, size)
    for number in sorted({place[2] for place in pictures}):
        yield GridPlace(grid=grid, z=number), side_by_side([parts[number]], [z[number]], 0, size)


def sheet_record(
    place: GridPlace, size: tuple[int, int], records: Mapping[CellPlace, GenerationRecord]
) -> GenerationRecord:
    """Return the record of a sheet: that of the first picture on it, with the sheet's own size in
    pixels. `records` are those of the grid's pictures."""
    shown = (each for each in records if place.z in (None, each[2]))
    first = records[min(shown, key=lambda each: each[::-1])]
    width, height = size
    return first.model_copy(
        update={
            "timestamp": datetime.now().astimezone(),
            "generation_time": None,
            "timings": {},
            "load_timings": {},
            "images": (ImageRecord(index=0, seed=first.seed, width=width, height=height),),
            "grid": place,
        }
    )


def _largest(pictures: Iterable[Path]) -> tuple[int, int]:
    """Return the largest width and height of picture files, in pixels; 1 if none can be read."""
    from PIL import Image as Pillow

    from sdtui.history.picture_errors import UNREADABLE

    width = height = 1
    for path in pictures:
        try:
            with Pillow.open(path) as picture:
                width, height = max(width, picture.width), max(height, picture.height)
        except UNREADABLE:
            continue
    return width, height
