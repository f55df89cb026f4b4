"""Progress of the running job, interrupt and skip."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from sdtui.jobs.event_text import loading_text, pass_text
from sdtui.server.dependencies import ServerServices, ServicesDep
from sdtui.server.errors import documented
from sdtui.server.previews import enlarged_size, preview_base64
from sdtui.server.services.a1111_state import Place
from sdtui.server.services.client_jobs import client_address
from sdtui.server.services.generation import longest_running

router = APIRouter(prefix="/sdapi/v1", tags=["AUTOMATIC1111"])
PREVIEW_SIDE = 512
"""Longer side of a preview in pixels."""
_DELAY_SECONDS = 0.25
"""A client that interrupts and disconnects does both within this time."""


class StateAnswer(BaseModel):
    """The state of the running job."""

    skipped: bool = False
    interrupted: bool = False
    stopping_generation: bool = False
    job: str = ""
    job_count: int = 0
    """Number of pictures that the request asks for; 0 = no job runs."""
    job_timestamp: str = "0"
    job_no: int = 0
    sampling_step: int = 0
    sampling_steps: int = 0


class ProgressAnswer(BaseModel):
    """Progress of the running job, 0 to 1, with a preview."""

    progress: float = 0.0
    eta_relative: float = 0.0
    """Seconds."""
    state: StateAnswer
    current_image: str | None = None
    """A PNG as base64."""
    textinfo: str | None = None
    """What is going on beside the first pass."""


class EmptyAnswer(BaseModel):
    """An empty object."""


@router.get("/progress", responses=documented("a1111"))
async def progress(
    services: ServicesDep, http: Request, skip_current_image: Annotated[bool, Query()] = False
) -> ProgressAnswer:
    """Return the progress of this client's running job, or else of the one that runs longest."""
    job = _own_running(services, http) or longest_running(services)
    if job is None:
        loading = services.job_events.model.loading is not None
        return ProgressAnswer(
            state=StateAnswer(job_count=int(loading)),
            textinfo="loading a model" if loading else None,
        )
    answer = progress_of(services, job)
    preview = services.job_events.preview(job)
    if preview is not None and not skip_current_image:
        size = enlarged_size(preview, PREVIEW_SIDE)
        answer.current_image = await asyncio.to_thread(preview_base64, preview, size)
    return answer


def progress_of(services: ServerServices, job: str) -> ProgressAnswer:
    """Return the progress of a running job, without a preview."""
    place = services.a1111.places.get(job, Place())
    running = services.job_events.progress(job)
    step = running.step
    later = (place.count - place.number - 1) * services.job_events.seconds_per_job()
    return ProgressAnswer(
        # 1 would mean that the job has ended, but decoding and saving are still to come.
        progress=min(0.99, (place.number + running.fraction) / place.count),
        eta_relative=(step.remaining if step else 0.0) + later,
        state=StateAnswer(
            skipped=job in services.a1111.skipped,
            interrupted=job in services.a1111.interrupted,
            job=job,
            job_count=running.num_images * place.count,
            job_timestamp=_timestamp(running.started_at or 0.0),
            job_no=place.number * running.num_images + (step.first_image if step else 0),
            sampling_step=step.step if step else 0,
            sampling_steps=step.total if step else 0,
        ),
        textinfo=loading_text(running) or pass_text(running.of_pass) or None,
    )


@router.post("/interrupt", responses=documented("a1111"))
async def interrupt(services: ServicesDep, http: Request) -> EmptyAnswer:
    """Stop the running job if it is this client's; its answer has the finished pictures.

    A front end with several users sends all requests from one address. If one user gives up, it
    interrupts and also disconnects, which cancels that user's job; no other job is stopped then.
    """
    job = _own_running(services, http)
    if list(services.a1111.clients.values()).count(client_address(http)) > 1:
        await asyncio.sleep(_DELAY_SECONDS)
    hung_up = services.a1111.hung_up.get(client_address(http), -math.inf)
    if job is not None and time.monotonic() - hung_up > 2 * _DELAY_SECONDS:
        services.a1111.interrupted.add(job)
        place = services.backend.jobs.job(job).grid
        if place is not None:
            services.backend.jobs.cancel_grid(place.grid.id)
        else:
            services.backend.jobs.cancel(job)
    return EmptyAnswer()


@router.post("/skip", responses=documented("a1111"))
async def skip(services: ServicesDep, http: Request) -> EmptyAnswer:
    """Skip the current picture if the running job is this client's."""
    job = _own_running(services, http)
    if job is not None:
        services.a1111.skipped.add(job)
        services.backend.jobs.cancel(job)
    return EmptyAnswer()


def _own_running(services: ServerServices, http: Request) -> str | None:
    """Return the id of this client's running job."""
    return next(own_running(services, http), None)


def own_running(services: ServerServices, http: Request) -> Iterator[str]:
    """Yield the ids of this client's running jobs, that of the longest-running first."""
    clients, address = services.a1111.clients, client_address(http)
    running = (each.job for each in services.job_events.running_jobs())
    return (job for job in running if clients.get(job) == address)


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y%m%d%H%M%S")
