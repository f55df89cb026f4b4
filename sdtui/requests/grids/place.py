"""Where a picture stands in a grid, as its record has it."""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)


class AxisRecord(_Part):
    """An axis of a grid."""

    label: str = Field(description='As A1111 names it, e.g. "Steps"; "Nothing" for none.')
    text: str = Field("", description='The values as they were written, e.g. "10-30 [3]".')
    values: tuple[str, ...] = ("",)
    captions: tuple[str, ...] = Field(
        ("",), description="What the sheet says about each value; empty for nothing."
    )


class GridRecord(_Part):
    """A grid: its axes and how its sheet looks."""

    id: str
    time: AwareDatetime = Field(description="When it was queued.")
    axes: tuple[AxisRecord, AxisRecord, AxisRecord] = Field(
        description="X (columns), Y (rows), Z (sheets)."
    )
    has_labels: bool = True
    margin: int = Field(0, description="Pixels between the pictures of a sheet.")

    @property
    def size(self) -> tuple[int, int, int]:
        """The number of values of each axis."""
        x, y, z = (len(axis.values) for axis in self.axes)
        return x, y, z


CellPlace = tuple[int, int, int]
"""The indexes of a cell on the axes X, Y and Z."""


class GridPlace(_Part):
    """A picture's place in a grid. `x` and `y` are None for a sheet, `z` is None for the sheet of
    the whole grid."""

    grid: GridRecord
    x: int | None = None
    y: int | None = None
    z: int | None = None

    @property
    def number(self) -> int:
        """A sheet's number among the sheets, or a cell's among the sheets and cells, row by row:
        the order in which a grid's pictures are listed."""
        columns, rows, sheets = self.grid.size
        if self.cell is None:
            return 0 if self.z is None else self.z + 1
        x, y, z = self.cell
        before = 1 if sheets == 1 else 1 + sheets
        return before + x + columns * (y + rows * z)

    @property
    def cell(self) -> CellPlace | None:
        """The indexes of a cell; None for a sheet."""
        if self.x is None or self.y is None or self.z is None:
            return None
        return self.x, self.y, self.z

    @property
    def is_sheet(self) -> bool:
        return self.cell is None

    @property
    def caption(self) -> str:
        """What distinguishes this picture from the others of its grid, on one line."""
        places = (self.x, self.y, self.z)
        found = (
            axis.captions[place]
            for axis, place in zip(self.grid.axes, places, strict=True)
            if place is not None
        )
        return ", ".join(filter(None, found))
