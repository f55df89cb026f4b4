"""LocalBackend: the backend in this process."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from sdtui.core import paths
from sdtui.core.enums import JobState
from sdtui.core.settings import Settings
from sdtui.jobs.api import Connection
from sdtui.jobs.backends.models import LocalModels
from sdtui.jobs.backends.pictures import LocalPictures
from sdtui.jobs.backends.prompts import LocalPrompts
from sdtui.jobs.backends.trainings import LocalTrainings
from sdtui.jobs.generator import MakeGenerator, make_generator
from sdtui.jobs.job import MOST_LOSSES, Job
from sdtui.jobs.queue import JobQueue
from sdtui.jobs.queue_file import QueueFile
from sdtui.jobs.workers.devices import with_only_device, worker_slots
from sdtui.jobs.workers.needs import MachineNeeds, MemoryNeeds, Needs
from sdtui.jobs.workers.worker import UnsavedPicture, WorkerPool
from sdtui.monitor import Monitor

_log = logging.getLogger(__name__)


class LocalBackend:
    """A queue with its worker thread, and this machine's models, pictures and hardware. Implements
    the protocol `Backend`."""

    connection: Connection | None = None
    keeps_running = False

    def __init__(
        self,
        settings: Settings,
        *,
        queue_folder: Path | None = None,
        queue_limit: int | None = None,
        sample_interval: float = 1.0,
        index_file: Path | None = None,
        make_generator: MakeGenerator = make_generator,
        make_monitor: Callable[[float], Monitor] = Monitor,
        pool: WorkerPool | None = None,
        stall_seconds: float | None = None,
        groups_models: bool = False,
    ) -> None:
        """`queue_folder` holds the queue files (default: in the state folder); `sample_interval` is
        in seconds; `pool` provides the workers, instead of this machine's devices; a worker's
        process that is silent for `stall_seconds` is replaced; for `groups_models` see `JobQueue`.
        Raises SettingsError if the history can't be opened."""
        self.pictures = LocalPictures(
            settings.pictures,
            self._find_job,
            index_file,
            self._find_unsaved,
            lambda grid_id: self.jobs.sheets(grid_id, timeout=0),
        )
        self.prompts = LocalPrompts(settings)
        self.models = LocalModels(settings)
        slots = worker_slots(settings, make_generator, stall_seconds) if pool is None else []
        needs = Needs()
        if pool is not None:
            needs = MachineNeeds(self.models, settings)
        elif any(slot.memory is not None for slot in slots):
            needs = MemoryNeeds(self.models)
        self.jobs = JobQueue(
            with_only_device(settings),
            self.pictures,
            make_generator,
            queue_limit,
            self.prompts.resolve,
            None if pool is None and not slots else slots,
            needs,
            groups_models,
            str(queue_folder or paths.state_folder()),
        )
        self.trainings = LocalTrainings(self.jobs.trainings)
        self.hardware = make_monitor(sample_interval)
        self._queue_file = QueueFile(queue_folder)
        self._pool = pool
        if pool is not None:
            pool.start(self.jobs.add_worker, self.jobs.look_again)
        self._closing = threading.Lock()

    def _find_job(self, job_id: str) -> Job:
        return self.jobs.job(job_id)

    def _find_unsaved(self, job_id: str, index: int) -> UnsavedPicture | None:
        return self.jobs.unsaved_picture(job_id, index)

    def save_jobs(self) -> None:
        self._queue_file.save(self.jobs.jobs())

    def orphaned_jobs(self) -> list[Job]:
        jobs = [job.remaining() for job in self._with_pictures(self._queue_file.orphaned())]
        return [job for job in jobs if job is not None]

    def adopt_orphaned_jobs(self, *, twice_lost: bool) -> list[Job]:
        orphaned = self._with_pictures(self._queue_file.take_over(self.jobs.jobs()))
        wanted = [job for job in orphaned if twice_lost or job.losses < MOST_LOSSES]
        remaining = [job.remaining() for job in wanted]
        self.jobs.restore(job for job in remaining if job is not None)
        return orphaned

    def _with_pictures(self, jobs: Iterable[Job]) -> list[Job]:
        """Return orphaned jobs with all pictures that were made: a killed process may have saved
        some after it wrote the queue."""
        orphaned = [job.after_loss() for job in jobs]
        if any(job.state is not JobState.QUEUED for job in orphaned):
            self.pictures.refresh()
        return [
            job if job.state is JobState.QUEUED else self.pictures.with_pictures(job)
            for job in orphaned
        ]

    def forget_orphaned_jobs(self) -> None:
        self._queue_file.forget_orphaned()

    def close(self, timeout: float = 2.0) -> bool:
        # A user may quit just before the connection drops: the second caller waits for the first
        # and changes nothing.
        with self._closing:
            self.hardware.stop()
            ended = self.jobs.close(timeout)
            if self._pool is not None:
                self._pool.close()
            try:
                self._queue_file.save_final(self.jobs.resumable())
            except OSError as error:
                _log.warning("the queue can't be saved to disk: %s", error)
            if ended:
                self.pictures.close()
        return ended
