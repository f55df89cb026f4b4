"""The services of the server, and how handlers get them."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Annotated

from fastapi import Depends, Request
from starlette.requests import HTTPConnection

from sdtui.core import paths
from sdtui.core.settings import Settings
from sdtui.jobs import Backend
from sdtui.jobs.wire.ids import KnownIds
from sdtui.server.metrics import Metrics
from sdtui.server.options import ServerOptions
from sdtui.server.services.a1111_state import A1111State
from sdtui.server.services.attach_calls import AttachCalls
from sdtui.server.services.attach_hub import AttachHub
from sdtui.server.services.attach_receipts import Receipts
from sdtui.server.services.attach_threads import AttachThreads
from sdtui.server.services.attach_uploads import AttachUploads
from sdtui.server.services.caller_backend import CallerBackend
from sdtui.server.services.caller_jobs import Allowance
from sdtui.server.services.callers import Caller, Permission, caller_of
from sdtui.server.services.client_jobs import ClientJobs
from sdtui.server.services.job_events import JobEventBroker
from sdtui.server.services.key_ring import KeyRing
from sdtui.server.services.refusals import RefusalLog
from sdtui.server.services.reload import Reload
from sdtui.server.services.retention import Retention
from sdtui.server.services.served_models import ServedModels
from sdtui.server.services.signed_links import SignedLinks, read_secret
from sdtui.server.services.stalls import Stalls
from sdtui.server.services.storage_check import StorageCheck
from sdtui.server.services.training_events import TrainingEvents
from sdtui.server.services.uploads import Uploads, input_images
from sdtui.server.services.webhook_targets import WebhookHosts
from sdtui.server.services.webhooks import Webhooks
from sdtui.server.services.webhooks import read_secret as read_webhook_secret


@dataclass
class ServerServices:
    """The services of one server."""

    options: ServerOptions
    settings: Settings
    backend: Backend
    models: ServedModels
    uploads: Uploads
    metrics: Metrics
    job_events: JobEventBroker
    a1111: A1111State
    links: SignedLinks
    retention: Retention
    storage: StorageCheck
    client_jobs: ClientJobs
    stalls: Stalls
    attach_hub: AttachHub
    attach_uploads: AttachUploads
    keys: KeyRing
    webhooks: Webhooks
    caller: Caller = field(default_factory=lambda: Caller(""))
    """Whose view of the server these are; without a name, the server's own."""
    views: CallerViews = field(default_factory=lambda: CallerViews())  # noqa: PLW0108
    training_events: TrainingEvents = field(default_factory=TrainingEvents)
    attach_calls: AttachCalls = field(default_factory=AttachCalls)
    attach_receipts: Receipts = field(default_factory=Receipts)
    attach_threads: AttachThreads = field(default_factory=AttachThreads)
    attach_ids: KnownIds = field(default_factory=KnownIds)
    """Lists of ids that attached clients have."""
    attach_ids_lock: threading.Lock = field(default_factory=threading.Lock)
    parsing: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="sdtui-parsing")
    )
    """Parses large bodies, one at a time and on one thread: glibc keeps freed memory of each thread
    apart."""
    reload: Reload = field(default_factory=Reload)
    """What is read again on SIGHUP."""
    refusals: RefusalLog = field(default_factory=RefusalLog)
    started: float = field(default_factory=time.monotonic)
    """In monotonic seconds."""
    timed_out: set[str] = field(default_factory=set)
    """Jobs that were cancelled because they took too long."""
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    """Set to make the server shut down."""
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the shutdown starts."""
    grace_over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when this server won't finish any more jobs."""

    def sees_job(self, job_id: str) -> bool:
        """True if the caller may know of a job, preload or download."""
        return not isinstance(self.backend, CallerBackend) or self.backend.jobs.sees(job_id)


def build_services(settings: Settings, options: ServerOptions, backend: Backend) -> ServerServices:
    """Return the services of a server. Raises SettingsError if its folder can't be made."""
    folder = options.state_folder or paths.server_folder()
    with paths.needing_state(f"the folder {folder} can't be made"):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    retention = Retention(backend.pictures, options.keep, folder / "pictures")
    uploads = Uploads(folder / "uploads", options.max_upload_pixels)
    job_events = JobEventBroker()
    links = SignedLinks(read_secret(folder / "link_secret"))
    return ServerServices(
        options=options,
        settings=settings,
        backend=backend,
        models=ServedModels(
            backend.models, settings.model, allow_downloads=options.allow_downloads
        ),
        uploads=uploads,
        metrics=Metrics(backend.jobs, options.queue_limit, backend.hardware),
        job_events=job_events,
        a1111=A1111State(checkpoint=settings.model),
        links=links,
        client_jobs=ClientJobs(backend.jobs, options.client_jobs),
        stalls=Stalls(backend.jobs, options.stall_timeout),
        attach_hub=AttachHub(backend, job_events.run),
        attach_uploads=AttachUploads(
            folder / "attached",
            uploads.check,
            lambda: input_images(job for job in backend.jobs.jobs() if job.remaining()),
        ),
        keys=KeyRing(options.api_key, options.keys_file),
        webhooks=Webhooks(
            folder / "webhooks",
            backend,
            links,
            WebhookHosts.parse(options.webhook_hosts),
            b"" if options.webhook_secret is None else read_webhook_secret(options.webhook_secret),
        ),
        retention=retention,
        storage=StorageCheck(lambda: retention.folder(backend.pictures.folder), folder),
    )


class CallerViews:
    """The services as callers with named keys see them. Used on the event loop."""

    def __init__(self) -> None:
        self._views: dict[str, tuple[ServerOptions, ServerServices]] = {}
        """By the names of keys, with the server's options of which they were made."""

    def of(self, services: ServerServices, caller: Caller) -> ServerServices:
        """Return the services for a caller; where keys have no names, those of the server."""
        if not caller.owner:
            return services
        options, view = self._views.get(caller.name, (None, None))
        if view is None or view.caller != caller or options is not services.options:
            view = _view(services, caller, view)
            self._views[caller.name] = services.options, view
        return view


def _view(
    services: ServerServices, caller: Caller, before: ServerServices | None
) -> ServerServices:
    """Return the services for a caller. `before` are those that it had with other limits."""
    limits, options = caller.limits, services.options
    options = replace(
        options,
        max_pixels=_least(options.max_pixels, limits.max_pixels),
        max_pictures=_least(options.max_pictures, limits.max_pictures),
        max_grid=_least(options.max_grid, limits.max_grid),
        allow_downloads=options.allow_downloads and caller.has(Permission.DOWNLOAD),
    )
    if limits.jobs is None:
        limits = limits.model_copy(update={"jobs": options.client_jobs})
    models = ServedModels(
        services.backend.models,
        services.settings.model,
        allow_downloads=options.allow_downloads,
        only=limits.models,
    )
    backend = CallerBackend(
        services.backend,
        replace(caller, limits=limits),
        Allowance(limits.rate),
        models,
        options.max_pictures,
    )
    a1111 = A1111State(checkpoint=models.default)
    if before is not None and models.serves(before.a1111.checkpoint):
        a1111 = before.a1111
    return replace(
        services,
        caller=caller,
        options=options,
        backend=backend,
        models=models,
        a1111=a1111,
        client_jobs=ClientJobs(backend.jobs, None),
        attach_uploads=services.attach_uploads.of(caller.owner),
        attach_ids=KnownIds(),
        attach_ids_lock=threading.Lock(),
    )


def _least(server: int, own: int | None) -> int:
    return server if own is None else min(server, own)


def services_of(http: HTTPConnection) -> ServerServices:
    """Return the services of the server as the caller of a request sees them."""
    services = http.app.state.services
    assert isinstance(services, ServerServices)
    return services.views.of(services, caller_of(http))


async def _services(request: Request) -> ServerServices:
    return services_of(request)


ServicesDep = Annotated[ServerServices, Depends(_services)]
