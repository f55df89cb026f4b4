"""Server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

EVENT_STREAM: dict[str, Any] = {
    "description": "Server-sent events",
    "content": {
        "text/event-stream": {
            "schema": {
                "type": "object",  # each event
                "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
                "required": ["event", "data"],
            }
        }
    },
}
"""The OpenAPI description of an event stream."""

UNBUFFERED = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""Headers that stop proxies (the second: nginx) from buffering events."""

_KEEP_ALIVE = 15.0
"""Seconds without an event until a comment is sent, so that proxies keep the connection."""


@dataclass(frozen=True)
class ServerSentEvent:
    """An event. With the last id that it received a client can resume the stream."""

    name: str
    data: BaseModel
    id: str = ""

    def lines(self) -> str:
        """The event in the format of the HTML standard."""
        id_line = f"id: {self.id}\n" if self.id else ""
        return f"{id_line}event: {self.name}\ndata: {self.data.model_dump_json()}\n\n"


async def as_lines(
    events: AsyncIterator[ServerSentEvent], end: Coroutine[Any, Any, None]
) -> AsyncIterator[str]:
    """Yield events as text, with keep-alive comments, until there are no more or `end` returns."""
    upcoming = asyncio.ensure_future(anext(events, None))
    ending = asyncio.ensure_future(end)
    try:
        while True:
            await asyncio.wait(
                (upcoming, ending), timeout=_KEEP_ALIVE, return_when=asyncio.FIRST_COMPLETED
            )
            if upcoming.done():
                event = upcoming.result()
                if event is None:
                    return
                yield event.lines()
                upcoming = asyncio.ensure_future(anext(events, None))
            elif ending.done():
                return
            else:
                yield ": still here\n\n"
    finally:
        upcoming.cancel()
        ending.cancel()
