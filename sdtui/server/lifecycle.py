"""Running a server from its start to its end."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from types import FrameType

import uvicorn
from fastapi import FastAPI

from sdtui.core import runtime
from sdtui.core.errors import QueueClosedError, SettingsError
from sdtui.core.settings import Settings
from sdtui.jobs import Backend, JobState
from sdtui.server.app import make_app
from sdtui.server.connection import Connection
from sdtui.server.dependencies import ServerServices, build_services
from sdtui.server.options import ServerOptions
from sdtui.server.services.queue_persistence import QueuePersistence
from sdtui.server.sockets import allow_more_files, on_sighup, unsent_bytes

_log = logging.getLogger(__name__)
_LAST_SECONDS = 3.0
"""For a job that is stopped at the end of the grace, and for the last answers."""
_KEPT_OPEN = 60
"""Seconds that a connection stays open after an answer: longer than clients keep it (httpx and with
it openai 5, aiohttp 15), so that it is they who hang up. Otherwise a request may cross with the
hanging up, and a POST isn't sent again by itself."""


def serve(
    settings: Settings,
    options: ServerOptions,
    on_start: Callable[[str], object],
    open_backend: Callable[[], Backend],
) -> int:
    """Serve until told to end; returns the exit code. `on_start` is called with the address.

    Raises SettingsError if the options are not safe, or the address or the state folder can't be
    used.
    """
    options.check()
    with listen(options) as listener:
        runtime.shorten_thread_turns()
        allow_more_files()
        services = build_services(settings, options, open_backend())
        server = Server(services, lambda: on_start(url_of(listener)))
        on_sighup(server.handle_exit)
        server.run(sockets=[listener])
        if not services.backend.close(_LAST_SECONDS) or "torch" in sys.modules:
            runtime.leave(0)
    return 0


class Server(uvicorn.Server):
    """uvicorn, and what has to be done before it hangs up."""

    def __init__(self, services: ServerServices, on_start: Callable[[], object]) -> None:
        super().__init__(
            uvicorn.Config(
                make_app(services, self._lifespan),
                log_config=None,
                access_log=False,
                server_header=False,
                http=Connection,
                loop="asyncio",
                ws="none",
                timeout_keep_alive=_KEPT_OPEN,
                lifespan="on",
                timeout_graceful_shutdown=int(services.options.grace + 2 * _LAST_SECONDS) + 1,
            )
        )
        self._services = services
        self._on_start = on_start
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal begins the end; at the second the running picture is given up."""
        del frame
        _log.info("told to end by signal %s", signal.Signals(sig).name)
        # Not uvicorn's own way: after the end it would raise the signal again, and the process
        # would seem to have been killed.
        if self.should_exit:
            self._services.backend.jobs.close(0)
        elif self._loop is not None:
            self._loop.call_soon_threadsafe(self._begin_end)
        self.should_exit = True

    def _begin_end(self) -> None:
        if self._end is None:
            self._end = asyncio.ensure_future(_finish(self._services))
            self._end.add_done_callback(lambda _: self._hang_up({}))

    def _hang_up(self, before: Mapping[asyncio.Transport, int]) -> None:
        """On those that have taken nothing of their answers since `before`, again and again."""
        transports = [each.transport for each in self.server_state.connections]
        unsent = {each: unsent_bytes(each) for each in transports}
        for transport, size in unsent.items():
            if size > 0 and before.get(transport) == size:
                transport.abort()
        asyncio.get_running_loop().call_later(_LAST_SECONDS, self._hang_up, unsent)

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        services = self._services
        self._loop = asyncio.get_running_loop()
        if self.should_exit:  # told so before there was a loop
            self._begin_end()
        queue_persistence = QueuePersistence(services)
        # The board last: whoever waits for a job finds it counted when it is over.
        subscribers = (services.metrics.put, queue_persistence.put, services.job_events.put)
        ends = [services.backend.jobs.subscribe(each) for each in subscribers]
        keeping = asyncio.ensure_future(queue_persistence.run())
        services.backend.hardware.start()
        await asyncio.to_thread(queue_persistence.take_over)
        with suppress(QueueClosedError):  # told to end meanwhile
            services.backend.jobs.load(
                services.settings.model, services.settings.dtype, services.settings.memory_mode
            )
        self._on_start()
        yield
        if self._end is not None:
            await self._end
        queue_persistence.stop()
        await keeping
        await asyncio.to_thread(services.backend.close, _LAST_SECONDS)
        queue_persistence.forget_uploads()
        for end in ends:
            end()


async def _finish(services: ServerServices) -> None:
    """No new jobs; the running picture gets its time; the rest waits for the next start."""
    services.backend.jobs.finish()
    services.closing.set()
    begun = (JobState.RUNNING, JobState.CANCELLING)
    running = next((job.id for job in services.backend.jobs.jobs() if job.state in begun), None)
    # A job that waits for the engine to be imported is taken, but not begun: nothing to wait for.
    if running is not None and running == services.job_events.running:
        with suppress(KeyError):  # of many that are over, it is forgotten
            await asyncio.to_thread(services.backend.jobs.wait, running, services.options.grace)
        if running != services.job_events.running:
            return
        _log.warning("job %s didn't end in %s s and is stopped", running, services.options.grace)
        await asyncio.to_thread(services.backend.jobs.close, _LAST_SECONDS)
    services.grace_over.set()


def listen(options: ServerOptions) -> socket.socket:
    """A socket at the address. Raises SettingsError if it can't be used."""
    try:
        family, *_, address = socket.getaddrinfo(
            options.host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # With the protocol named, asyncio turns Nagle's algorithm off: it would hold back the
        # second part of an answer for 40 ms.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()  # from here on clients may come, and wait until the server is ready
    except (OSError, UnicodeError) as error:
        why = "no such name can be" if isinstance(error, UnicodeError) else error.strerror or error
        raise SettingsError(
            f"{options.host} port {options.port} can't be used: {why}",
            "Give another with --host or --port",
        ) from error
    return listener


def url_of(listener: socket.socket) -> str:
    """The URL of what listens there."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
