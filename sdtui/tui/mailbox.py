"""Carrying a job's events from the worker's thread to the app's."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from sdtui.requests.events import JobEvent, Preview

_MOST = 5000
"""Events that can wait; older ones go first. Far more than come between two looks."""


class Mailbox:
    """Keeps events until the app takes them. Of previews only the newest is kept, and the app is
    told once however many come before it looks."""

    def __init__(self, notify: Callable[[], object]) -> None:
        """`notify` is called on the worker's thread when the first event comes."""
        self._notify = notify
        self._lock = threading.Lock()
        self._events: deque[JobEvent] = deque(maxlen=_MOST)
        self._preview: Preview | None = None
        self._notified = False

    def put(self, event: JobEvent) -> None:
        """Keep an event. Called by the queue."""
        with self._lock:
            if isinstance(event.event, Preview):
                self._preview = event.event
            else:
                self._events.append(event)
            told, self._notified = self._notified, True
        if not told:
            self._notify()

    def take(self) -> list[JobEvent]:
        """Everything but previews that has come since the last time."""
        with self._lock:
            events = list(self._events)
            self._events.clear()
            self._notified = False
        return events

    def take_preview(self) -> Preview | None:
        """The newest preview, if one has come since the last time."""
        with self._lock:
            preview, self._preview = self._preview, None
        return preview
