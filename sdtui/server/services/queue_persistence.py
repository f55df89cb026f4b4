"""The queue on disk, so that it outlives the server."""

from __future__ import annotations

import asyncio
import logging

from sdtui.jobs import JobState
from sdtui.requests.events import JobEvent
from sdtui.server.dependencies import ServerServices
from sdtui.server.services.uploads import input_images

_log = logging.getLogger(__name__)
_OF_THE_QUEUE = {"queued", "started", "finished", "failed", "cancelled"}


class QueuePersistence:
    """Writes the jobs that are not over to the queue file whenever they change, and deletes the
    pictures that came with those that are."""

    def __init__(self, services: ServerServices) -> None:
        self._services = services
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._ending = False

    def take_over(self) -> None:
        """Go on with the jobs that an earlier server left. One that was running when a process
        died is left out: it may be what the process died of."""
        try:
            orphaned = self._services.backend.adopt_orphaned_jobs(begun=False)
        except OSError as error:
            _log.warning("the jobs of the last time can't be taken over: %s", error)
            return
        jobs = [job for job in orphaned if job.state is JobState.QUEUED]
        self.save()
        self._services.uploads.forget_old(input_images(jobs))
        for job in orphaned:
            if job in jobs:
                _log.info("job %s of the last time goes on", job.id)
                continue
            _log.warning("job %s was running when sdtui died, and is left out", job.id)
            self._services.uploads.forget(input_images([job]))

    def put(self, event: JobEvent) -> None:
        """Take note of an event. Called by the queue, on any thread."""
        if event.event.kind in _OF_THE_QUEUE:
            self._loop.call_soon_threadsafe(self._changed.set)

    async def run(self) -> None:
        """Keep the file in step with the queue, until `stop`."""
        while not self._ending:
            await self._changed.wait()
            self._changed.clear()
            # What is stopped because the server ends goes on at the next start.
            if not self._services.closing.is_set():
                await asyncio.to_thread(self.save)

    def stop(self) -> None:
        """Have `run` return, once nothing is being written any more."""
        self._ending = True
        self._changed.set()

    def save(self) -> None:
        """Write the jobs that are not over."""
        try:
            self._services.backend.save_jobs()
        except OSError as error:
            _log.warning("the queue can't be kept on disk: %s", error)
        self.forget_uploads()

    def forget_uploads(self) -> None:
        """Delete the pictures that came with jobs that are over and aren't resumed."""
        jobs = self._services.backend.jobs.jobs()
        needed = input_images(job for job in jobs if job.remaining() is not None)
        over = input_images(job for job in jobs if job.state.is_over)
        self._services.uploads.forget(over - needed)
