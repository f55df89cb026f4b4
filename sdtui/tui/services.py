"""What the app works with. Tests put scripted parts in their place.

The window is seen before any of it is imported (see `SdtuiApp.services`).
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field

from sdtui.history import History
from sdtui.jobs import JobQueue, QueueFile
from sdtui.monitor import Monitor

_log = logging.getLogger(__name__)
_GRACE = 0.8
"""Seconds that the running step gets to end when someone quits."""


@dataclass(frozen=True)
class AppServices:
    """Queue, history and monitor."""

    queue: JobQueue
    history: History
    queue_file: QueueFile
    monitor: Monitor
    _closing: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def close(self) -> bool:
        """Stop what runs, and keep what is left of it, and what waits, for the next start. Returns
        whether the worker has ended. Someone may quit and the line drop right behind that: who
        comes second, on any thread, waits for the first and changes nothing."""
        with self._closing:
            return self._close()

    def _close(self) -> bool:
        before = self.queue.jobs()
        ended = self.queue.close(_GRACE)
        left = [self.queue.job(job.id).remaining() for job in before if job.state.is_wanted]
        try:
            self.queue_file.save_final(job for job in left if job is not None)
        except OSError as error:
            _log.warning("the queue can't be kept on disk: %s", error)
        if ended:
            self.history.close()
        return ended
