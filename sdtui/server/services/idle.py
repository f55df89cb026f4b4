"""Unload the model when there are no jobs, and end the server when nobody uses it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress

from sdtui.core.errors import QueueClosedError
from sdtui.core.units import duration
from sdtui.server.dependencies import ServerServices

_log = logging.getLogger(__name__)
_INTERVAL_SECONDS = 1.0


class IdleTimer:
    """Looks at the server regularly. Runs on the event loop."""

    def __init__(
        self,
        services: ServerServices,
        has_clients: Callable[[], bool],
        is_reachable: Callable[[], bool] = lambda: True,
    ) -> None:
        """`has_clients` is true while a connection is open; `is_reachable` is false once nobody
        can connect any more."""
        self._services = services
        self._has_clients = has_clients
        self._is_reachable = is_reachable
        self._start = self._last_use = time.monotonic()
        self._last_work: dict[str, float] = {}
        """By worker."""

    async def run(self) -> None:
        """Look every second, until cancelled."""
        while True:
            self.check(time.monotonic())
            await asyncio.sleep(_INTERVAL_SECONDS)

    def check(self, now: float) -> None:
        """Unload or end if it is time; `now` is in monotonic seconds."""
        events, options = self._services.job_events, self._services.options
        trains = any(each.training for each in self._services.backend.jobs.workers)
        if events.has_unfinished_jobs() or trains or self._has_clients():
            self._last_use = now
        self._unload_idle(now)
        end_after = options.end_after if self._is_reachable() else 0.0
        if self._is_over(end_after, self._last_use, now) and not self._services.ending.is_set():
            _log.info("nobody has used the server for %s: it ends", duration(now - self._last_use))
            self._services.ending.set()

    def _unload_idle(self, now: float) -> None:
        """Unload the models of the workers that have had no job for long enough."""
        jobs, limit = self._services.backend.jobs, self._services.options.unload_after
        is_loading = False
        for each in jobs.workers:
            if each.job or each.training or each.model.loading:
                self._last_work[each.name] = now
                is_loading |= each.model.loading is not None
        idle = [
            each.name
            for each in jobs.workers
            if each.model.loaded
            and self._is_over(limit, self._last_work.setdefault(each.name, self._start), now)
        ]
        if not idle or is_loading:  # a preload that runs would be cancelled
            return
        seconds = duration(now - max(self._last_work[name] for name in idle))
        _log.info("no job for %s: the model of %s is unloaded", seconds, ", ".join(idle))
        self._last_work.update(dict.fromkeys(idle, now))  # asked once; the answer is an event
        with suppress(QueueClosedError):
            jobs.unload(idle)

    @staticmethod
    def _is_over(limit: float | None, since: float, now: float) -> bool:
        return limit is not None and now > since and now - since >= limit
