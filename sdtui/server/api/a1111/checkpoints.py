"""Models under A1111's names."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from pydantic import BaseModel, ConfigDict

from sdtui.core.errors import ModelNotFoundError, QueueClosedError, SdtuiError
from sdtui.models import ModelSource
from sdtui.requests.events import Cancelled, Failed, Superseded
from sdtui.requests.sections.execution import usual_execution
from sdtui.server.dependencies import ServerServices
from sdtui.server.errors import ApiError, ending, from_failed, from_sdtui
from sdtui.server.shutdown import unless_closing


class CheckpointAnswer(BaseModel):
    """A model; its title is its name, which never changes."""

    model_config = ConfigDict(protected_namespaces=())

    title: str
    model_name: str
    hash: str | None = None
    sha256: str | None = None
    filename: str
    config: str | None = None


async def list_checkpoints(services: ServerServices) -> list[CheckpointAnswer]:
    """List the models that a request may name."""
    return [_answer(each) for each in await asyncio.to_thread(services.models.usable)]


async def find_checkpoint(services: ServerServices, title: str | None) -> str:
    """Find the name of a model by its title, with or without a hash at the end; without a title,
    that of the selected model. Raises ApiError if there is no such model."""
    if not title or title == services.a1111.checkpoint:
        return services.a1111.checkpoint
    try:
        return await asyncio.to_thread(_resolve, services, title)
    except SdtuiError as error:
        raise from_sdtui(error) from error


async def read_checkpoint(services: ServerServices, name: str | None) -> None:
    """Load a model (None = unload it), and wait for it unless jobs run first.

    Raises ApiError if it can't be loaded, or if another one is requested meanwhile.
    """
    queue = services.backend.jobs
    jobs_go_first = services.job_events.has_unfinished_jobs()
    try:
        if name is None:
            load = queue.unload()
        else:
            load = queue.load(name, usual_execution(services.settings))
        if jobs_go_first:
            return
        ended = await unless_closing(services.job_events.preload_end(load), services.closing)
    except (QueueClosedError, TimeoutError) as error:
        raise ending() from error
    if isinstance(ended, Failed):
        raise from_failed(ended)
    if isinstance(ended, Cancelled | Superseded):
        closing = services.closing.is_set()
        raise ending() if closing else ApiError(409, "Replaced", "Another model was chosen.")


def _resolve(services: ServerServices, title: str) -> str:
    with suppress(ModelNotFoundError):  # a name may itself end with brackets
        return services.models.resolve(title)
    name = title.rpartition(" [")[0] if title.endswith("]") else title
    return services.models.resolve(name.removesuffix(".safetensors"))


def _answer(source: ModelSource) -> CheckpointAnswer:
    filename = source.path.name if source.path and not source.hub_id else source.name
    return CheckpointAnswer(title=source.name, model_name=source.name, filename=filename)
