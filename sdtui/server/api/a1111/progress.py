"""How far the running job is, and stopping it."""

from __future__ import annotations

import asyncio
import math
import time
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from sdtui.server.dependencies import ServerServices, ServicesDep
from sdtui.server.errors import documented
from sdtui.server.previews import enlarged_size, preview_base64

router = APIRouter(prefix="/sdapi/v1", tags=["AUTOMATIC1111"])
_PREVIEW_SIDE = 512
"""Pixels of a preview's longer side."""
_DELAY_SECONDS = 0.25
"""Seconds within which a client that interrupts also hangs up, if it does."""


class StateAnswer(BaseModel):
    """Where the running job is."""

    skipped: bool = False
    interrupted: bool = False
    stopping_generation: bool = False
    job: str = ""
    job_count: int = 0
    """Pictures of the running job; 0 = nothing runs."""
    job_timestamp: str = "0"
    job_no: int = 0
    sampling_step: int = 0
    sampling_steps: int = 0


class ProgressAnswer(BaseModel):
    """How far the running job is, from 0 to 1, and what forms."""

    progress: float = 0.0
    eta_relative: float = 0.0
    """Seconds."""
    state: StateAnswer
    current_image: str | None = None
    """A PNG as base64."""
    textinfo: str | None = None


class EmptyAnswer(BaseModel):
    """It was done."""


@router.get("/progress", responses=documented("a1111"))
async def progress(
    services: ServicesDep, skip_current_image: Annotated[bool, Query()] = False
) -> ProgressAnswer:
    """How far the running job is, whoever asked for it."""
    job = services.job_events.running
    if job is None:
        loading = services.job_events.model.loading is not None
        return ProgressAnswer(
            state=StateAnswer(job_count=int(loading)),
            textinfo="loading a model" if loading else None,
        )
    running = services.job_events.progress(job)
    step, preview = running.step, running.preview
    shown = None
    if preview is not None and not skip_current_image:
        size = enlarged_size(preview, _PREVIEW_SIDE)
        shown = await asyncio.to_thread(preview_base64, preview, size)
    return ProgressAnswer(
        # Decoding and saving are still to come: only what is over is 1.
        progress=min(0.99, running.fraction),
        eta_relative=step.remaining if step else 0.0,
        state=StateAnswer(
            skipped=job in services.a1111.skipped,
            interrupted=job in services.a1111.interrupted,
            job=job,
            job_count=running.num_images,
            job_timestamp=_timestamp(running.started_at or 0.0),
            job_no=step.first_image if step else 0,
            sampling_step=step.step if step else 0,
            sampling_steps=step.total if step else 0,
        ),
        current_image=shown,
    )


@router.post("/interrupt", responses=documented("a1111"))
async def interrupt(services: ServicesDep, http: Request) -> EmptyAnswer:
    """Stop the running job if this client asked for it; what is finished of it is its answer.

    A front end asks for all who use it from one address, and where one of them gives up it both
    interrupts and hangs up. That job is cancelled by the latter: then no other is stopped.
    """
    job = _own_running(services, http)
    if list(services.a1111.clients.values()).count(client_address(http)) > 1:
        await asyncio.sleep(_DELAY_SECONDS)
    hung_up = services.a1111.hung_up.get(client_address(http), -math.inf)
    if job is not None and time.monotonic() - hung_up > 2 * _DELAY_SECONDS:
        services.a1111.interrupted.add(job)
        services.backend.jobs.cancel(job)
    return EmptyAnswer()


@router.post("/skip", responses=documented("a1111"))
async def skip(services: ServicesDep, http: Request) -> EmptyAnswer:
    """Stop the picture that is being made if this client asked for it, and go on with the next."""
    job = _own_running(services, http)
    if job is not None:
        services.a1111.skipped.add(job)
        services.backend.jobs.cancel(job)
    return EmptyAnswer()


def client_address(http: Request) -> str:
    """By what a client is known, since A1111's requests have no name of their own."""
    return http.client.host if http.client else ""


def _own_running(services: ServerServices, http: Request) -> str | None:
    job = services.job_events.running
    return job if job and services.a1111.clients.get(job) == client_address(http) else None


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y%m%d%H%M%S")
