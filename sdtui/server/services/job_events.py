"""JobBoard: what is known of jobs from their events, and a way for coroutines to follow one."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sdtui.requests.events import Failed, JobEvent, Loaded, Preview, Step

FLEETING = {"step", "preview"}
"""Events of which only the newest counts."""
CLOSING = {"finished", "failed", "cancelled"}
"""The last event of a job is one of these."""
_REMEMBERED = 200
"""Jobs that are over and can still be followed, as many as the queue lists."""
_FIRST_GUESS = 10.0
"""Seconds that a job takes, before one is over."""
_WEIGHT = 0.3
"""Of the newest job in the mean of their times."""


class Subscription:
    """The events of one job, for one coroutine. Of steps and previews only the newest waits."""

    def __init__(self, past: list[JobEvent], *, fleeting: bool) -> None:
        self._loop = asyncio.get_running_loop()
        self._fleeting = fleeting
        self._lock = threading.Lock()
        self._waiting = deque(past)
        self._wake = asyncio.Event()
        if past:
            self._wake.set()

    def put(self, event: JobEvent) -> None:
        """Hand over an event, on any thread."""
        kind = event.event.kind
        if kind in FLEETING:
            if not self._fleeting:
                return
            with self._lock:
                older = [each for each in self._waiting if each.event.kind == kind]
                for each in older:
                    self._waiting.remove(each)
        with self._lock:
            self._waiting.append(event)
        self._loop.call_soon_threadsafe(self._wake.set)

    async def __aiter__(self) -> AsyncIterator[JobEvent]:
        """Every event until the job is over, the past ones first."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            with self._lock:
                arrived = list(self._waiting)
                self._waiting.clear()
            for event in arrived:
                yield event
                if event.event.kind in CLOSING:
                    return


@dataclass
class _JobState:
    """What has happened to a job."""

    queued_at: float
    started_at: float | None = None
    is_over: bool = False
    lasting: list[JobEvent] = field(default_factory=list)
    step: JobEvent | None = None
    preview: JobEvent | None = None
    subscriptions: list[Subscription] = field(default_factory=list)

    def past(self) -> list[JobEvent]:
        fleeting = [each for each in (self.step, self.preview) if each is not None]
        if self.is_over:
            return self.lasting[:-1] + fleeting + self.lasting[-1:]
        return self.lasting + fleeting


class JobEventBroker:
    """Subscribed to the queue. May be used by several threads."""

    def __init__(self) -> None:
        self.run = secrets.token_hex(4)
        """Of this board alone: after a restart a job has the same id, and its events begin anew."""
        self._lock = threading.Lock()
        self._states: dict[str, _JobState] = {}
        self._mean: float | None = None
        self.running: str | None = None
        """The id of the job that is being carried out."""
        self.model: Loaded | None = None
        """The model that is in memory."""
        self._loading: str | None = None
        self.is_warm = False
        """Whether a model was read yet."""
        self.problem: Failed | None = None
        """Why there is no model in memory, if one was to be read ahead of jobs and couldn't be."""

    @property
    def is_loading(self) -> bool:
        """Whether a model is being read, or the engine imported for it."""
        return self._loading is not None

    def put(self, event: JobEvent) -> None:
        """Take note of an event. Called by the queue, on any thread."""
        with self._lock:
            self._note_model(event)
            state = self._states.get(event.job)
            if event.event.kind == "queued":
                state = self._states[event.job] = _JobState(queued_at=event.time)
            if state is None:
                return  # of a model that is read for no job
            self._note(state, event)
            subscriptions = tuple(state.subscriptions)
        for subscription in subscriptions:
            subscription.put(event)

    @contextmanager
    def subscribe(self, job: str, *, fleeting: bool = False) -> Iterator[Subscription]:
        """Follow a job from its beginning; `fleeting` = steps and previews too. Raises KeyError
        if it isn't known (any more)."""
        with self._lock:
            state = self._states[job]
            past = state.past() if fleeting else list(state.lasting)
            subscription = Subscription(past, fleeting=fleeting)
            state.subscriptions.append(subscription)
        try:
            yield subscription
        finally:
            with self._lock:
                state.subscriptions.remove(subscription)

    def started_at(self, job: str) -> float:
        """When the worker took a job up, in seconds since the epoch; 0 if it hasn't."""
        state = self._states.get(job)
        return (state.started_at if state else None) or 0.0

    def step(self, job: str | None) -> Step | None:
        """The newest step of a job."""
        state = self._states.get(job or "")
        event = state.step.event if state and state.step else None
        return event if isinstance(event, Step) else None

    def preview(self, job: str | None) -> Preview | None:
        """The newest preview of a job."""
        state = self._states.get(job or "")
        event = state.preview.event if state and state.preview else None
        return event if isinstance(event, Preview) else None

    def events(self, job: str) -> list[JobEvent]:
        """What has happened to a job so far, of steps and previews the newest."""
        with self._lock:
            state = self._states.get(job)
            return state.past() if state else []

    def seconds_per_job(self) -> float:
        """How long a job takes, newer ones counting more."""
        return _FIRST_GUESS if self._mean is None else self._mean

    def _note_model(self, event: JobEvent) -> None:
        told = event.event
        if told.kind == "engine_starting":
            self._loading = event.job
        elif told.kind == "loading":
            self._loading, self.model = event.job, None
        elif told.kind == "unloaded":
            self._loading = self.model = self.problem = None
        elif isinstance(told, Loaded):
            self._loading, self.model, self.problem = None, told, None
        elif told.kind in CLOSING and event.job == self._loading:
            self._loading = None
        self.is_warm |= told.kind in ("loaded", "finished")
        if isinstance(told, Failed) and event.job not in self._states and self.model is None:
            self.problem = told

    def _note(self, state: _JobState, event: JobEvent) -> None:
        kind = event.event.kind
        if kind == "step":
            state.step = event
            return
        if kind == "preview":
            state.preview = event
            return
        state.lasting.append(event)
        if kind == "started":
            self.running, state.started_at = event.job, event.time
        elif kind in CLOSING:
            state.is_over = True
            # Behind those that ended before it: it is forgotten after them.
            self._states[event.job] = self._states.pop(event.job)
            if self.running == event.job:
                self.running = None
            if kind == "finished" and state.started_at is not None:
                self._note_seconds(event.time - state.started_at)
            self._forget_old()

    def _note_seconds(self, seconds: float) -> None:
        mean = seconds if self._mean is None else self._mean
        self._mean = mean + _WEIGHT * (seconds - mean)

    def _forget_old(self) -> None:
        over = [job for job, state in self._states.items() if state.is_over]
        for job in over[:-_REMEMBERED]:
            del self._states[job]
