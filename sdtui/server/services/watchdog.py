"""Watch the running work: report a worker that hangs, and cancel jobs that take too long."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection

from sdtui.core.units import duration
from sdtui.jobs import JobState
from sdtui.server.dependencies import ServerServices
from sdtui.server.services.stalls import are_workers_broken
from sdtui.server.systemd import Notifier

_log = logging.getLogger(__name__)
_INTERVAL_SECONDS = 1.0


class Watchdog:
    """Runs on the event loop."""

    def __init__(
        self,
        services: ServerServices,
        on_failure: Callable[[str, Collection[str]], object],
        notifier: Notifier,
        on_look: Callable[[], object] = lambda: None,
    ) -> None:
        """`on_failure` is called with what is wrong and the workers that hang; `on_look` shows that
        the event loop runs."""
        self._services = services
        self._on_failure = on_failure
        self._notifier = notifier
        self._on_look = on_look
        self._is_stalled = False

    async def run(self) -> None:
        """Look every second, or as often as systemd's watchdog needs, until cancelled."""
        interval = min(_INTERVAL_SECONDS, self._notifier.watchdog_seconds / 3)
        while True:
            self._on_look()
            self._report_stall()
            if are_workers_broken(self._services.backend.jobs):
                self._on_failure("every worker was lost again and again", ())
            self._stop_long_jobs()
            self._services.refusals.report_left_out()
            await asyncio.sleep(interval)

    def _report_stall(self) -> None:
        silent = self._services.stalls.silent()
        was_stalled, self._is_stalled = self._is_stalled, bool(silent)
        if silent and not was_stalled:
            seconds = duration(max(silent.values()))
            _log.error("no step or stage has ended for %s: the worker may hang", seconds)
            self._on_failure("a worker hangs", silent)
        elif was_stalled and not silent:
            _log.warning("the worker goes on")
        if not silent:
            self._notifier.is_alive()
        self._notifier.status(self._status(is_stalled=bool(silent)))

    def _status(self, *, is_stalled: bool) -> str:
        services = self._services
        model, jobs = services.job_events.model, services.backend.jobs
        if services.closing.is_set():
            return "ending"
        if is_stalled:
            return "a job makes no progress"
        if model.loading is not None:
            return "loading a model"
        counts = Counter(job.state for job in jobs.jobs())
        running, waiting = len(jobs.running()), counts[JobState.QUEUED]
        loaded = f"{model.loaded.model} on {model.loaded.device}" if model.loaded else "no model"
        if training := next((each.training for each in jobs.workers if each.training), ""):
            loaded = f"training {training}"
        return f"{loaded}, {running} running, {waiting} waiting"

    def _stop_long_jobs(self) -> None:
        limit = self._services.options.job_timeout
        if limit is None:
            return
        for job in self._services.job_events.running_longer_than(limit):
            if job not in self._services.timed_out:
                _log.warning("job %s is cancelled: it takes longer than %s", job, duration(limit))
                self._services.timed_out.add(job)
                self._services.backend.jobs.cancel(job)
