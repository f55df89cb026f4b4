"""From axes to the pictures of a grid and its sheets, for the APIs that have grids."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fastapi import Request

from sdtui.core.errors import InvalidRequestError, Problem, SdtuiError
from sdtui.jobs import Backend, Job, Output, SheetPicture
from sdtui.jobs.prompts import ResolvedPrompts, one_combination
from sdtui.jobs.request_checks import check_resolved
from sdtui.requests.grids import (
    NOTHING,
    Axis,
    AxisKind,
    FieldKind,
    Grid,
    GridOptions,
    GridPlace,
    axis_of,
    make_axis,
)
from sdtui.requests.request import MODEL_FIELDS, GenerationRequest
from sdtui.server.dependencies import ServerServices
from sdtui.server.errors import GONE, ApiError, from_sdtui, shape_of
from sdtui.server.services.callers import caller_of
from sdtui.server.services.generation import GenerationOutcome, check_limits, refusal, wait_for
from sdtui.server.services.work import check_work

_SHEET_SECONDS = 600.0
"""The longest that writing the sheets is waited for."""
_SHUTDOWN = 503


@dataclass(frozen=True)
class WantedAxis:
    """The name of an axis and the text of its values."""

    name: str = NOTHING
    values: str = ""
    kind: AxisKind | None = None
    """None = that of the name."""

    def axis(self, letter: str, request: GenerationRequest) -> Axis:
        """Return the axis. Raises InvalidRequestError."""
        if self.kind is None:
            return make_axis(letter, self.name, self.values, request)
        return axis_of(letter, self.kind, self.values, request)


@dataclass(frozen=True)
class PreparedGrid:
    """A grid and the prompts of its cells."""

    grid: Grid
    prompts: Sequence[ResolvedPrompts]


@dataclass(frozen=True)
class MadeCell:
    """A cell whose job has ended with pictures."""

    place: GridPlace
    outcome: GenerationOutcome


async def prepare_grid(
    services: ServerServices,
    request: GenerationRequest,
    axes: Sequence[WantedAxis],
    options: GridOptions,
    map_axis: Callable[[Axis], Axis] = lambda axis: axis,
) -> PreparedGrid:
    """Make the grid of a request that is prepared already. `map_axis` may change the spelling of
    values. Raises ApiError."""

    def make() -> PreparedGrid:
        found = [
            map_axis(axis.axis(letter, request)) for letter, axis in zip("XYZ", axes, strict=False)
        ]
        for axis in found:
            if isinstance(axis.kind, FieldKind) and axis.kind.field.is_file:
                message = f"{axis.kind.label} is no axis here: it would read files of the server"
                raise InvalidRequestError([Problem("grid", axis.text, message)])
        named = [_with_served_models(services, axis) for axis in found]
        count = 1
        for axis in named:
            count *= len(axis.values)
        if count > services.options.max_grid:
            most = services.options.max_grid
            message = f"must have at most {most} pictures on this server, not {count:,}"
            raise InvalidRequestError([Problem("grid", count, message)])
        grid = Grid(request, named, options)
        for cell in grid.cells:
            check_limits(services, cell.request)
        requests = [cell.request for cell in grid.cells]
        check_work(requests, services.models, services.options.max_work)
        prompts = _resolve(services.backend, requests)
        grid.check_sheet(services.models.native_size)
        return PreparedGrid(grid, prompts)

    try:
        return await asyncio.to_thread(make)
    except SdtuiError as error:
        services.uploads.forget(request.input_images().values())
        raise from_sdtui(error) from error


def _with_served_models(services: ServerServices, axis: Axis) -> Axis:
    """Return an axis whose models are named as they are served. Raises ModelError."""
    for field in MODEL_FIELDS:
        axis = axis.mapped(field, services.models.resolve)
    return axis


def _resolve(backend: Backend, requests: Sequence[GenerationRequest]) -> Sequence[ResolvedPrompts]:
    """Return what the templates of requests become. Raises ModelError for a VAE or LoRA that isn't
    here, also in these."""
    backend.models.check_files(requests)
    found = [backend.prompts.resolve(one_combination(request)) for request in requests]
    for request, resolved in zip(requests, found, strict=True):
        check_resolved(backend.models, request, resolved.prompts)
    return found


async def submit_grid(
    services: ServerServices,
    http: Request,
    prepared: PreparedGrid,
    output: Output | None = None,
    *,
    is_kept: bool = True,
) -> list[Job]:
    """Submit the cells of a grid, which counts as one job. Raises ApiError, as `submit` does."""
    output = services.retention.output(output, is_kept=is_kept)
    output = output.model_copy(update={"continues_unsaved": True})
    caller = caller_of(http).name
    try:
        services.client_jobs.check(caller)
        jobs = services.backend.jobs.submit_grid(
            prepared.grid, output, prompts=prepared.prompts, client=caller
        )
    except SdtuiError as error:
        services.uploads.forget(prepared.grid.request.input_images().values())
        raise refusal(services, error) from error
    services.client_jobs.note(jobs[-1].id, caller)
    for job in jobs:
        services.metrics.note_job(job.id, shape_of(http.scope))
    return jobs


async def wait_for_grid(
    services: ServerServices, http: Request, jobs: Sequence[Job]
) -> list[MadeCell]:
    """Wait for the jobs of a grid; return those that have pictures, row by row. If the client
    disconnects all are cancelled.

    Raises ApiError if none has a picture because the jobs failed, or if they are saved for the next
    start of the server.
    """
    made: list[MadeCell] = []
    first_error: ApiError | None = None
    try:
        for job in jobs:
            assert job.grid is not None
            try:
                outcome = await wait_for(services, http, job)
            except ApiError as error:
                if error.status_code in (GONE, _SHUTDOWN):
                    raise
                first_error = first_error or error
                continue
            if outcome.record is not None and outcome.pictures:
                made.append(MadeCell(job.grid, outcome))
    finally:
        grid_id = jobs[0].grid.grid.id if jobs[0].grid else ""
        if not services.closing.is_set():
            services.backend.jobs.cancel_grid(grid_id)  # of one that is over, nothing
    if not made and first_error is not None:
        raise first_error
    return sorted(made, key=lambda each: each.place.number)


async def sheets_of(services: ServerServices, grid_id: str) -> list[SheetPicture]:
    """Wait for the sheets of a grid that is over: that of the whole grid, then one for each value
    of Z if there are several; none if there is no picture."""
    paths = await asyncio.to_thread(services.backend.jobs.sheets, grid_id, _SHEET_SECONDS)
    return [SheetPicture(grid_id, index) for index in range(len(paths))]
