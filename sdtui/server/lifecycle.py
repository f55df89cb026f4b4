"""Start the server, run it, and shut it down."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import ssl
import sys
import threading
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from types import FrameType

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from sdtui.core import runtime
from sdtui.core.errors import QueueClosedError
from sdtui.core.settings import Settings
from sdtui.jobs import Backend
from sdtui.requests.events import JobEvent
from sdtui.requests.sections.execution import usual_execution
from sdtui.server.app import make_app
from sdtui.server.connection import Connection, ConnectionConfig
from sdtui.server.dependencies import ServerServices, build_services
from sdtui.server.listeners import Listener, listen, options_of, passed_listener
from sdtui.server.middleware.proxy import ForwardedMiddleware
from sdtui.server.options import ServerOptions
from sdtui.server.reloading import add_reloads
from sdtui.server.services.idle import IdleTimer
from sdtui.server.services.job_log import JobLog
from sdtui.server.services.queue_persistence import QueuePersistence
from sdtui.server.services.watchdog import Watchdog
from sdtui.server.sockets import allow_more_files, on_sighup
from sdtui.server.systemd import Notifier
from sdtui.server.tls import tls_context

_log = logging.getLogger(__name__)
_LAST_SECONDS = 3.0
"""Time for a stopped job to end after the grace period, and for the last answers."""
_KEEP_ALIVE_SECONDS = 60
"""Longer than the keep-alive of clients (httpx and openai 5, aiohttp 15 s), so that clients close
connections. Otherwise a request can arrive just as the server closes one, and clients don't repeat
a POST."""


def serve(
    settings: Settings,
    options: ServerOptions,
    on_start: Callable[[str], object],
    open_backend: Callable[[], Backend],
    read_options: Callable[[], ServerOptions] | None = None,
) -> int:
    """Serve until a signal; returns the exit code. `on_start` is called with the URL, and
    `read_options` on SIGHUP.

    Raises SettingsError if the options are unsafe, or the address or the state folder can't be
    used.
    """
    passed = passed_listener(os.environ)
    if passed is not None:
        options = options_of(passed, options)
    options.check()
    for warning in options.warnings:
        _log.warning(warning)
    tls = tls_context(options)
    bound = replace(passed or listen(options), scheme="http" if tls is None else "https")
    with closing(bound) as listener:
        runtime.shorten_thread_turns()
        allow_more_files()
        services = build_services(settings, options, open_backend())
        server = Server(
            services,
            lambda: on_start(listener.url),
            listener,
            Notifier.from_environment(os.environ),
            _end_if_frozen(options),
            tls,
        )
        add_reloads(services, read_options, passed, tls)
        on_sighup(server.handle_exit, server.reload)
        try:
            server.run(sockets=[listener.socket])
        finally:
            runtime.end_no_more()
        has_ended = services.backend.close(_LAST_SECONDS)
    if not has_ended or "torch" in sys.modules:
        runtime.leave(server.exit_code)
    return server.exit_code


def _end_if_frozen(options: ServerOptions) -> Callable[[], object]:
    """Return what the event loop calls every second to show that it runs."""
    if options.failure_code == 0 or options.stall_timeout > threading.TIMEOUT_MAX:
        return lambda: None
    return lambda: runtime.end_unless_called_again(options.stall_timeout)


class Server(uvicorn.Server):
    """uvicorn with an orderly shutdown of the queue."""

    def __init__(
        self,
        services: ServerServices,
        on_start: Callable[[], object],
        listener: Listener,
        notifier: Notifier,
        on_look: Callable[[], object] = lambda: None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`on_look` is called every second on the event loop."""
        app: ASGIApp = make_app(services, self._lifespan)
        if trusted := services.options.trusted_proxies:
            app = ForwardedMiddleware(app, trusted)
        super().__init__(
            ConnectionConfig(
                app,
                services.refusals,
                proxy_headers=False,  # uvicorn itself would trust all on this machine
                log_config=None,
                access_log=False,
                server_header=False,
                loop="asyncio",
                ws="none",
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                lifespan="on",
                ssl_context_factory=None if tls is None else lambda *_: tls,
                timeout_graceful_shutdown=int(services.options.grace + 2 * _LAST_SECONDS) + 1,
            )
        )
        self._services = services
        self._on_start = on_start
        self._listener = listener
        self._notifier = notifier
        self._on_look = on_look
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_ending = False
        self._hanging: Collection[str] = ()
        self._shutdown_task: asyncio.Task[None] | None = None
        self._reload_tasks: set[asyncio.Task[None]] = set()
        self.exit_code = 0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start the shutdown at the first signal; stop the running picture at the second.

        New connections are accepted until the running picture has ended, so that load balancers
        see that the server isn't ready and clients when to ask again.
        """
        del frame
        _log.info("shutting down after signal %s", signal.Signals(sig).name)
        # uvicorn's handler would raise the signal again after the shutdown, and the process would
        # seem to have been killed.
        if self._is_ending:
            self._services.backend.jobs.close(0)
        elif self._loop is not None:
            self._loop.call_soon_threadsafe(self._start_shutdown)
        self._is_ending = True

    def reload(self) -> None:
        """Read again what can be. Called by the handler of a signal."""
        if self._loop is not None and not self._is_ending:
            self._loop.call_soon_threadsafe(self._start_reload)

    def _start_reload(self) -> None:
        self._reload_tasks.add(task := asyncio.ensure_future(self._read_again()))
        task.add_done_callback(self._reload_tasks.discard)

    async def _read_again(self) -> None:
        self._notifier.reloading()
        await self._services.reload.run()
        self._notifier.ready()

    def _check_failures(self, event: JobEvent) -> None:
        """Shut down if the GPU is lost, since only a new process can use it again, or if jobs keep
        failing. Called by the queue on any thread."""
        if event.event.kind != "failed":
            return
        events, options = self._services.job_events, self._services.options
        if events.model.device_is_lost:
            self._fail("the GPU is lost", options.failure_code or 1)
        elif options.failure_code and events.internal_failures >= options.max_failures:
            why = f"the last {events.internal_failures} jobs met internal errors"
            self._fail(why, options.failure_code)

    def _end_failed(self, why: str, hanging: Collection[str]) -> None:
        """Shut down, since only a new process can go on in place of the workers."""
        if code := self._services.options.failure_code:
            self._fail(why, code, hanging)

    def _fail(self, why: str, code: int, hanging: Collection[str] = ()) -> None:
        if self._is_ending:
            return
        _log.error("%s: the server ends with code %d", why, code)
        self.exit_code = code
        self._is_ending = True
        self._hanging = hanging
        self._services.backend.jobs.finish(hanging)  # at once, so that the waiting jobs are kept
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._start_shutdown)

    def _preload(self, settings: Settings) -> None:
        with suppress(QueueClosedError):  # shut down in the meantime
            self._services.backend.jobs.load(settings.model, usual_execution(settings))

    def _idle_timer(self) -> IdleTimer:
        connections = self.server_state.connections
        return IdleTimer(
            self._services, lambda: len(connections) > 0, lambda: self._listener.is_reachable
        )

    async def _end_when_asked(self) -> None:
        await self._services.ending.wait()
        self._is_ending = True
        self._start_shutdown()

    def _start_shutdown(self) -> None:
        if self._shutdown_task is None:
            self._notifier.stopping(self._services.options.grace + 4 * _LAST_SECONDS)
            self._shutdown_task = asyncio.ensure_future(_finish(self._services, self._hanging))
            self._shutdown_task.add_done_callback(self._stop_serving)

    def _stop_serving(self, _: asyncio.Task[None]) -> None:
        self._listener.delete_file()
        self.should_exit = True
        self._drop_stalled({})

    def _drop_stalled(self, before: Mapping[Connection, tuple[int, int]]) -> None:
        """Close connections that have received nothing since `before`; repeats itself."""
        connections = self.server_state.connections
        unsent = {each: each.unsent for each in connections if isinstance(each, Connection)}
        for connection, size in unsent.items():
            if size[0] > 0 and before.get(connection) == size:
                connection.transport.abort()
        asyncio.get_running_loop().call_later(_LAST_SECONDS, self._drop_stalled, unsent)

    @asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        services = self._services
        self._loop = asyncio.get_running_loop()
        if self._is_ending:  # a signal came before the loop started
            self._start_shutdown()
        queue_persistence = QueuePersistence(services)
        # job_events late, so that a job is counted once its waiting request is answered.
        subscribers = (
            services.metrics.put,
            JobLog(services.backend.jobs.job).put,
            queue_persistence.put,
            services.job_events.put,
            services.training_events.put,
            services.attach_hub.put,
            services.webhooks.put,
            services.stalls.put,
            self._check_failures,
        )
        unsubscribes = [services.backend.jobs.subscribe(each) for each in subscribers]
        saving = asyncio.ensure_future(queue_persistence.run())
        background = [
            asyncio.ensure_future(each)
            for each in (
                services.retention.run(),
                Watchdog(services, self._end_failed, self._notifier, self._on_look).run(),
                self._idle_timer().run(),
                self._end_when_asked(),
                services.attach_hub.watch_history(),
                app.state.mcp.run(),
            )
        ]
        services.backend.hardware.start()
        await asyncio.to_thread(queue_persistence.take_over)
        background.append(asyncio.ensure_future(services.webhooks.run()))
        if services.options.preload:
            self._preload(services.settings)
        self._on_start()
        self._notifier.ready()
        yield
        if self._shutdown_task is not None:
            await self._shutdown_task
        for task in background:
            task.cancel()
        queue_persistence.stop()
        await saving
        await asyncio.to_thread(services.backend.close, _LAST_SECONDS)
        queue_persistence.forget_uploads()
        for unsubscribe in unsubscribes:
            unsubscribe()


async def _finish(services: ServerServices, hanging: Collection[str]) -> None:
    """Close the queue and give the running pictures their grace period, unless their workers hang;
    other jobs are saved."""
    services.backend.jobs.finish()
    services.closing.set()
    jobs, grace = services.backend.jobs, services.options.grace
    given_up = {each.job for each in jobs.workers if each.name in hanging}
    # Not those that wait for the import of the engine: they are running but not started.
    if started := services.job_events.running_jobs():
        ending = [each.job for each in started if each.job not in given_up]
        waits = (asyncio.to_thread(jobs.wait, job, grace) for job in ending)
        await asyncio.gather(*waits, return_exceptions=True)  # KeyError: it was forgotten
        late = [each.job for each in services.job_events.running_jobs()]
        if not late:
            return
        if not given_up.issuperset(late):
            _log.warning("%s didn't end in %s s and will be stopped", ", ".join(late), grace)
        await asyncio.to_thread(jobs.close, _LAST_SECONDS)
    services.grace_over.set()
