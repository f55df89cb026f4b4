"""Distributes events to the subscribers of a queue."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from sdtui.jobs.api import Subscriber
from sdtui.requests.events import Event, JobEvent

_log = logging.getLogger(__name__)


def envelope_of(job_id: str, event: Event, worker: str = "") -> JobEvent:
    """Return an event of a job or preload with the current time."""
    return JobEvent(job=job_id, worker=worker, time=time.time(), event=event)


class Subscribers:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: tuple[Subscriber, ...] = ()

    def add(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call `subscriber` with every event from now on. Returns a function that unsubscribes."""
        with self._lock:
            self._all = (*self._all, subscriber)

        def remove() -> None:
            with self._lock:
                self._all = tuple(each for each in self._all if each is not subscriber)

        return remove

    def publish(self, envelope: JobEvent) -> None:
        """Send an event to every subscriber."""
        for subscriber in self._all:
            try:
                subscriber(envelope)
            except Exception:  # noqa: BLE001 - a faulty subscriber must not end the job
                _log.exception("a subscriber failed on %s", envelope.event.kind)
