"""Passing events from the worker's thread to the app's."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from sdtui.requests.events import JobEvent, Preview

_MAX_EVENTS = 5000
"""Maximum number of waiting events; the oldest are dropped. Far more than arrive between two
reads."""


class Mailbox:
    """Holds events until the app takes them. Of a job's previews only the newest is held, and the
    app is notified once, however many events come before it looks."""

    def __init__(self, notify: Callable[[], object]) -> None:
        """`notify` is called on the worker's thread when the first event comes."""
        self._notify = notify
        self._lock = threading.Lock()
        self._events: deque[JobEvent] = deque(maxlen=_MAX_EVENTS)
        self._previews: dict[str, Preview] = {}
        self._notified = False

    def put(self, event: JobEvent) -> None:
        """Add an event. Called on the worker's thread."""
        with self._lock:
            if isinstance(event.event, Preview):
                self._previews[event.job] = event.event
            else:
                self._events.append(event)
            was_notified, self._notified = self._notified, True
        if not was_notified:
            self._notify()

    def take(self) -> list[JobEvent]:
        """Return everything but previews that has come since the last call."""
        with self._lock:
            events = list(self._events)
            self._events.clear()
            self._notified = False
        return events

    def take_preview(self, job: str) -> Preview | None:
        """Return the newest preview of a job that has come since the last call, and drop those of
        other jobs."""
        with self._lock:
            previews, self._previews = self._previews, {}
        return previews.get(job)
