"""Pictures that could not be written, held in memory for another attempt."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from sdtui.core.errors import OutputError
from sdtui.jobs.execution import PictureStore, SavedFile, save_picture
from sdtui.jobs.job import Job
from sdtui.jobs.workers.worker import UnsavedPicture
from sdtui.requests.record import ImageRecord

_HELD = 20
"""Number of jobs whose pictures are held; those of older jobs are dropped."""
_HELD_PIXELS = 128 * 2**20
"""Pixels of all held pictures, of three bytes each; beyond that only those of the newest job."""


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
            for old in list(self._pictures)[:-1]:
                if len(self._pictures) > _HELD or self._pixels() > _HELD_PIXELS:
                    self._pictures.pop(old)

    def _pixels(self) -> int:
        return sum(
            image.width * image.height
            for pictures in self._pictures.values()
            for each in pictures
            for image in each.record.of_image(each.index).images
        )

    def of_job(self, job_id: str) -> tuple[UnsavedPicture, ...]:
        """Return the pictures of a job, in their order."""
        with self._lock:
            return tuple(self._pictures.get(job_id, ()))

    def images(self, job_id: str) -> tuple[ImageRecord, ...]:
        """Return what is known of the pictures of a job."""
        pictures = self.of_job(job_id)
        return tuple(each.record.of_image(each.index).images[0] for each in pictures)

    def picture(self, job_id: str, index: int) -> UnsavedPicture | None:
        """Return a picture of a job; None if it isn't held."""
        held = self.of_job(job_id)
        return held[index] if 0 <= index < len(held) else None

    def forget(self, job_id: str) -> None:
        """Drop the pictures of a job."""
        with self._lock:
            self._pictures.pop(job_id, None)

    def __len__(self) -> int:
        return len(self._pictures)

    def save(self, job: Job) -> Iterator[SavedFile]:
        """Write a job's pictures one by one and yield each. Raises OutputError; the remaining
        pictures are still held then."""
        while (picture := self._take(job.id)) is not None:
            try:
                file = save_picture(self._store, picture, job.output)
            except OutputError:
                with self._lock:
                    self._pictures.setdefault(job.id, []).insert(0, picture)
                raise
            yield file

    def _take(self, job_id: str) -> UnsavedPicture | None:
        with self._lock:
            if not self._pictures.get(job_id):
                self._pictures.pop(job_id, None)
                return None
            return self._pictures[job_id].pop(0)
