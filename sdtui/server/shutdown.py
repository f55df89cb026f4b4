"""Wait for something unless the server shuts down."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

_T = TypeVar("_T")


async def unless_closing(
    awaited: Awaitable[_T], closing: asyncio.Event, timeout: float | None = None
) -> _T:
    """Return the result of `awaited`.

    Raises TimeoutError and cancels `awaited` if the server shuts down first or `timeout` seconds
    have passed.
    """
    pending = asyncio.ensure_future(awaited)
    ending = asyncio.ensure_future(closing.wait())
    try:
        await asyncio.wait((pending, ending), timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if pending.done():
            return pending.result()
        raise TimeoutError
    finally:
        pending.cancel()
        ending.cancel()
