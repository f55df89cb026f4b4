"""Health, models, samplers and metrics."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Container
from typing import Literal

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, ConfigDict

from sdtui import __version__
from sdtui.core.errors import ModelError
from sdtui.core.samplers import sampler_labels
from sdtui.jobs import JobState
from sdtui.jobs.worker_status import HIDDEN, WorkerStatus
from sdtui.models import ModelSource, memory_by_mode
from sdtui.server.dependencies import ServerServices, ServicesDep
from sdtui.server.errors import ApiError, documented
from sdtui.server.services.callers import Permission
from sdtui.server.services.generation import longest_running
from sdtui.server.services.readiness import find_problem
from sdtui.server.services.served_models import ServedModels

router = APIRouter(tags=["sdtui"])


class HealthAnswer(BaseModel):
    """The state of the server."""

    model_config = ConfigDict(use_attribute_docstrings=True, protected_namespaces=())

    status: Literal["ok", "loading", "failed", "ending"]
    """failed = jobs would fail, see `problem`."""
    model_loaded: bool
    model: str | None
    """The model in memory."""
    device: str | None
    """None until a model is loaded."""
    dtype: str | None
    queue_length: int
    queue_limit: int
    problem: str | None
    """Why jobs would fail: the model can't be loaded, or pictures can't be saved."""
    running: str | None
    """The id of the running job, of several the one that runs longest."""
    workers: list[WorkerAnswer]
    version: str
    pid: int
    """The id of the server's process."""
    uptime: float
    """Seconds since its start."""


class WorkerAnswer(BaseModel):
    """A device that makes pictures."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    name: str
    job: str | None
    """The id of its running job."""
    model: str | None
    """The model in its memory."""
    is_loading: bool
    losses: int
    """How often its process ended unexpectedly and was replaced."""
    is_away: bool
    """True while its machine can't be reached, or takes no more work."""
    training: WorkerTraining | None
    """What it trains, in place of making pictures."""


class WorkerTraining(BaseModel):
    """How far a running training is."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    name: str | None
    """null for keys that aren't an admin's."""
    step: int | None = None
    steps: int | None = None
    """null before the first step."""


class ModelAnswer(BaseModel):
    """A model that a request may name."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    name: str
    is_default: bool
    is_loaded: bool
    family: str | None = None
    family_name: str | None = None
    """For people."""
    parameters: int | None = None
    denoiser_parameters: int | None = None
    """Of its U-Net or transformer alone, by which models are known."""
    weight_format: str | None = None
    """The number format of these on disk: "bf16", "Q4_K" …"""
    memory: dict[str, int] | None = None
    """Bytes that a picture of native size needs on a GPU, by memory mode, as estimated."""
    width: int | None = None
    """Native size, in pixels."""
    height: int | None = None
    problem: str | None = None
    """Why it can't be used."""


@router.get("/health", responses=documented("sdtui"))
async def health(services: ServicesDep) -> HealthAnswer:
    """Return status, model and device."""
    model = services.job_events.model
    loaded, found = model.loaded, await find_problem(services)
    problem = str(model.problem) if model.problem else found.details if found else None
    return HealthAnswer(
        status=_status(services, problem),
        model_loaded=loaded is not None,
        model=loaded.model if loaded else None,
        device=loaded.device if loaded else None,
        dtype=loaded.dtype if loaded else None,
        queue_length=sum(job.state is JobState.QUEUED for job in services.backend.jobs.jobs()),
        queue_limit=services.options.queue_limit,
        problem=problem,
        running=longest_running(services),
        workers=[_worker(services, each) for each in services.backend.jobs.workers],
        version=__version__,
        pid=os.getpid(),
        uptime=time.monotonic() - services.started,
    )


def _worker(services: ServerServices, status: WorkerStatus) -> WorkerAnswer:
    loaded = status.model.loaded
    return WorkerAnswer(
        name=status.name,
        job=status.job or None,
        model=loaded.model if loaded else None,
        is_loading=status.model.loading is not None,
        losses=status.losses,
        is_away=status.is_away,
        training=_training(services, status.training) if status.training else None,
    )


def _training(services: ServerServices, name: str) -> WorkerTraining:
    if name == HIDDEN:
        return WorkerTraining(name=None)
    step = services.training_events.step(name)
    if step is None:
        return WorkerTraining(name=name)
    return WorkerTraining(name=name, step=step.step, steps=step.steps)


def _status(
    services: ServerServices, problem: str | None
) -> Literal["ok", "loading", "failed", "ending"]:
    if services.closing.is_set():
        return "ending"
    if services.job_events.model.loading is not None:
        return "loading"
    return "failed" if problem else "ok"


@router.get("/livez", response_class=PlainTextResponse, responses=documented("sdtui"))
async def livez() -> str:
    """Liveness probe: the process answers. Needs no key."""
    return "ok"


@router.post("/shutdown", include_in_schema=False)
async def shutdown(services: ServicesDep) -> None:
    """Shut the server down, as SIGTERM does, if it belongs to the client's own user."""
    if not services.options.own_user_only:
        message = "Only a server without a key on a Unix socket is shut down by its clients."
        raise ApiError(403, "Forbidden", message)
    services.ending.set()


@router.get(
    "/readyz",
    response_class=PlainTextResponse,
    responses={
        **documented("sdtui"),
        503: {
            "description": "Not ready",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
    },
)
async def readyz(services: ServicesDep) -> PlainTextResponse:
    """Readiness probe: ready from the first loaded model until shutdown, while jobs can succeed.
    Needs no key."""
    if services.closing.is_set():
        return PlainTextResponse("ending", 503)
    model = services.job_events.model
    if services.options.preload and not model.was_loaded:
        # The reason is in /health, which needs a key.
        failed = model.problem is not None
        return PlainTextResponse("no model can be read" if failed else "reading a model", 503)
    problem = await find_problem(services)
    if problem is not None:
        return PlainTextResponse(problem.summary, 503)
    return PlainTextResponse("ok")


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        **documented("sdtui"),
    },
)
async def metrics(services: ServicesDep) -> Response:
    """Return the metrics for Prometheus."""
    services.caller.check(Permission.METRICS)
    return Response(services.metrics.expose(), media_type=CONTENT_TYPE_LATEST)


@router.get("/models", responses=documented("sdtui"))
async def models(services: ServicesDep) -> list[ModelAnswer]:
    """List the models that a request may name, the default one first."""
    return await asyncio.to_thread(list_models, services)


def list_models(services: ServerServices) -> list[ModelAnswer]:
    """Return the models, the default one first. Reads the configs of all."""
    loaded = {
        each.model.loaded.model
        for each in services.backend.jobs.workers
        if each.model.loaded is not None
    }
    models, default = services.models, services.models.default
    return [_answer(models, each, default, loaded) for each in models.sources()]


@router.get("/samplers", responses=documented("sdtui"))
async def samplers() -> list[str]:
    """List the samplers that a request may name."""
    return list(sampler_labels())


def _answer(
    models: ServedModels, source: ModelSource, default: str, loaded: Container[str]
) -> ModelAnswer:
    answer = ModelAnswer(
        name=source.name, is_default=source.name == default, is_loaded=source.name in loaded
    )
    try:
        described = models.describe(source)
    except ModelError as error:
        return answer.model_copy(update={"problem": str(error)})
    if described is None:
        return answer  # not downloaded yet
    return answer.model_copy(
        update={
            "family": described.family,
            "family_name": described.family_name,
            "parameters": sum(described.parameters.values()),
            "denoiser_parameters": described.denoiser_parameters,
            "weight_format": described.weight_format or None,
            "memory": memory_by_mode(described),
            "width": described.native.width,
            "height": described.native.height,
        }
    )
