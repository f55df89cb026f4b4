"""The types in the protocols' annotations, as they are written in JSON: nearly all by pydantic as
they are, and a few that hold more than data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Base64Bytes, BaseModel, ConfigDict, PlainSerializer, PlainValidator

import sdtui.history
import sdtui.jobs.job
import sdtui.jobs.prompts
import sdtui.models
import sdtui.monitor
from sdtui.core.dynamic_prompts.expansion import WeightedText
from sdtui.jobs.worker_status import WorkerStatus
from sdtui.models import ReadWildcards, TokenCounter, TokenizerFiles, WildcardFiles
from sdtui.requests.events import JobEvent
from sdtui.requests.grids import Grid, GridPlace, GridRecord
from sdtui.requests.record import GenerationRecord, ImageRecord
from sdtui.requests.request import GenerationRequest
from sdtui.requests.styles import Style
from sdtui.requests.training.request import TrainingRequest
from sdtui.requests.training.status import TrainingCurve, TrainingStatus


class _Sent(BaseModel):
    model_config = ConfigDict(defer_build=True)  # of a request it takes tens of milliseconds


class _Cell(_Sent):
    place: tuple[int, int, int]
    changes: dict[str, Any]
    """The flat values that differ from the grid's request."""


class _Grid(_Sent):
    request: GenerationRequest
    record: GridRecord
    cells: list[_Cell]


def _write_grid(grid: Grid) -> _Grid:
    common = grid.request.values()
    cells = []
    for cell in grid.cells:
        values = cell.request.values()
        changes = {name: each for name, each in values.items() if each != common[name]}
        assert cell.place.cell is not None
        cells.append(_Cell(place=cell.place.cell, changes=changes))
    return _Grid(request=grid.request, record=grid.record, cells=cells)


def _read_grid(sent: Any) -> Grid:
    grid = sent if isinstance(sent, _Grid) else _Grid.model_validate(sent)
    cells = [
        (grid.request.changed(**each.changes), GridPlace(grid=grid.record, x=x, y=y, z=z))
        for each in grid.cells
        for x, y, z in [each.place]
    ]
    return Grid.restored(grid.request, grid.record, cells)


class _Wildcards(_Sent):
    lists: dict[str, list[WeightedText]]
    problems: dict[Path, str]


def _write_wildcards(wildcards: WildcardFiles) -> _Wildcards:
    lists = {name: list(wildcards.lines(name)) for name in wildcards.names()}
    return _Wildcards(lists=lists, problems=wildcards.problems)


def _read_wildcards(sent: Any) -> WildcardFiles:
    wildcards = _Wildcards.model_validate(sent)
    return ReadWildcards(wildcards.lists, wildcards.problems)


class _Counter(_Sent):
    limit: int
    tokenizer: str | None = None
    """The JSON of one of the library's."""
    merges: str | None = None
    vocabulary: dict[str, int] | None = None


def _write_counter(counter: TokenCounter) -> _Counter:
    files = counter.files
    return _Counter(
        limit=counter.limit,
        tokenizer=files.library,
        merges=files.merges,
        vocabulary=files.vocabulary,
    )


def _read_counter(sent: Any) -> TokenCounter:
    counter = _Counter.model_validate(sent)
    files = TokenizerFiles(counter.tokenizer, counter.merges, counter.vocabulary)
    return TokenCounter.restored(counter.limit, files)


NAMES: Mapping[str, Any] = {
    **{
        name: value
        for module in (sdtui.history, sdtui.models, sdtui.monitor)
        for name, value in vars(module).items()
        if name in module.__all__
    },
    **vars(sdtui.jobs.job),
    **vars(sdtui.jobs.prompts),
    "JobEvent": JobEvent,
    "ImageRecord": ImageRecord,
    "GenerationRecord": GenerationRecord,
    "GenerationRequest": GenerationRequest,
    "Style": Style,
    "TrainingRequest": TrainingRequest,
    "TrainingStatus": TrainingStatus,
    "TrainingCurve": TrainingCurve,
    "WorkerStatus": WorkerStatus,
    "bytes": Base64Bytes,
    "Grid": Annotated[Grid, PlainValidator(_read_grid), PlainSerializer(_write_grid)],
    "WildcardFiles": Annotated[
        WildcardFiles, PlainValidator(_read_wildcards), PlainSerializer(_write_wildcards)
    ],
    "TokenCounter": Annotated[
        TokenCounter, PlainValidator(_read_counter), PlainSerializer(_write_counter)
    ],
}
"""What the names in the annotations stand for."""
