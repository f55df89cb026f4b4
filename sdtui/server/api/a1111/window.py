"""What A1111's web page offers beside its API, and clients use: the progress of a request by its
id, and lists that are in no other answer."""

from __future__ import annotations

import asyncio
from pathlib import PurePath
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from sdtui import __version__
from sdtui.requests.sections.hires import LATENT_UPSCALERS
from sdtui.server.api.a1111.progress import PREVIEW_SIDE, own_running, progress_of
from sdtui.server.dependencies import ServerServices, ServicesDep
from sdtui.server.lora_previews import lora_preview
from sdtui.server.previews import enlarged_size, preview_base64
from sdtui.server.routing import JsonRoute

router = APIRouter(include_in_schema=False, route_class=JsonRoute)
_MOST_STEPS = 10_000
"""More than a request may have."""


class TaskBody(BaseModel):
    """Which request's progress is asked for."""

    id_task: Annotated[str | None, Field(max_length=300)] = None
    id_live_preview: int = -1
    """Of the preview that the client has."""
    live_preview: bool = True


class TaskAnswer(BaseModel):
    """The progress of a request to which the client gave an id."""

    active: bool = False
    queued: bool = False
    paused: bool = False
    completed: bool = False
    progress: float | None = None
    eta: float | None = None
    """Seconds."""
    live_preview: str | None = None
    """A data URL; none if the client has the newest one."""
    id_live_preview: int = -1
    textinfo: str | None = None


class AboutAnswer(BaseModel):
    """The program that answers."""

    app: str = "sdtui"
    version: str = __version__


class ListProps(BaseModel):
    """A list of the page."""

    elem_id: str
    choices: list[str]


class ListComponent(BaseModel):
    """The place of a list on the page."""

    type: str = "dropdown"
    props: ListProps


class PageAnswer(BaseModel):
    """Those parts of the page that clients read."""

    components: list[ListComponent]


@router.get("/internal/ping")
async def ping() -> dict[str, str]:
    """Do nothing: whoever gets the answer knows that the server is there."""
    return {}


@router.post("/internal/progress")
async def task_progress(body: TaskBody, services: ServicesDep, http: Request) -> TaskAnswer:
    """Return the progress of a request by its `force_task_id`."""
    tasks, task = services.a1111.tasks, body.id_task or ""
    jobs = tasks.jobs.get(task)
    job = next((each for each in own_running(services, http) if each in (jobs or ())), None)
    if job is None:
        waiting = "Waiting..." if jobs is None else "Queued..."
        completed = jobs is None and task in tasks.finished
        return TaskAnswer(queued=jobs is not None, completed=completed, textinfo=waiting)
    found = progress_of(services, job)
    answer = TaskAnswer(
        active=True, progress=found.progress, eta=found.eta_relative, textinfo=found.textinfo
    )
    await _add_preview(services, job, body, answer)
    return answer


async def _add_preview(
    services: ServerServices, job: str, body: TaskBody, answer: TaskAnswer
) -> None:
    preview = services.job_events.preview(job)
    answer.id_live_preview = body.id_live_preview
    if preview is None or not body.live_preview:
        return
    number = preview.image_index * _MOST_STEPS + preview.step
    if number != body.id_live_preview:
        size = enlarged_size(preview, PREVIEW_SIDE)
        encoded = await asyncio.to_thread(preview_base64, preview, size, "jpeg")
        answer.live_preview = f"data:image/jpeg;base64,{encoded}"
        answer.id_live_preview = number


@router.get("/sdapi/v1/version")
async def version() -> AboutAnswer:
    """Return what answers here. SD.Next has this route."""
    return AboutAnswer()


@router.get("/app_id")
async def app_id(services: ServicesDep) -> dict[str, int]:
    """Return a number that is another one after a restart."""
    return {"app_id": int(services.job_events.run, 16)}


@router.get("/login_check")
async def login_check() -> None:
    """Do nothing: a wrong key was refused before."""


@router.get("/sd_extra_networks/thumb", response_class=FileResponse)
async def thumb(
    services: ServicesDep, filename: Annotated[str, Query(max_length=1000)]
) -> FileResponse:
    """Return the picture beside a LoRA. Of the path only the name counts."""
    name = PurePath(filename).stem.removesuffix(".preview")
    return await lora_preview(services, name)


@router.get("/config")
async def page(services: ServicesDep) -> PageAnswer:
    """Return the lists of LoRAs and of upscalers for hires fix, as the page has them."""

    def read() -> tuple[list[str], list[str]]:
        models = services.backend.models
        loras = [each.lora.path.stem for each in models.loras() if each.lora is not None]
        return loras, [each.name for each in models.upscalers() if not each.problem]

    loras, upscalers = await asyncio.to_thread(read)
    lists = {
        "setting_sd_lora": ["None", *loras],
        "txt2img_hr_upscaler": [*LATENT_UPSCALERS, *upscalers],
    }
    return PageAnswer(
        components=[
            ListComponent(props=ListProps(elem_id=name, choices=choices))
            for name, choices in lists.items()
        ]
    )
