"""A grid: a request, the values of three axes, and the jobs that they become."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import product
from typing import Any

from sdtui.core.errors import InvalidRequestError, Problem
from sdtui.core.text import shortened
from sdtui.requests.grids.axes import NOTHING, FieldKind, find_axis_kind
from sdtui.requests.grids.axis_kind import AxisKind
from sdtui.requests.grids.place import AxisRecord, GridPlace, GridRecord
from sdtui.requests.request import GenerationRequest, nth_seed, random_seed

MAX_CELLS = 1000
"""Of a grid."""
MAX_SHEET_MEGAPIXELS = 200
"""Of the pictures on a sheet; A1111's limit."""

LETTERS = ("X", "Y", "Z")
_SEEDS = ("seed", "variation_seed")


@dataclass(frozen=True)
class Axis:
    """Something that changes, and its values."""

    kind: AxisKind
    values: tuple[str, ...] = ("",)
    text: str = ""
    """The values as they were written."""

    def mapped(self, field: str, function: Callable[[str], str]) -> Axis:
        """Return the axis with its values in another spelling, if it changes this field."""
        if not isinstance(self.kind, FieldKind) or self.kind.field.name != field:
            return self
        return replace(self, values=tuple(map(function, self.values)))

    @property
    def record(self) -> AxisRecord:
        captions = tuple(self.kind.caption(value) for value in self.values)
        return AxisRecord(
            label=self.kind.label, text=self.text, values=self.values, captions=captions
        )


@dataclass(frozen=True)
class GridOptions:
    """How seeds are chosen, and how the sheet looks."""

    vary_seeds: tuple[str, ...] = ()
    """Letters of axes along which the seed rises."""
    keeps_random_seeds: bool = False
    """True if every cell draws a seed of its own where the seed is open."""
    has_labels: bool = True
    margin: int = 0
    """Pixels between the pictures of the sheet."""


@dataclass(frozen=True)
class Cell:
    """A request and its place in a grid."""

    request: GenerationRequest
    place: GridPlace


class Grid:
    """The cells of a grid, all of them valid requests."""

    def __init__(
        self,
        request: GenerationRequest,
        axes: Sequence[Axis],
        options: GridOptions = GridOptions(),  # frozen
    ) -> None:
        """`axes` are up to three: X (columns), Y (rows), Z (sheets). Raises InvalidRequestError
        that names the axis and the value."""
        nothing = Axis(find_axis_kind(NOTHING))
        self.axes: tuple[Axis, Axis, Axis] = (*axes, nothing, nothing, nothing)[:3]  # type: ignore[assignment]
        self.options = options
        self.request = request if options.keeps_random_seeds else _seeded(request, self.axes)
        _check_count(self.axes)
        _check_values(self.request, self.axes)
        x, y, z = (axis.record for axis in self.axes)
        self.record = GridRecord(
            id=os.urandom(4).hex(),
            time=datetime.now(UTC),
            axes=(x, y, z),
            has_labels=options.has_labels,
            margin=options.margin,
        )
        self.cells = tuple(self._cells())

    @classmethod
    def restored(
        cls,
        request: GenerationRequest,
        record: GridRecord,
        cells: Iterable[tuple[GenerationRequest, GridPlace]],
    ) -> Grid:
        """Return a grid that was made elsewhere, whose cells are valid."""
        grid = cls(request, ())
        grid.record = record
        grid.cells = tuple(Cell(each, place) for each, place in cells)
        return grid

    def _cells(self) -> Iterator[Cell]:
        """Yield the cells in the order in which least is loaded: the axis that costs most changes
        least. Of equal ones that is Z, then Y."""
        order = sorted((2, 1, 0), key=lambda number: -self.axes[number].kind.cost)
        for places in product(*(range(len(self.axes[number].values)) for number in order)):
            by_axis = dict(zip(order, places, strict=True))
            yield self._cell(by_axis[0], by_axis[1], by_axis[2])

    def _cell(self, x: int, y: int, z: int) -> Cell:
        values = self.request.values()
        changes: dict[str, Any] = {}
        for axis, at in zip(self.axes, (x, y, z), strict=True):
            changes |= axis.kind.apply({**values, **changes}, axis.values[at], axis.values[0])
        if by := self._seed_offset(x, y, z):
            seeds = {name: changes.get(name, values[name]) for name in _SEEDS}
            changes |= {
                name: nth_seed(int(seed), by) for name, seed in seeds.items() if seed is not None
            }
        place = GridPlace(grid=self.record, x=x, y=y, z=z)
        return Cell(self.request.changed(**changes), place)

    def _seed_offset(self, x: int, y: int, z: int) -> int:
        """Return by how much the seed of a cell is larger than the first one's."""
        factors = (1, len(self.axes[0].values), len(self.axes[0].values) * len(self.axes[1].values))
        return sum(
            place * factor
            for letter, place, factor in zip(LETTERS, (x, y, z), factors, strict=True)
            if letter in self.options.vary_seeds
        )

    def check_sheet(self, native_size: Callable[[str], tuple[int, int]]) -> None:
        """Raise InvalidRequestError if the sheet would be too large. `native_size` returns the
        native width and height of a model, for requests that leave them open."""
        sizes = {
            (request.width or native[0], request.height or native[1])
            for request in dict.fromkeys(_size_of(cell.request) for cell in self.cells)
            for native in [
                (0, 0) if request.width and request.height else native_size(request.model)
            ]
        }
        width, height = (max(each) for each in zip(*sizes, strict=True))
        margin = self.options.margin
        megapixels = len(self.cells) * (width + margin) * (height + margin) / 1e6
        if megapixels > MAX_SHEET_MEGAPIXELS:
            message = (
                f"{len(self.cells):,} pictures of {width}x{height} make a sheet of "
                f"{megapixels:,.0f} megapixels; {MAX_SHEET_MEGAPIXELS} are allowed"
            )
            raise InvalidRequestError([Problem("grid", None, message)])


def _seeded(request: GenerationRequest, axes: Sequence[Axis]) -> GenerationRequest:
    """Return the request with seeds that all cells share."""
    names = {axis.kind.field.name for axis in axes if isinstance(axis.kind, FieldKind)}
    if "variation_strength" in names and request.noise.variation_seed is None:
        request = request.changed(variation_seed=random_seed())
    return request.with_seed()


@dataclass(frozen=True)
class _Size:
    model: str
    width: int | None
    height: int | None


def _size_of(request: GenerationRequest) -> _Size:
    return _Size(request.model, request.width, request.height)


def parse_axis(letter: str, text: str, request: GenerationRequest) -> Axis:
    """Return the axis for e.g. "steps=10-30 [3]". Raises InvalidRequestError."""
    name, equals, values = text.partition("=")
    if not equals:
        raise _problem(letter, text, f'takes AXIS=VALUES such as steps=10,20, not "{text}"')
    return make_axis(letter, name, values.strip(), request)


def make_axis(letter: str, name: str, text: str, request: GenerationRequest) -> Axis:
    """Return the axis of a name and the text of its values. Raises InvalidRequestError."""
    try:
        kind = find_axis_kind(name)
    except InvalidRequestError as error:
        raise _problem(letter, name, error.problems[0].message) from error
    return axis_of(letter, kind, text, request)


def axis_of(letter: str, kind: AxisKind, text: str, request: GenerationRequest) -> Axis:
    """Return the axis of a kind and the text of its values. Raises InvalidRequestError."""
    try:
        values = tuple(kind.values(text, request.values()))
    except ValueError as error:
        raise _problem(letter, text, str(error), kind) from error
    if not values:
        raise _problem(letter, text, "has no values", kind)
    return Axis(kind, values, text)


def _check_count(axes: Sequence[Axis]) -> None:
    x, y, z = (len(axis.values) for axis in axes)
    if x * y * z > MAX_CELLS:
        message = f"{x} x {y} x {z} are {x * y * z:,} pictures; {MAX_CELLS:,} are allowed"
        raise InvalidRequestError([Problem("grid", None, message)])


def _check_values(request: GenerationRequest, axes: Sequence[Axis]) -> None:
    """Raise InvalidRequestError for the first value that its axis doesn't take."""
    for letter, axis in zip(LETTERS, axes, strict=True):
        for value in dict.fromkeys(axis.values):
            try:
                request.changed(**axis.kind.apply(request.values(), value, axis.values[0]))
            except InvalidRequestError as error:
                raise _value_problem(letter, value, error.problems[0].message, axis) from error
            except ValueError as error:
                raise _value_problem(letter, value, str(error), axis) from error


def _value_problem(letter: str, value: str, message: str, axis: Axis) -> InvalidRequestError:
    named = "" if not value or value in message else f' ("{shortened(value)}")'
    return _problem(letter, value, f"{message}{named}", axis.kind)


def _problem(
    letter: str, value: str, message: str, kind: AxisKind | None = None
) -> InvalidRequestError:
    where = f"{letter} axis, {kind.label}" if kind else f"{letter} axis"
    return InvalidRequestError([Problem(where, value, message)])
