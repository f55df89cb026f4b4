"""Handing events to whoever subscribed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from sdtui.requests.events import Event, JobEvent

Subscriber = Callable[[JobEvent], None]

_log = logging.getLogger(__name__)


def envelope_of(job_id: str, event: Event) -> JobEvent:
    """Return an event of a job, at this time."""
    return JobEvent(job=job_id, time=time.time(), event=event)


class Subscribers:
    """Those who are told what happens to jobs. May be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: tuple[Subscriber, ...] = ()

    def add(self, subscriber: Subscriber) -> Callable[[], None]:
        """Tell `subscriber` every event from now on. Returns what ends that."""
        with self._lock:
            self._all = (*self._all, subscriber)

        def remove() -> None:
            with self._lock:
                self._all = tuple(each for each in self._all if each is not subscriber)

        return remove

    def publish(self, envelope: JobEvent) -> None:
        """Hand an event to all of them."""
        for subscriber in self._all:
            try:
                subscriber(envelope)
            except Exception:  # noqa: BLE001 - one face's fault must not end the job
                _log.exception("a subscriber failed on %s", envelope.event.kind)
