"""Keeping the queue on disk, so that it survives a crash, a killed terminal or a reboot."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

from sdtui.core import paths
from sdtui.core.files import write_whole
from sdtui.core.locks import exclusive
from sdtui.jobs.job import Job

_log = logging.getLogger(__name__)


class _Kept(BaseModel):
    """A process's queue. The process is known by its number and when it began: after a reboot
    the same number belongs to another."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    process: int
    began: float
    jobs: tuple[Job, ...]

    def is_left_behind(self) -> bool:
        """Whether the process is no more."""
        try:
            return abs(psutil.Process(self.process).create_time() - self.began) > 2
        except psutil.NoSuchProcess:
            return True


class QueueFile:
    """One file for each process, so that two apps don't take each other's jobs. May be used by
    several threads."""

    path: Path
    """Where it is. No other process's, though in a container each may have the same number."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or paths.state_folder()
        self._began = psutil.Process().create_time()
        self.path = self._folder / f"queue-{os.getpid()}-{self._began:.0f}.json"
        self._lock = threading.Lock()
        self._is_final = False

    def keep(self, jobs: Iterable[Job]) -> None:
        """Keep the jobs that are wanted; without any there is no file. Raises OSError."""
        with self._lock:
            if not self._is_final:
                self._write(jobs)

    def keep_for_good(self, jobs: Iterable[Job]) -> None:
        """Keep what the next start is to find. What is to be kept after that changes nothing: it is
        from those who see jobs stopped because the process ends. Raises OSError."""
        with self._lock:
            if not self._is_final:
                self._write(jobs)
                self._is_final = True

    def _write(self, jobs: Iterable[Job]) -> None:
        wanted = tuple(job for job in jobs if job.state.is_wanted)
        if wanted:
            kept = _Kept(process=os.getpid(), began=self._began, jobs=wanted)
            write_whole(self.path, kept.model_dump_json().encode())
        else:
            self.path.unlink(missing_ok=True)

    def left_behind(self) -> list[Job]:
        """The jobs of processes that are no more, in their order."""
        return [job for _, kept in self._others() for job in kept.jobs]

    def take_over(self, jobs: Iterable[Job]) -> list[Job]:
        """Keep `jobs` and, behind them, those that `left_behind` lists, as this process's own.
        Returns the latter: of several processes that ask for them one gets them, and at no moment
        are they not on disk. After `keep_for_good` they are left to others. Raises OSError."""
        with exclusive(self._folder / "queue.lock"), self._lock:
            if self._is_final:
                return []
            others = list(self._others())
            left = [job for _, kept in others for job in kept.jobs]
            self._write([*jobs, *left])
            for file, _ in others:
                if file != self.path:
                    file.unlink(missing_ok=True)
        return left

    def forget_left_behind(self) -> None:
        """Delete what `left_behind` lists, as far as that is allowed: it isn't wanted."""
        for file, _ in self._others():
            try:
                file.unlink(missing_ok=True)
            except OSError as error:
                _log.warning("%s can't be deleted: %s", file, error)

    def _others(self) -> Iterator[tuple[Path, _Kept]]:
        for file in sorted(self._folder.glob("queue-*.json")):
            try:
                kept = _Kept.model_validate_json(file.read_bytes())
            except (OSError, ValidationError) as error:
                _log.warning("%s can't be read: %s", file, error)
                continue
            if kept.is_left_behind():
                yield file, kept
