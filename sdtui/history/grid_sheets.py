"""The sheets of a grid, made of its pictures that are there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sdtui.core.errors import HistoryError
from sdtui.history.names import sidecar_path
from sdtui.history.sheet import (
    Labels,
    labelled_sheet,
    missing_letters_notice,
    side_by_side,
)
from sdtui.history.sidecar import read_record
from sdtui.requests.grids import MAX_SHEET_MEGAPIXELS, CellPlace, GridPlace, GridRecord
from sdtui.requests.record import GenerationRecord, ImageRecord

if TYPE_CHECKING:
    from PIL.Image import Image


def make_sheets(grid_id: str, paths: Iterable[Path]) -> Iterator[tuple[Image, GenerationRecord]]:
    """Yield the sheets of a grid with their records, that of the whole grid first; none if no path
    is a picture of it that can be read."""
    found = _pictures_of_grid(grid_id, paths)
    place = next((record.grid for _, record in found.values()), None)
    if place is None:
        return
    records = {cell: record for cell, (_, record) in found.items()}
    for sheet in _compose({cell: path for cell, (path, _) in found.items()}, place.grid):
        yield sheet.image, _record_of(sheet, records)


def _pictures_of_grid(
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


@dataclass(frozen=True)
class Sheet:
    """A sheet of a grid."""

    place: GridPlace
    image: Image
    notices: tuple[str, ...]
    """What differs from what is expected."""


def _compose(pictures: Mapping[CellPlace, Path], grid: GridRecord) -> Iterator[Sheet]:
    """Yield the sheet of a whole grid, then, if Z has several values, one for each that has
    pictures. `pictures` are the files that are there; other places stay blank. If they are too many
    megapixels together, they are made smaller."""
    columns, rows, sheets = grid.size
    largest = _largest(pictures.values())
    cell = (largest[0] + grid.margin) * (largest[1] + grid.margin)
    pixels = columns * rows * sheets * cell
    scale = min(1.0, math.sqrt(MAX_SHEET_MEGAPIXELS * 1e6 / pixels))
    size = (max(1, int(largest[0] * scale)), max(1, int(largest[1] * scale)))
    margin = int(grid.margin * scale)
    x, y, z = (axis.captions if grid.has_labels else [""] * len(axis.values) for axis in grid.axes)
    notices = tuple(filter(None, (_scale_notice(scale), missing_letters_notice([*x, *y, *z]))))

    def part(number: int) -> Image:
        found = {place[:2]: path for place, path in pictures.items() if place[2] == number}
        return labelled_sheet(found, size, columns, rows, Labels(x, y), margin, scale)

    whole = side_by_side(map(part, range(sheets)), z, margin, size)
    yield Sheet(GridPlace(grid=grid), whole, notices)
    del whole
    for number in sorted({place[2] for place in pictures}) if sheets > 1 else ():
        image = side_by_side([part(number)], [z[number]], 0, size)
        yield Sheet(GridPlace(grid=grid, z=number), image, notices)


def _scale_notice(scale: float) -> str:
    """Return what to say about pictures that are made smaller; "" if they aren't."""
    if scale == 1:
        return ""
    return (
        f"the pictures on the sheet have {scale:.0%} of their width: "
        f"it would be larger than {MAX_SHEET_MEGAPIXELS} megapixels"
    )


def _record_of(sheet: Sheet, records: Mapping[CellPlace, GenerationRecord]) -> GenerationRecord:
    """Return the record of a sheet: that of the first picture on it, with the sheet's own size in
    pixels. `records` are those of the grid's pictures."""
    place = sheet.place
    shown = (each for each in records if place.z in (None, each[2]))
    first = records[min(shown, key=lambda each: each[::-1])]
    width, height = sheet.image.size
    return first.model_copy(
        update={
            "timestamp": datetime.now().astimezone(),
            "generation_time": None,
            "notices": sheet.notices,
            "timings": {},
            "load_timings": {},
            "images": (ImageRecord(index=0, seed=first.seed, width=width, height=height),),
            "job": None,
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
