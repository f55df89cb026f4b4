"""What the handlers work with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from sdtui.core import paths
from sdtui.core.settings import Settings
from sdtui.history import History
from sdtui.jobs import JobQueue, QueueFile
from sdtui.server.api.a1111.state import A1111State
from sdtui.server.hardware import Hardware
from sdtui.server.metrics import Metrics
from sdtui.server.options import ServerOptions
from sdtui.server.services.job_events import JobEventBroker
from sdtui.server.services.served_models import ServedModels
from sdtui.server.services.signed_links import Links
from sdtui.server.services.uploads import Uploads


@dataclass
class ServerServices:
    """The parts of one server."""

    options: ServerOptions
    settings: Settings
    queue: JobQueue
    history: History
    queue_file: QueueFile
    models: ServedModels
    uploads: Uploads
    metrics: Metrics
    job_events: JobEventBroker
    hardware: Hardware
    a1111: A1111State
    links: Links = field(default_factory=Links)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server is told to end."""
    grace_over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when what the queue still holds won't be finished by this server."""


def build_services(
    settings: Settings, options: ServerOptions, history: History, queue: JobQueue
) -> ServerServices:
    """Put a server's parts together. Raises SettingsError if its folder can't be made."""
    folder = paths.state_folder() / "server"
    with paths.needing_state(f"the folder {folder} can't be made"):
        folder.mkdir(parents=True, exist_ok=True)
    hardware = Hardware()
    return ServerServices(
        options=options,
        settings=settings,
        queue=queue,
        history=history,
        # Apart from the app's: it would offer a person to go on with the server's jobs.
        queue_file=QueueFile(folder),
        models=ServedModels(settings, allow_downloads=options.allow_downloads),
        uploads=Uploads(folder / "uploads", options.max_upload_pixels),
        metrics=Metrics(queue, options.queue_limit, hardware),
        job_events=JobEventBroker(),
        hardware=hardware,
        a1111=A1111State(checkpoint=settings.model),
    )


async def _services(request: Request) -> ServerServices:
    services = request.app.state.services
    assert isinstance(services, ServerServices)
    return services


ServicesDep = Annotated[ServerServices, Depends(_services)]
