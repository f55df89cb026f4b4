"""Watch the running work: report a worker that hangs, and cancel jobs that take too long."""

from __future__ import annotations

import asyncio
import logging

from sdtui.core.units import duration
from sdtui.server.dependencies import ServerServices

_log = logging.getLogger(__name__)
_INTERVAL_SECONDS = 1.0


class Watchdog:
    """Runs on the event loop."""

    def __init__(self, services: ServerServices) -> None:
        self._services = services
        self._is_stalled = False

    async def run(self) -> None:
        """Check every second, until cancelled."""
        while True:
            self._report_stall()
            self._stop_long_jobs()
            self._services.refusals.report_left_out()
            await asyncio.sleep(_INTERVAL_SECONDS)

    def _report_stall(self) -> None:
        was_stalled, self._is_stalled = self._is_stalled, is_stalled(self._services)
        if self._is_stalled and not was_stalled:
            silent = self._services.job_events.silent_seconds()
            _log.error("no step or stage has ended for %s: the worker may hang", duration(silent))
        elif was_stalled and not self._is_stalled:
            _log.warning("the worker goes on")

    def _stop_long_jobs(self) -> None:
        limit = self._services.options.job_timeout
        if limit is None:
            return
        for job in self._services.job_events.running_longer_than(limit):
            if job not in self._services.timed_out:
                _log.warning("job %s is cancelled: it takes longer than %s", job, duration(limit))
                self._services.timed_out.add(job)
                self._services.backend.jobs.cancel(job)


def is_stalled(services: ServerServices) -> bool:
    """True if running work has reported nothing for too long."""
    return services.job_events.silent_seconds() > services.options.stall_timeout
