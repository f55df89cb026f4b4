"""A real uvicorn on loopback, in a thread of the test's process so that faults can be put into its
engine."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from sdtui.core import paths
from sdtui.core.settings import Settings
from sdtui.jobs import JobState
from sdtui.jobs.backends.local import LocalBackend
from sdtui.jobs.generator import make_generator as real_generator
from sdtui.server.dependencies import ServerServices, build_services
from sdtui.server.lifecycle import Server
from sdtui.server.listeners import listen
from sdtui.server.options import ServerOptions
from sdtui.server.reloading import add_reloads
from sdtui.server.systemd import Notifier
from sdtui.server.tls import tls_context
from tests.support.images import png_base64

KEY = "a-key-for-tests"
"""The key of the servers that have one."""

PATIENCE = 50.0
"""Seconds after which a test fails, long enough for a busy machine, and less than what pytest takes
for a deadlock."""

QUICK: dict[str, Any] = {
    "prompt": "a red apple",
    "num_inference_steps": 2,
    "width": 64,
    "height": 64,
}
"""A request that the pocket model finishes quickly."""

BODY = {"prompt": "x"}
"""The smallest request."""


@dataclass
class Live:
    """A running server."""

    url: str
    backend: LocalBackend
    services: ServerServices
    server: Server
    thread: threading.Thread
    generators: list[Any] = field(default_factory=list)
    """The generators that the worker created."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)

    def client(self, **options: Any) -> httpx.Client:
        """Create a client of the server; the caller closes it."""
        if (path := self.services.options.unix_socket) is not None:
            options["transport"] = httpx.HTTPTransport(uds=str(path))
            return httpx.Client(base_url="http://localhost", timeout=PATIENCE, **options)
        # Without certificates, which take time to load.
        return httpx.Client(base_url=self.url, timeout=PATIENCE, verify=False, **options)

    def end(self) -> None:
        """Shut down, as SIGTERM does."""
        self.server.handle_exit(15, None)

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait until a condition holds."""
        end = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < end, "waited too long"
            time.sleep(0.01)


@contextmanager
def live(
    folder: Path,
    make_generator: Callable[[Settings], Any] = real_generator,
    *,
    settings: Settings | None = None,
    warm: bool = True,
    before_start: Callable[[Live], None] = lambda _: None,
    **options: Any,
) -> Iterator[Live]:
    """Run a server with its folders below `folder`; options are those of ServerOptions.

    Yields once the first model is loaded, or at once if not `warm`. `before_start` is called with
    the server before it runs.
    """
    settings = settings or Settings(device="cpu")
    settings = replace(settings, pictures=folder / "pictures")
    chosen = replace(ServerOptions(port=0), **options)
    generators: list[Any] = []

    def make_and_remember(settings: Settings) -> Any:
        generators.append(make_generator(settings))
        return generators[-1]

    with pytest.MonkeyPatch.context() as patch:
        for kind in ("STATE", "CACHE", "CONFIG"):
            patch.setenv(f"XDG_{kind}_HOME", str(folder / kind.lower()))
        patch.setenv("HF_HOME", str(folder / "huggingface"))
        backend = LocalBackend(
            settings,
            queue_folder=paths.server_folder(),
            queue_limit=chosen.queue_limit,
            sample_interval=5.0,
            make_generator=make_and_remember,
        )
        services = build_services(settings, chosen, backend)
        tls = tls_context(chosen)
        listener = replace(listen(chosen), scheme="https" if tls else "http")
        started = threading.Event()
        server = Server(services, started.set, listener, Notifier(), tls=tls)
        add_reloads(services, None, None, tls)
        thread = threading.Thread(target=server.run, args=([listener.socket],), daemon=True)
        running = Live(listener.url, backend, services, server, thread, generators)
        before_start(running)
        thread.start()
        assert started.wait(PATIENCE)
        running.until(lambda: services.job_events.model.was_loaded or not warm)
    try:
        yield running
    finally:
        running.end()
        thread.join(PATIENCE)
        assert not thread.is_alive()
        assert backend.close(PATIENCE)


def post(ask: httpx.Client, path: str, body: Mapping[str, Any]) -> httpx.Response:
    """Post a body to a route that makes pictures; to OpenAI's edits as a form with a picture."""
    if path == "/v1/images/edits":
        files = {"image": ("a.png", base64.b64decode(png_base64()))}
        return ask.post(path, data=body, files=files)
    return ask.post(path, json=body)


def job_state(running: Live, job: dict[str, Any]) -> JobState:
    """The state of a job as `POST /jobs` returned it."""
    return running.backend.jobs.job(job["id"]).state


def parse_events(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Parse a stream of server-sent events into (name, data); comments are skipped."""
    parsed = []
    for block in text.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if line[:1] != ":")
        if lines:
            parsed.append((lines["event"], json.loads(lines["data"])))
    return parsed


def post_and_hang_up(
    running: Live,
    path: str,
    prompt: str,
    when: JobState,
    meanwhile: Callable[[], None] = lambda: None,
    **body: Any,
) -> None:
    """Post a request, wait until its job has the state `when`, call `meanwhile`, and close the
    connection without reading the answer."""

    def job_is_there() -> bool:
        jobs = running.backend.jobs.jobs()
        return any(job.request.prompt == prompt and job.state is when for job in jobs)

    text = json.dumps({"prompt": prompt, **body})
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection(running.address) as client:
        client.sendall(f"{head}Content-Length: {len(text)}\r\n\r\n{text}".encode())
        running.until(job_is_there)
        meanwhile()
