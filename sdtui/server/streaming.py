"""Server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from pydantic import BaseModel

EVENT_STREAM: dict[str, Any] = {
    "description": "Server-sent events",
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}
"""Of an answer, for the OpenAPI document."""

UNBUFFERED = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""Headers that have proxies (the second one: nginx) hand every event on at once."""

_KEEP_ALIVE = 15.0
"""Seconds without an event after which a comment is sent, so that no proxy hangs up."""


async def as_lines(events: AsyncIterator[Any], closing: asyncio.Event) -> AsyncIterator[str]:
    """Events (models with a `kind`) in the format of the HTML standard, and comments where
    nothing happens; until they end, or `closing` is set and nothing more happens for a while."""
    upcoming = asyncio.ensure_future(anext(events, None))
    try:
        while True:
            wait = 1.0 if closing.is_set() else _KEEP_ALIVE
            done, _ = await asyncio.wait([upcoming], timeout=wait)
            if not done:
                if closing.is_set():
                    return
                yield ": still here\n\n"
                continue
            event = upcoming.result()
            if event is None:
                return
            assert isinstance(event, BaseModel)
            yield f"event: {event.kind}\ndata: {event.model_dump_json()}\n\n"  # type: ignore[attr-defined]
            upcoming = asyncio.ensure_future(anext(events, None))
    finally:
        upcoming.cancel()
