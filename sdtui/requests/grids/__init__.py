"""Grids: one request over the values of up to three axes, as in A1111's "X/Y/Z plot"."""

from sdtui.requests.grids.axes import (
    NOTHING,
    SEED_LABELS,
    FieldKind,
    axis_kinds,
    field_kind,
    find_axis_kind,
)
from sdtui.requests.grids.axis_kind import AxisKind
from sdtui.requests.grids.grid import (
    MAX_CELLS,
    MAX_SHEET_MEGAPIXELS,
    Axis,
    Cell,
    Grid,
    GridOptions,
    axis_of,
    make_axis,
    parse_axis,
)
from sdtui.requests.grids.place import AxisRecord, CellPlace, GridPlace, GridRecord
from sdtui.requests.grids.prompt_axes import MatrixKind
from sdtui.requests.grids.values import joined_values, number_values

__all__ = [
    "MAX_CELLS",
    "MAX_SHEET_MEGAPIXELS",
    "NOTHING",
    "SEED_LABELS",
    "Axis",
    "AxisKind",
    "AxisRecord",
    "Cell",
    "CellPlace",
    "FieldKind",
    "Grid",
    "GridOptions",
    "GridPlace",
    "GridRecord",
    "MatrixKind",
    "axis_kinds",
    "axis_of",
    "field_kind",
    "find_axis_kind",
    "joined_values",
    "make_axis",
    "number_values",
    "parse_axis",
]
