"""What the server reads again on SIGHUP."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from sdtui.core.errors import SdtuiError

_log = logging.getLogger(__name__)


class Reload:
    """The callbacks that read something again."""

    def __init__(self) -> None:
        self._callbacks: list[tuple[str, Callable[[], object]]] = []
        self._lock = asyncio.Lock()

    def add(self, what: str, callback: Callable[[], object]) -> None:
        """Call `callback` on each SIGHUP, on a thread. Where it raises an SdtuiError it must have
        changed nothing; `what` names it in the log then."""
        self._callbacks.append((what, callback))

    async def run(self) -> None:
        """Read everything again, and log what can't be."""
        async with self._lock:
            failed = 0
            for what, callback in self._callbacks:
                try:
                    await asyncio.to_thread(callback)
                except SdtuiError as error:
                    failed += 1
                    _log.error("SIGHUP: the %s stay as they were: %s", what, error)
            if not failed:
                _log.info("SIGHUP: everything was read again")
