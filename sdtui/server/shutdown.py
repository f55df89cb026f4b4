"""Waiting for what may never come, in a server that may be told to end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

_T = TypeVar("_T")


async def unless_closing(
    awaited: Awaitable[_T], closing: asyncio.Event, patience: float | None = None
) -> _T:
    """What `awaited` comes to. Raises TimeoutError if the server is told to end before that, or
    `patience` seconds are over; `awaited` is cancelled then."""
    coming = asyncio.ensure_future(awaited)
    ending = asyncio.ensure_future(closing.wait())
    try:
        await asyncio.wait((coming, ending), timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        if coming.done():
            return coming.result()
        raise TimeoutError
    finally:
        coming.cancel()
        ending.cancel()
