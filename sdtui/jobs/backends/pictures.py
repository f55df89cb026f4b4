"""The pictures on this machine's disk."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from sdtui.core.errors import HistoryError
from sdtui.core.pictures.smaller import smaller
from sdtui.history import (
    PICTURE_SUFFIXES,
    History,
    attachments_of,
    read_record,
    sidecar_path,
)
from sdtui.jobs.job import Job
from sdtui.jobs.picture_api import AttachmentPicture, JobPicture, PictureId, SheetPicture
from sdtui.jobs.workers.worker import UnsavedPicture
from sdtui.requests.record import GenerationRecord


def _find_no_job(job_id: str) -> Job:
    raise KeyError(job_id)


def _no_sheets(grid_id: str) -> tuple[str, ...]:
    del grid_id
    return ()


def _nothing_unsaved(job_id: str, index: int) -> UnsavedPicture | None:
    del job_id, index
    return None


class LocalPictures(History):
    """The history, and the pictures of jobs. Implements the protocol `Pictures`."""

    def __init__(
        self,
        folder: Path,
        find_job: Callable[[str], Job] = _find_no_job,
        index_file: Path | None = None,
        find_unsaved: Callable[[str, int], UnsavedPicture | None] = _nothing_unsaved,
        find_sheets: Callable[[str], tuple[str, ...]] = _no_sheets,
    ) -> None:
        """`find_job` returns a job by its id, or raises KeyError; by default there are no jobs.
        `find_unsaved` returns a held picture by its job and its index in `Jobs.unsaved`,
        `find_sheets` the paths of a grid's sheets by its id."""
        super().__init__(folder, index_file)
        self._find_job = find_job
        self._find_unsaved = find_unsaved
        self._find_sheets = find_sheets

    @property
    def folder(self) -> Path:
        return self.pictures

    def read(self, picture: PictureId, *, edge: int | None = None) -> bytes:
        data = self._read(picture)
        try:
            return data if edge is None else smaller(data, edge)
        except (OSError, ValueError, SyntaxError) as error:
            raise HistoryError(f"the picture can't be read: {error}") from error

    def _read(self, picture: PictureId) -> bytes:
        if isinstance(picture, JobPicture) and (held := self._unsaved(picture)) is not None:
            if isinstance(held.image, bytes):
                return held.image
            picture_format = self._job(picture).output.format
            return self.encode(held.image, held.record, held.index, picture_format)
        file = self.local_file(picture)
        if file is None:
            raise HistoryError("the picture is not there any more")
        try:
            return file.read_bytes()
        except OSError as error:
            raise HistoryError(f"{file} can't be read: {error.strerror}") from error

    def attachments(self, picture: PictureId) -> list[bytes]:
        if isinstance(picture, JobPicture) and (held := self._unsaved(picture)) is not None:
            return list(held.attachments.values())
        file = self.local_file(picture)
        try:
            return [] if file is None else [path.read_bytes() for path in attachments_of(file)]
        except OSError as error:
            raise HistoryError(f"{error.filename} can't be read: {error.strerror}") from error

    def local_file(self, picture: PictureId) -> Path | None:
        if isinstance(picture, SheetPicture):
            sheets = self._find_sheets(picture.grid)
            if not 0 <= picture.index < len(sheets):
                raise HistoryError(f"grid {picture.grid} has no sheet {picture.index} (yet)")
            return Path(sheets[picture.index]) if Path(sheets[picture.index]).is_file() else None
        if isinstance(picture, AttachmentPicture):
            beside = attachments_of(self.get(picture.entry).path)
            name = f".{picture.name}.png"
            found = next((path for path in beside if path.name.endswith(name)), None)
            return found if found is not None and self._is_in_place(found) else None
        if not isinstance(picture, JobPicture):
            path = self.get(picture).path
            return path if self._is_in_place(path) else None
        if self._unsaved(picture) is not None:
            return None
        path, is_elsewhere = self._job_picture(picture)
        return path if (path.is_file() if is_elsewhere else self._is_in_place(path)) else None

    def with_pictures(self, job: Job) -> Job:
        """Return a job with the pictures that were saved after those that it names, and with its
        seeds."""
        made = self._made_by(job)
        paths = list(job.pictures)
        found = None
        while (following := made.get(job.first + len(paths))) is not None:
            path, found = following
            paths.append(str(path))
        if found is None:
            return job
        request = replace(job.request, noise=found.request.noise)
        update = {"pictures": tuple(paths), "seed": found.request.seed, "request": request}
        return job.model_copy(update=update)

    def _made_by(self, job: Job) -> dict[int, tuple[Path, GenerationRecord]]:
        """Return the pictures of a job that are there and their records, by index in the job."""
        paths = [entry.path for entry in self.every(f"job:{job.id}")]
        folder = job.output.folder or (job.output.file and job.output.file.parent)
        if folder is not None:
            paths += sorted(path for path in folder.glob("*") if path.suffix in PICTURE_SUFFIXES)
        made = {}
        for path in filter(Path.is_file, paths):
            with suppress(HistoryError):
                record = read_record(sidecar_path(path))
                if record.job is not None and record.job.id == job.id:
                    made[record.job.first + record.images[0].index] = path, record
        return made

    def _job_picture(self, picture: JobPicture) -> tuple[Path, bool]:
        """Return a picture's path, and whether its job has its own output path."""
        job = self._job(picture)
        if not 0 <= picture.index < len(job.pictures):
            raise HistoryError(f"job {picture.job} has no picture {picture.index} (yet)")
        is_elsewhere = job.output.folder is not None or job.output.file is not None
        return Path(job.pictures[picture.index]), is_elsewhere

    def _job(self, picture: JobPicture) -> Job:
        try:
            return self._find_job(picture.job)
        except KeyError as error:
            raise HistoryError(f"there is no job {picture.job} (any more)") from error

    def _unsaved(self, picture: JobPicture) -> UnsavedPicture | None:
        return self._find_unsaved(picture.job, picture.index - len(self._job(picture).pictures))

    def _is_in_place(self, path: Path) -> bool:
        """True if a picture is still a regular file in the pictures folder: a link that replaced it
        may point anywhere."""
        return path.is_file() and path.resolve().is_relative_to(self.pictures)
