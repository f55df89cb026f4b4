"""Grids: one request over the values of up to three axes, with the sheets of their pictures."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from fastapi import Path as PathValue
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field

from sdtui.core.errors import HistoryError
from sdtui.jobs import Job, SheetPicture
from sdtui.requests.grids import AxisRecord, GridOptions
from sdtui.server.api.native.jobs import JobAnswer, answer_of
from sdtui.server.api.native.schemas import ABOUT_WEBHOOK, GenerateBody
from sdtui.server.api.native.webhooks import add_webhook, check_webhook
from sdtui.server.dependencies import ServerServices, ServicesDep
from sdtui.server.errors import ApiError, documented
from sdtui.server.files import PICTURE_ANSWERS, picture_response
from sdtui.server.routing import GenerationRoute
from sdtui.server.scopes import root_path_of
from sdtui.server.services.generation import prepare
from sdtui.server.services.grids import WantedAxis, prepare_grid, submit_grid

router = APIRouter(tags=["sdtui"], route_class=GenerationRoute)
GridId = Annotated[str, PathValue(max_length=64)]
_Letter = Literal["x", "y", "z"]


class AxisBody(BaseModel):
    """An axis of a grid."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid")

    axis: str = Field(max_length=100)
    """A field of a request, or a label of A1111's axes such as "Prompt S/R"."""
    values: str = Field("", max_length=100_000)
    """As A1111 writes them: "cat,dog", "1-5", "10-30 [3]"."""


class GridBody(BaseModel):
    """A request and its axes; at least one is needed."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "request": {"prompt": "a red apple", "seed": 42},
                    "x": {"axis": "steps", "values": "2-4 [2]"},
                }
            ]
        },
    )

    request: GenerateBody
    x: AxisBody | None = None
    """The columns."""
    y: AxisBody | None = None
    """The rows."""
    z: AxisBody | None = None
    """A sheet for each value."""
    vary_seeds: list[_Letter] = Field(default=[], max_length=3)
    """Axes along which the seed is counted up."""
    labels: bool = True
    margin: int = Field(0, ge=0, le=500)
    """Pixels between the pictures of a sheet."""
    webhook_url: str | None = Field(None, description=ABOUT_WEBHOOK)


class GridAnswer(BaseModel):
    """The state of a grid."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    url: str
    axes: list[AxisRecord]
    """X, Y and Z."""
    is_over: bool
    """True once all jobs have ended."""
    jobs: list[JobAnswer]
    """Row by row, without their records. The last 200 ended jobs are remembered."""
    sheets: list[str] = []
    """URLs of the sheets: that of the whole grid, then one for each value of Z if there are
    several. They are written once all jobs have ended."""


@router.post("/grids", status_code=202, responses=documented("sdtui", 404, 408, 429, 503, 507))
async def begin(
    body: GridBody, services: ServicesDep, http: Request, response: Response
) -> GridAnswer:
    """Queue the pictures of a grid and return at once."""
    if body.x is body.y is body.z is None:
        raise ApiError(422, "InvalidRequestError", "grid: needs at least one axis: x, y or z.")
    wanted = [
        WantedAxis() if axis is None else WantedAxis(axis.axis, axis.values)
        for axis in (body.x, body.y, body.z)
    ]
    letters = tuple(letter.upper() for letter in body.vary_seeds)
    options = GridOptions(letters, has_labels=body.labels, margin=body.margin)
    check_webhook(services, body.webhook_url)
    request = await prepare(services, body.request.root)
    prepared = await prepare_grid(services, request, wanted, options)
    jobs = await submit_grid(services, http, prepared)
    grid_id = prepared.grid.record.id
    await add_webhook(services, http, grid_id, body.webhook_url, is_grid=True)
    answer = _answer(services, http, grid_id, jobs)
    response.headers["Location"] = answer.url
    return answer


@router.get("/grids/{grid_id}", responses=documented("sdtui", 404))
async def state(grid_id: GridId, services: ServicesDep, http: Request) -> GridAnswer:
    """Return the state of a grid."""
    return _answer(services, http, grid_id, _find(services, grid_id))


@router.delete("/grids/{grid_id}", responses=documented("sdtui", 404))
async def cancel(grid_id: GridId, services: ServicesDep, http: Request) -> GridAnswer:
    """Cancel the jobs of a grid that haven't ended; the sheet has what is there."""
    _find(services, grid_id)
    services.backend.jobs.cancel_grid(grid_id)
    return _answer(services, http, grid_id, _find(services, grid_id))


@router.get(
    "/grids/{grid_id}/sheets/{index}", response_class=FileResponse, responses=PICTURE_ANSWERS
)
async def sheet(grid_id: GridId, index: int, services: ServicesDep, http: Request) -> Response:
    """Return a sheet of a grid, once it is written."""
    picture = SheetPicture(grid_id, index)
    try:
        return await picture_response(http, services.backend.pictures, picture)
    except HistoryError as error:
        raise ApiError(404, "NotFound", f"The grid has no sheet {index} (yet).") from error


def _find(services: ServerServices, grid_id: str) -> list[Job]:
    """Return the jobs of a grid, row by row. Raises ApiError (404)."""
    jobs = [
        (job.grid.number, job)
        for job in services.backend.jobs.jobs()
        if job.grid is not None and job.grid.grid.id == grid_id
    ]
    if not jobs:
        raise ApiError(404, "NotFound", "There is no such grid (any more).")
    return [job for _, job in sorted(jobs, key=lambda each: each[0])]


def _answer(services: ServerServices, http: Request, grid_id: str, jobs: list[Job]) -> GridAnswer:
    url = f"{root_path_of(http.scope)}/grids/{grid_id}"
    sheets = services.backend.jobs.sheets(grid_id, timeout=0)
    assert jobs[0].grid is not None
    return GridAnswer(
        id=grid_id,
        url=url,
        axes=list(jobs[0].grid.grid.axes),
        is_over=all(job.state.is_over for job in jobs),
        jobs=[answer_of(services, http, job.model_copy(update={"record": None})) for job in jobs],
        sheets=[f"{url}/sheets/{index}" for index in range(len(sheets))],
    )
