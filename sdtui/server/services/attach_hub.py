"""AttachHub: what attached clients are told, numbered, so that a client goes on after a cut."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pydantic_core import to_jsonable_python

from sdtui.core.errors import SdtuiError
from sdtui.jobs import Backend
from sdtui.jobs.wire import PARTS, is_property, members
from sdtui.jobs.wire.messages import State
from sdtui.requests.events import (
    FINAL_KINDS,
    FLEETING_KINDS,
    Downloading,
    JobEvent,
    is_end_of_training,
)

_log = logging.getLogger(__name__)
_KEPT = 2000
"""Events that a client can have missed."""
_NUMBER = re.compile(r"[0-9]{1,18}")
_WATCH_SECONDS = 1.0
_NOT_STREAMED = {("hardware", "latest"), ("backend", "keeps_running")}
"""Properties that have messages of their own, or concern this process alone."""


@dataclass(frozen=True)
class JobsChanged:
    """Jobs that were changed without an event."""

    jobs: tuple[str, ...] = ()
    is_reordered: bool = False


@dataclass(frozen=True)
class HistoryChanged:
    """Pictures were changed, otherwise than by jobs."""

    revision: int
    client: str = ""
    owner: str = ""
    """The API key that changed its own pictures; "" if they may be those of any."""


@dataclass(frozen=True)
class DownloadEvent:
    """The last event of a download."""

    event: JobEvent


Item = JobEvent | JobsChanged | HistoryChanged | DownloadEvent


@dataclass
class Newest:
    """What only counts as long as nothing newer has come, by job, training or download."""

    steps: dict[str, JobEvent] = field(default_factory=dict)
    """Of jobs and trainings."""
    previews: dict[str, JobEvent] = field(default_factory=dict)
    downloads: dict[str, JobEvent] = field(default_factory=dict)


class AttachHub:
    """Receives the events of a backend. Safe for several threads."""

    def __init__(self, backend: Backend, run: str) -> None:
        """`run` is the id of this run of the server."""
        self.backend = backend
        self.run = run
        self.revision = 0
        """Rises whenever pictures are changed otherwise than by jobs."""
        self.newest = Newest()
        self._number = 0
        self._ring: deque[tuple[int, Item]] = deque(maxlen=_KEPT)
        self._lock = threading.Lock()
        self._wakers: dict[tuple[asyncio.AbstractEventLoop, asyncio.Event], str] = {}
        """Of each event stream, with the API key of its client."""

    def put(self, envelope: JobEvent) -> None:
        """Note an event of the queue. Called on any thread."""
        kind, newest = envelope.event.kind, self.newest
        if kind == "preview":
            newest.previews[envelope.job] = envelope
        elif kind in FLEETING_KINDS:
            newest.steps[envelope.job] = envelope
        else:
            if kind in FINAL_KINDS or is_end_of_training(envelope.event):
                newest.previews.pop(envelope.job, None)
                newest.steps.pop(envelope.job, None)
            self._add(envelope)
        self._wake()

    def put_download(self, envelope: JobEvent) -> None:
        """Note an event of a download. Called on any thread."""
        if isinstance(envelope.event, Downloading):
            self.newest.downloads[envelope.job] = envelope
        else:
            self.newest.downloads.pop(envelope.job, None)
            self._add(DownloadEvent(envelope))
        self._wake()

    def note_jobs(self, *jobs: str, is_reordered: bool = False) -> None:
        """Note that jobs, or their order, may have changed without an event."""
        self._add(JobsChanged(jobs, is_reordered))
        self._wake()

    def note_history(self, client: str = "", owner: str = "") -> None:
        """Note that a client has changed pictures, of this API key alone if one is given."""
        self.revision += 1
        self._add(HistoryChanged(self.revision, client, owner))
        self._wake()

    async def watch_history(self) -> None:
        """Note what other processes change in the history, as long as anybody is attached."""
        seen: int | None = None
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            if not self._wakers:
                continue
            try:
                changes = await asyncio.to_thread(self.backend.pictures.changes_by_others)
            except SdtuiError as error:
                _log.info("the history can't be watched: %s", error)
                continue
            if seen not in (None, changes):
                self.note_history()
            seen = changes

    def _add(self, item: Item) -> None:
        with self._lock:
            self._number += 1
            self._ring.append((self._number, item))

    @property
    def clients(self) -> int:
        """How many event streams there are."""
        return len(self._wakers)

    def clients_of(self, owner: str) -> int:
        """Return how many event streams of an API key there are."""
        return list(self._wakers.values()).count(owner)

    @property
    def number(self) -> int:
        """The number of the newest item."""
        return self._number

    def after(self, number: int) -> list[tuple[int, Item]] | None:
        """Return the numbered items after one, oldest first; None if some aren't kept any more, or
        there was no such item."""
        with self._lock:
            if not 0 <= number <= self._number:
                return None
            missing = self._number - number
            if missing > len(self._ring):
                return None
            return list(self._ring)[len(self._ring) - missing :] if missing else []

    def number_of(self, event_id: str) -> int | None:
        """Return the number in an id of this run; None for any other."""
        run, _, number = event_id.partition("-")
        return int(number) if run == self.run and _NUMBER.fullmatch(number) else None

    def state(self, backend: Backend) -> State:
        """Return the properties of a backend's parts, which never block. `backend` is the hub's as
        a caller sees it."""
        values: dict[str, dict[str, object]] = {}
        for part in PARTS:
            if part == "backend":
                continue
            for name in members(part):
                if is_property(part, name) and (part, name) not in _NOT_STREAMED:
                    value = getattr(getattr(backend, part), name)
                    values.setdefault(part, {})[name] = to_jsonable_python(value)
        return State(values=values)

    @contextmanager
    def waking(self, owner: str = "") -> Iterator[asyncio.Event]:
        """Yield an event of the running loop that is set whenever something is noted. `owner` is
        the API key of the client that waits."""
        waker = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._wakers[waker] = owner
        try:
            yield waker[1]
        finally:
            with self._lock:
                del self._wakers[waker]

    def _wake(self) -> None:
        if not self._wakers:
            return
        with self._lock:
            wakers = list(self._wakers)
        for loop, event in wakers:
            if not event.is_set():  # else what was noted is read too, after it is cleared
                loop.call_soon_threadsafe(event.set)
