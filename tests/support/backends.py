"""A local backend, and the same through a server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdtui.core.settings import Settings
from sdtui.jobs import Backend, Job
from sdtui.jobs.backends.local import LocalBackend
from sdtui.jobs.backends.remote.backend import RemoteBackend
from sdtui.jobs.backends.remote.where import HttpServer
from sdtui.requests.events import JobEvent
from sdtui.requests.request import GenerationRequest
from tests.support.child_generator import MakeHeldGenerator
from tests.support.cluster import Cluster
from tests.support.live_server import PATIENCE, Live, live
from tests.support.scripted_generator import ScriptedGenerator


@dataclass
class Opened:
    """A backend, and what works behind it."""

    backend: Backend
    local: LocalBackend
    """The backend itself, or that of the server."""
    generator: ScriptedGenerator
    events: list[JobEvent] = field(default_factory=list)

    def submit(self, prompt: str = "a cat", **values: Any) -> Job:
        """Queue a small request."""
        request = GenerationRequest.parse({"prompt": prompt, "num_inference_steps": 1, **values})
        return self.backend.jobs.submit(request)

    def made(self, prompt: str = "a cat", **values: Any) -> Job:
        """Return a job that is over."""
        return self.backend.jobs.wait(self.submit(prompt, **values).id, PATIENCE)

    def kinds(self, job_id: str) -> list[str]:
        """Return the kinds of a job's events so far."""
        return [each.event.kind for each in list(self.events) if each.job == job_id]


def until(holds: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


@contextmanager
def opened_locally(folder: Path, **settings: Any) -> Iterator[Opened]:
    """Open a local backend with a scripted generator."""
    generator = ScriptedGenerator()
    backend = LocalBackend(
        Settings(pictures=folder / "pictures", **settings),
        queue_folder=folder,
        index_file=folder / "index.db",
        make_generator=lambda _: generator,
    )
    opened = Opened(backend, backend, generator)
    backend.jobs.subscribe(opened.events.append)
    yield opened
    generator.hold.clear()
    assert backend.close(PATIENCE)


@contextmanager
def opened_on_cluster(folder: Path, **settings: Any) -> Iterator[Opened]:
    """Open a local backend whose scripted generator is on a machine that has joined it."""
    make_generator = MakeHeldGenerator(folder / "hold")
    cluster = Cluster(folder, make_generator=make_generator, **settings)
    cluster.join()
    opened = Opened(cluster.backend, cluster.backend, make_generator())
    cluster.backend.jobs.subscribe(opened.events.append)
    yield opened
    opened.generator.hold.clear()
    cluster.close()


@contextmanager
def attached(running: Live, **options: Any) -> Iterator[RemoteBackend]:
    """Attach to a server."""
    host, port = running.address
    where = options.pop("where", HttpServer(host, port))
    cache = Path(running.backend.pictures.folder).parent / "attached"
    remote = RemoteBackend(where, cache_folder=cache, **options)
    remote.start()
    remote.wait_until_connected(PATIENCE)
    yield remote
    remote.close()


@contextmanager
def opened_remotely(folder: Path, **settings: Any) -> Iterator[Opened]:
    """Open the backend of a server with a scripted generator."""
    generator = ScriptedGenerator()
    options: dict[str, Any] = {"allow_downloads": True, "queue_limit": 1000}
    chosen = Settings(device="cpu", **settings)
    with (
        live(folder, lambda _: generator, settings=chosen, warm=False, **options) as running,
        attached(running) as remote,
    ):
        opened = Opened(remote, running.backend, generator)
        remote.jobs.subscribe(opened.events.append)
        yield opened
        generator.hold.clear()


class Waiter:
    """Waits for an event, on the thread that subscribes."""

    def __init__(self) -> None:
        self.events: list[JobEvent] = []
        self._over = threading.Event()

    def put(self, envelope: JobEvent) -> None:
        self.events.append(envelope)
        if envelope.event.kind != "downloading":
            self._over.set()

    def wait(self) -> list[str]:
        """Return the kinds of the events of a download, once it is over."""
        assert self._over.wait(PATIENCE)
        return [each.event.kind for each in self.events]
