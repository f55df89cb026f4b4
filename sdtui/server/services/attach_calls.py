"""Answers of calls, so that a call whose answer was lost isn't carried out twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

Answer = tuple[int, bytes]
"""A status and a body."""
_KEPT = 500
_LARGEST = 2**16
"""Bytes of an answer that is kept. Larger ones are of calls that read, and can be repeated."""


class AttachCalls:
    """The last answers, by client, call and the id that the client gave. Used on the event loop."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[Answer]] = {}

    async def once(self, call_id: str, run: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
        """Return what `run` returns, or returned for an earlier call of the same id. It goes on if
        the client disconnects."""
        task = self._tasks.get(call_id) if call_id else None
        if task is None:
            task = asyncio.ensure_future(run())
            if call_id:
                self._tasks[call_id] = task
                task.add_done_callback(lambda done: self._trim(call_id, done))
        return await asyncio.shield(task)

    def _trim(self, call_id: str, done: asyncio.Task[Answer]) -> None:
        failed = done.cancelled() or done.exception() is not None
        if failed or len(done.result()[1]) > _LARGEST:
            self._tasks.pop(call_id, None)
        for old in list(self._tasks)[:-_KEPT]:
            if self._tasks[old].done():
                del self._tasks[old]
