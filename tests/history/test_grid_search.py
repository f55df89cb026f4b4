"""Finding grids in the history."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sdtui.core.errors import InvalidRequestError
from sdtui.history import History
from sdtui.requests.grids import Grid, GridPlace, parse_axis
from tests.support.records import picture, record


@pytest.fixture(scope="module")
def grid() -> Grid:
    request = record().request
    return Grid(request, [parse_axis("X", "steps=1,2", request)])


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, grid: Grid) -> Iterator[History]:
    """The two pictures of a grid, its sheet, and a picture of no grid."""
    folder: Path = tmp_path_factory.mktemp("grids")
    with History(folder / "pictures", folder / "index.db") as history:
        places = (*(cell.place for cell in grid.cells), GridPlace(grid=grid.record), None)
        for seed, place in enumerate(places, 1):
            saved = record(seed=seed).model_copy(update={"grid": place})
            history.save(picture(), saved, 0)
        yield history


@pytest.mark.parametrize(
    ("query", "seeds"),
    [
        ("grid:yes", {1, 2, 3}),
        ("grid:no", {4}),
        ("grid:{id}", {1, 2, 3}),
        ("grid:{id} sheet:no", {1, 2}),
        ("sheet:yes", {3}),
        ("sheet:no", {1, 2, 4}),
        ("-grid:{id}", {4}),
        ("grid:12345678", set()),
    ],
)
def test_pictures_of_a_grid_are_found(
    filled: History, grid: Grid, query: str, seeds: set[int]
) -> None:
    entries = filled.entries(query.format(id=grid.record.id)).entries
    assert {entry.seed for entry in entries} == seeds


def test_they_are_found_after_the_index_is_rebuilt(filled: History, grid: Grid) -> None:
    before = filled.ids(f"grid:{grid.record.id}")
    filled.reindex()
    assert filled.ids(f"grid:{grid.record.id}") == before


def test_a_wrong_answer_is_an_error(filled: History) -> None:
    with pytest.raises(InvalidRequestError, match="sheet takes yes or no"):
        filled.entries("sheet:maybe")
