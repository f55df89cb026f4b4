"""MCP over stdin and stdout: for a client that starts this process, over any backend."""

from __future__ import annotations

import asyncio
import signal

from fastapi import Request
from mcp.server.stdio import stdio_server
from starlette.types import Message, Scope

from sdtui.core.settings import Settings
from sdtui.jobs import Backend
from sdtui.server.api.mcp.server import ToolServer
from sdtui.server.dependencies import ServerServices, build_services
from sdtui.server.options import ServerOptions
from sdtui.server.services.callers import Caller
from sdtui.server.services.idle import IdleTimer


def serve_stdio(settings: Settings, options: ServerOptions, backend: Backend) -> None:
    """Answer a client until it closes stdin, or a signal comes; its calls are then cancelled.
    Raises SettingsError if the state folder can't be used."""
    services = build_services(settings, options, backend)
    unsubscribe = backend.jobs.subscribe(services.job_events.put)
    try:
        asyncio.run(_serve(services))
    finally:
        unsubscribe()


async def _serve(services: ServerServices) -> None:
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, stopped.set)
    tasks = [
        asyncio.ensure_future(_answer(services)),
        asyncio.ensure_future(stopped.wait()),
        asyncio.ensure_future(IdleTimer(services, lambda: True).run()),
    ]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    for task in done:
        task.result()


async def _answer(services: ServerServices) -> None:
    server = ToolServer(services, local_request).protocol
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


def local_request() -> Request:
    """Return what stands in for the request of an HTTP client, which never disconnects."""

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets the event")

    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": "/mcp",
        "headers": [],
        "client": None,
        "state": {"caller": Caller("")},
    }
    return Request(scope, receive)
