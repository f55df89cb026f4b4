"""Pictures that could not be written, held in memory for another attempt."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from sdtui.core.errors import OutputError
from sdtui.jobs.execution import PictureStore, UnsavedPicture, save_picture
from sdtui.jobs.job import Job

_HELD = 20
"""Number of jobs whose pictures are held; those of older jobs are dropped."""


class UnsavedPictures:
    """Unsaved pictures by job. Thread-safe."""

    def __init__(self, store: PictureStore) -> None:
        self._store = store
        self._pictures: dict[str, list[UnsavedPicture]] = {}
        self._lock = threading.Lock()

    def hold(self, job_id: str, pictures: list[UnsavedPicture]) -> None:
        """Hold the pictures that a job could not write."""
        with self._lock:
            self._pictures[job_id] = pictures
            for old in list(self._pictures)[:-_HELD]:
                self._pictures.pop(old)

    def forget(self, job_id: str) -> None:
        """Drop the pictures of a job."""
        with self._lock:
            self._pictures.pop(job_id, None)

    def __len__(self) -> int:
        return len(self._pictures)

    def save(self, job: Job) -> Iterator[str]:
        """Write a job's pictures one by one and yield the path of each. Raises OutputError; the
        remaining pictures are still held then."""
        while (picture := self._take(job.id)) is not None:
            try:
                file = save_picture(
                    self._store, picture.image, picture.record, picture.index, job.output
                )
            except OutputError:
                with self._lock:
                    self._pictures.setdefault(job.id, []).insert(0, picture)
                raise
            yield str(file.path)

    def _take(self, job_id: str) -> UnsavedPicture | None:
        with self._lock:
            if not self._pictures.get(job_id):
                self._pictures.pop(job_id, None)
                return None
            return self._pictures[job_id].pop(0)
