"""Save the queue, so that jobs survive a restart of the server."""

from __future__ import annotations

import asyncio
import logging

from sdtui.core.errors import SdtuiError
from sdtui.jobs import MOST_LOSSES, JobState
from sdtui.requests.events import JobEvent
from sdtui.server.dependencies import ServerServices
from sdtui.server.services.uploads import input_images

_log = logging.getLogger(__name__)
_QUEUE_CHANGES = {"queued", "started", "worker_lost", "finished", "failed", "cancelled"}


class QueuePersistence:
    """Saves unfinished jobs whenever they change, and deletes the uploads of finished ones."""

    def __init__(self, services: ServerServices) -> None:
        self._services = services
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._ending = False

    def take_over(self) -> None:
        """Resume the trainings and jobs of an earlier server, but not a job that two processes were
        making when they died: it may be the cause."""
        self._continue_trainings()
        try:
            orphaned = self._services.backend.adopt_orphaned_jobs(twice_lost=False)
        except OSError as error:
            _log.warning("the jobs of the last server can't be resumed: %s", error)
            return
        left_out = [job for job in orphaned if job.losses >= MOST_LOSSES]
        self.save()
        self._services.uploads.forget_old(
            input_images(job for job in orphaned if job not in left_out)
        )
        for job in orphaned:
            if job in left_out:
                _log.warning("job %s was running when sdtui died twice: it is left out", job.id)
                self._services.uploads.forget(input_images([job]))
            elif job.state is JobState.QUEUED:
                _log.info("job %s of the last server is resumed", job.id)
            else:
                made = f"{len(job.pictures)} of {job.request.num_images_per_prompt}"
                _log.warning(
                    "job %s was running when sdtui died: %s pictures are made", job.id, made
                )

    def _continue_trainings(self) -> None:
        try:
            names = self._services.backend.trainings.continue_interrupted()
        except SdtuiError as error:
            _log.warning("the trainings of the last server can't be resumed: %s", error)
            return
        for name in names:
            _log.info("the training %s of the last server is resumed", name)

    def put(self, event: JobEvent) -> None:
        """Note an event. Called by the queue on any thread."""
        if event.event.kind in _QUEUE_CHANGES:
            self._loop.call_soon_threadsafe(self._changed.set)

    async def run(self) -> None:
        """Save the queue whenever it changes, until `stop`."""
        while not self._ending:
            await self._changed.wait()
            self._changed.clear()
            # Jobs stopped by the shutdown are resumed at the next start.
            if not self._services.closing.is_set():
                await asyncio.to_thread(self.save)

    def stop(self) -> None:
        """Make `run` return after the current write."""
        self._ending = True
        self._changed.set()

    def save(self) -> None:
        """Save the unfinished jobs."""
        try:
            self._services.backend.save_jobs()
        except OSError as error:
            _log.warning("the queue can't be saved: %s", error)
        self.forget_uploads()

    def forget_uploads(self) -> None:
        """Delete the uploads of jobs that have ended and won't be resumed."""
        jobs = self._services.backend.jobs.jobs()
        over = input_images(job for job in jobs if job.state.is_over)
        if over:
            needed = input_images(job for job in jobs if job.has_remaining)
            self._services.uploads.forget(over - needed)
