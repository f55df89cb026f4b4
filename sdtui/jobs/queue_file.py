"""The queue on disk, which survives a crash, a killed terminal or a reboot."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import ValidationError

from sdtui.core import paths
from sdtui.core.locks import exclusive, hold, is_held
from sdtui.jobs.job import Job
from sdtui.jobs.queue_storage import StoredQueue, delete_queue, read_queue

_log = logging.getLogger(__name__)


class QueueFile:
    """The jobs of one process in a file of its own, so that two apps don't take each other's jobs.
    Thread-safe.

    A lock file next to it shows whether the process lives: in containers all processes may have the
    same id, and a home folder may be shared by several machines.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or paths.state_folder()
        self._path: Path | None = None
        self._stored: StoredQueue | None = None
        self._held = -1
        self._lock = threading.Lock()
        self._is_final = False
        self._orphaned: tuple[Path, ...] = ()
        """The files that `orphaned` found last."""

    def save(self, jobs: Iterable[Job]) -> None:
        """Write the unfinished jobs, or delete the file if there are none. Raises OSError."""
        with self._lock:
            if not self._is_final:
                self._write(jobs)

    def save_final(self, jobs: Iterable[Job]) -> None:
        """Write the final state for the next start and ignore later saves: during shutdown
        subscribers still report the jobs that it stopped. Raises OSError."""
        with self._lock:
            if not self._is_final:
                self._write(jobs)
                self._is_final = True
                self._release()

    def _write(self, jobs: Iterable[Job]) -> None:
        wanted = [job for job in jobs if job.state.is_wanted]
        if wanted:
            (self._stored or self._begin()).write(wanted)
        elif self._stored is not None:
            self._stored.delete()
            self._release()

    def _begin(self) -> StoredQueue:
        # A new name each time: a lock that was found free is never taken again.
        path = self._folder / f"queue-{time.time_ns()}-{os.urandom(4).hex()}.json"
        self._held = hold(_lock_of(path))
        self._path, self._stored = path, StoredQueue(path)
        return self._stored

    def _release(self) -> None:
        if self._path is not None and self._stored is not None:
            self._stored.close()
            lock, self._path, self._stored = _lock_of(self._path), None, None
            os.close(self._held)
            lock.unlink(missing_ok=True)

    def orphaned(self) -> list[Job]:
        """Return the jobs of ended processes, in their order."""
        others = list(self._others())
        self._orphaned = tuple(file for file, _ in others)
        return [job for _, jobs in others for job in jobs]

    def take_over(self, jobs: Iterable[Job]) -> list[Job]:
        """Save `jobs` followed by the orphaned jobs as this process's own; return the latter. If
        several processes try, only one gets them, and they are on disk at every moment. After
        `save_final` they are left for other processes. Raises OSError."""
        with exclusive(self._folder / "queue.lock"), self._lock:
            if self._is_final:
                return []
            others = list(self._others())
            left = [job for _, stored in others for job in stored]
            self._write([*jobs, *left])
            for file, _ in others:
                _delete(file)
        return left

    def forget_orphaned(self) -> None:
        """Delete the files that `orphaned` found last where permitted: not what has been saved
        since, by this process in its end or by another."""
        for file in self._orphaned:
            try:
                _delete(file)
            except OSError as error:
                _log.warning("%s can't be deleted: %s", file, error)

    def _others(self) -> Iterator[tuple[Path, list[Job]]]:
        for file in sorted(self._folder.glob("queue-*.json")):
            try:
                if not is_held(_lock_of(file)):
                    yield file, read_queue(file)
            except (OSError, ValidationError) as error:
                _log.warning("%s can't be read: %s", file, error)


def _lock_of(file: Path) -> Path:
    return file.with_suffix(".lock")


def _delete(file: Path) -> None:
    delete_queue(file)
    _lock_of(file).unlink(missing_ok=True)
