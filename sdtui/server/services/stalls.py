"""Which workers make no progress, or are broken."""

from __future__ import annotations

import time
from collections.abc import Iterator

from sdtui.jobs import Jobs, JobState
from sdtui.jobs.worker_status import MOST_LOSSES_IN_ROW
from sdtui.requests.events import JobEvent

_REPLACING_SECONDS = 20.0
"""Time for the queue to replace the process of a worker that hangs, if there are several."""
_WAITING = "a waiting job"


def are_workers_broken(jobs: Jobs) -> bool:
    """True if every worker that is there was lost again and again."""
    there = [each for each in jobs.workers if not each.is_away]
    return bool(there) and all(each.losses_in_row >= MOST_LOSSES_IN_ROW for each in there)


class Stalls:
    """Finds workers with work that have reported nothing for too long. Used on the event loop,
    except for `put`."""

    def __init__(self, jobs: Jobs, limit: float) -> None:
        """`limit` is in seconds without an event."""
        self._jobs = jobs
        self._limit = limit
        self._since: dict[str, tuple[str, float]] = {}
        """By worker, its task and when it was first seen, in monotonic seconds; "" stands for all
        workers."""
        self._reported: dict[str, float] = {}
        """When workers reported their last event."""

    def put(self, event: JobEvent) -> None:
        """Note an event. Called by the queue on any thread."""
        if event.worker:
            self._reported[event.worker] = self._reported[""] = time.monotonic()

    def silent(self) -> dict[str, float]:
        """Return the seconds without an event of the workers that hang, by name. The name is ""
        if jobs wait and no worker begins one."""
        tasks = dict(self._tasks())
        now = time.monotonic()
        self._since = {
            name: (task, now if (known := self._since.get(name, ("", 0)))[0] != task else known[1])
            for name, task in tasks.items()
        }
        silent = {
            name: now - max(since, self._reported.get(name, 0.0))
            for name, (_, since) in self._since.items()
        }
        is_one = len(self._jobs.workers) == 1
        limit = self._limit if is_one else self._limit + _REPLACING_SECONDS
        return {name: seconds for name, seconds in silent.items() if seconds > limit}

    def _tasks(self) -> Iterator[tuple[str, str]]:
        """Yield what each worker does that does something."""
        jobs = self._jobs
        workers = [each for each in jobs.workers if not each.is_away]
        busy = {each.name: each.job or each.model.loading for each in workers}
        tasks = {name: task for name, task in busy.items() if task}
        yield from tasks.items()
        trains = any(each.training for each in workers)  # its process reports when it pleases
        is_idle = workers and not tasks and not trains and not jobs.is_paused
        if is_idle and any(job.state is JobState.QUEUED for job in jobs.jobs()):
            yield "", _WAITING
