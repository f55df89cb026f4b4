"""JobEventBroker: the state of jobs by their events, and subscriptions for coroutines."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from sdtui.core.errors import DeviceLostError, WorkerLostError
from sdtui.jobs.model_status import ModelStatus
from sdtui.jobs.progress import JobProgress
from sdtui.requests.events import (
    FLEETING_KINDS,
    Event,
    Failed,
    FinalEvent,
    Finished,
    JobEvent,
    Preview,
    Step,
)

_PRELOAD_FINAL = {"model_ready", "unloaded", "superseded", "failed", "cancelled"}
"""The last event of a preload is one of these."""
_REMEMBERED = 200
"""Number of ended jobs that can still be followed, as many as the queue lists."""
_INTERNAL_ERRORS = ("", WorkerLostError.__name__, DeviceLostError.__name__)
"""Types of errors that aren't the request's fault."""
_FIRST_GUESS_SECONDS = 10.0
"""Assumed duration of a job before the first one has ended."""
_WEIGHT = 0.3
"""Weight of the newest job in the mean duration."""
_NO_MODEL = ModelStatus()


class Subscription:
    """The events of one job for one coroutine, with only the newest step and preview."""

    def __init__(self, past: list[JobEvent], *, fleeting: bool) -> None:
        self._loop = asyncio.get_running_loop()
        self._fleeting = fleeting
        self._lock = threading.Lock()
        self._waiting = deque(past)
        self._wake = asyncio.Event()
        if past:
            self._wake.set()

    def put(self, event: JobEvent) -> None:
        """Add an event, on any thread."""
        kind = event.event.kind
        if kind in FLEETING_KINDS:
            if not self._fleeting:
                return
            with self._lock:
                older = [each for each in self._waiting if each.event.kind == kind]
                for each in older:
                    self._waiting.remove(each)
        with self._lock:
            self._waiting.append(event)
        if not self._wake.is_set():  # else it is read too, since that begins by clearing
            self._loop.call_soon_threadsafe(self._wake.set)

    async def __aiter__(self) -> AsyncIterator[JobEvent]:
        """Yield all events, the past ones first, until the job has ended."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            with self._lock:
                arrived = list(self._waiting)
                self._waiting.clear()
            for event in arrived:
                yield event
                if isinstance(event.event, FinalEvent):
                    return


@dataclass
class _JobEvents:
    """The events and subscriptions of a job."""

    progress: JobProgress
    lasting: list[JobEvent] = field(default_factory=list)
    """All events that are not fleeting."""
    fleeting: dict[str, JobEvent] = field(default_factory=dict)
    """The newest of each kind."""
    subscriptions: list[Subscription] = field(default_factory=list)
    started: float | None = None
    """In monotonic seconds, since the clock of events may jump."""

    def apply(self, event: JobEvent) -> None:
        """Add an event."""
        if event.event.kind == "started":
            self.started = time.monotonic()
        self.progress = self.progress.apply(event)
        if event.event.kind in FLEETING_KINDS:
            self.fleeting[event.event.kind] = event
        else:
            self.lasting.append(event)

    def past(self) -> list[JobEvent]:
        """Return the events so far; the final event comes last."""
        fleeting = [self.fleeting[kind] for kind in FLEETING_KINDS if kind in self.fleeting]
        if self.progress.is_over:
            return self.lasting[:-1] + fleeting + self.lasting[-1:]
        return self.lasting + fleeting


class _Preloads:
    """The last events of preloads and their waiters. Used with the broker's lock held."""

    def __init__(self) -> None:
        self._ends: dict[str, Event] = {}
        self._waiters: list[tuple[str, asyncio.Future[Event]]] = []

    def put(self, event: JobEvent) -> None:
        if event.event.kind not in _PRELOAD_FINAL:
            return
        self._ends[event.job] = event.event
        for old in list(self._ends)[:-_REMEMBERED]:
            del self._ends[old]
        for preload_id, waiter in self._waiters:
            if preload_id == event.job and not waiter.done():
                waiter.get_loop().call_soon_threadsafe(_resolve, waiter, event.event)

    def wait(self, preload_id: str) -> asyncio.Future[Event]:
        """Return a future of the running loop with the last event of the preload."""
        waiter = asyncio.get_running_loop().create_future()
        if preload_id in self._ends:
            waiter.set_result(self._ends[preload_id])
        else:
            unresolved = [each for each in self._waiters if not each[1].done()]
            self._waiters = [*unresolved, (preload_id, waiter)]
        return waiter


def _resolve(waiter: asyncio.Future[Event], event: Event) -> None:
    if not waiter.done():  # the client may have disconnected
        waiter.set_result(event)


class JobEventBroker:
    """Receives the events of the queue. Safe for several threads."""

    def __init__(self) -> None:
        self.run = secrets.token_hex(4)
        """Id of this run of the server: jobs keep their ids over a restart, event numbers don't."""
        self._lock = threading.Lock()
        self._jobs: dict[str, _JobEvents] = {}
        self._mean_seconds: float | None = None
        self.internal_failures = 0
        """Tasks in a row that failed with an internal error, or with their workers."""
        self._preloads = _Preloads()
        self._models: dict[str, ModelStatus] = {}
        """By worker, the one that reported last at the end."""

    @property
    def model(self) -> ModelStatus:
        """The models of all workers as one: that which was loaded last, and whether any is being
        loaded."""
        newest_first = list(reversed(self._models.values())) or [ModelStatus()]
        shown = next((each for each in newest_first if each.loaded), newest_first[0])
        return replace(
            shown,
            loading=next((each.loading for each in newest_first if each.loading), None),
            was_loaded=any(each.was_loaded for each in newest_first),
            device_is_lost=any(each.device_is_lost for each in newest_first),
        )

    @property
    def running(self) -> str | None:
        """The id of the job that has been running longest."""
        running = self.running_jobs()
        return running[0].job if running else None

    def running_jobs(self) -> list[JobProgress]:
        """Return the running jobs, the longest-running first."""
        with self._lock:
            progress = [each.progress for each in self._jobs.values() if each.progress.is_running]
        return sorted(progress, key=lambda each: each.started_at or 0.0)

    def running_longer_than(self, seconds: float) -> list[str]:
        """Return the ids of the jobs that have been running longer than this."""
        before = time.monotonic() - seconds
        with self._lock:
            return [
                job
                for job, each in self._jobs.items()
                if each.progress.is_running and each.started is not None and each.started < before
            ]

    def has_unfinished_jobs(self) -> bool:
        """Return True if a job is waiting or running."""
        with self._lock:
            return self._has_unfinished_jobs()

    def _has_unfinished_jobs(self) -> bool:
        return any(not each.progress.is_over for each in self._jobs.values())

    def put(self, event: JobEvent) -> None:
        """Note an event. Called by the queue on any thread."""
        with self._lock:
            if event.event.kind == "queued":
                self._jobs.setdefault(event.job, _JobEvents(JobProgress(event.job)))
            job = self._jobs.get(event.job)
            self._note_worker(event, job)
            if job is None:
                self._preloads.put(event)
                return
            job.apply(event)
            if job.progress.is_over:
                self._ended(job)
            subscriptions = tuple(job.subscriptions)
        for subscription in subscriptions:
            subscription.put(event)

    def _note_worker(self, envelope: JobEvent, job: _JobEvents | None) -> None:
        event = envelope.event
        model = self._models.pop(envelope.worker, _NO_MODEL)  # to the end
        if event.kind not in FLEETING_KINDS:
            if isinstance(event, Finished):
                self.internal_failures = 0
            elif isinstance(event, Failed) and event.error_type in _INTERNAL_ERRORS:
                self.internal_failures += 1
            model = model.apply(envelope, job.progress if job else JobProgress(envelope.job))
        self._models[envelope.worker] = model

    def expect(self, job: str) -> None:
        """Know a job that was submitted. Its first event may come later, from another machine."""
        with self._lock:
            self._jobs.setdefault(job, _JobEvents(JobProgress(job)))

    @contextmanager
    def subscribe(self, job: str, *, fleeting: bool = False) -> Iterator[Subscription]:
        """Follow a job from its start, with `fleeting` also steps and previews.

        Raises KeyError for an unknown or forgotten job.
        """
        with self._lock:
            known = self._jobs[job]
            past = known.past() if fleeting else list(known.lasting)
            subscription = Subscription(past, fleeting=fleeting)
            known.subscriptions.append(subscription)
        try:
            yield subscription
        finally:
            with self._lock:
                known.subscriptions.remove(subscription)

    async def preload_end(self, preload_id: str) -> Event:
        """Wait for the last event of a preload."""
        with self._lock:
            waiter = self._preloads.wait(preload_id)
        return await waiter

    def progress(self, job: str) -> JobProgress:
        """Return the progress of a job, empty for an unknown or forgotten one."""
        known = self._jobs.get(job)
        return known.progress if known else JobProgress(job)

    def step(self, job: str | None) -> Step | None:
        """Return the newest step of a job."""
        return self.progress(job or "").step

    def preview(self, job: str | None) -> Preview | None:
        """Return the newest preview of a job."""
        return self.progress(job or "").preview

    def events(self, job: str) -> list[JobEvent]:
        """Return the events of a job so far, with the newest step and preview."""
        with self._lock:
            known = self._jobs.get(job)
            return known.past() if known else []

    def seconds_per_job(self) -> float:
        """Return the mean duration of jobs, weighted towards newer ones."""
        return _FIRST_GUESS_SECONDS if self._mean_seconds is None else self._mean_seconds

    def _ended(self, job: _JobEvents) -> None:
        # Moved to the end, so that jobs are forgotten in the order of their ends.
        self._jobs[job.progress.job] = self._jobs.pop(job.progress.job)
        if isinstance(job.progress.final, Finished) and job.started is not None:
            seconds = time.monotonic() - job.started
            mean = seconds if self._mean_seconds is None else self._mean_seconds
            self._mean_seconds = mean + _WEIGHT * (seconds - mean)
        over = [each for each, known in self._jobs.items() if known.progress.is_over]
        for old in over[:-_REMEMBERED]:
            del self._jobs[old]
