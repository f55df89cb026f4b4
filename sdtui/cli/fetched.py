"""Writing pictures that were made on another machine to `--out`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sdtui.cli.destination import Destination
from sdtui.core.errors import OutputError
from sdtui.core.files import write_atomic

if TYPE_CHECKING:
    from sdtui.jobs import Job, Output, PictureId, Pictures
    from sdtui.requests.record import GenerationRecord


@dataclass(frozen=True)
class FetchedDestination:
    """A destination on this machine for pictures of a backend on another."""

    destination: Destination
    pictures: Pictures

    @property
    def output(self) -> Output:
        """Where the backend saves them: in its own folder."""
        return self.destination.output.model_copy(update={"folder": None, "file": None})

    def deliver(self, job: Job) -> Job:
        """Fetch the finished pictures of a job, if they are to be written here. Returns the job
        with the paths to print. Raises OutputError, HistoryError or BrokenPipeError."""
        from sdtui.jobs import JobPicture

        wanted = self.destination.output
        if wanted.folder is None and wanted.file is None:
            return job
        ids = [JobPicture(job.id, index) for index in range(len(job.pictures))]
        paths = self._fetch(ids, job.pictures, job.request.num_images_per_prompt)
        local = dict(zip(job.pictures, paths, strict=True))
        record = job.record
        if record is not None:
            images = [
                each.model_copy(update={"path": str(local[each.path])})
                if each.path in local
                else each
                for each in record.images
            ]
            record = record.model_copy(update={"images": tuple(images)})
            for image in images:
                if image.path is not None and Path(image.path) in paths:
                    self._write_record(Path(image.path), record.of_image(image.index))
        fetched = job.model_copy(update={"pictures": tuple(map(str, paths)), "record": record})
        return self.destination.deliver(fetched)

    def deliver_sheets(self, grid_id: str, paths: Sequence[str]) -> Sequence[str]:
        """Fetch the sheets of a grid, if they are to be written here; return the paths to
        print."""
        from sdtui.jobs import SheetPicture

        if self.destination.output.folder is None:
            return paths
        ids = [SheetPicture(grid_id, index) for index in range(len(paths))]
        return [str(path) for path in self._fetch(ids, paths, len(paths))]

    def _fetch(self, ids: Sequence[PictureId], paths: Sequence[str], count: int) -> list[Path]:
        from sdtui.history import numbered

        wanted = self.destination.output
        fetched = []
        for index, (each, path) in enumerate(zip(ids, paths, strict=True)):
            if wanted.folder is not None:
                target = wanted.folder / Path(path).name
            else:
                assert wanted.file is not None
                target = numbered(wanted.file, index, count)
            _write(target, self.pictures.read(each))
            fetched.append(target)
        return fetched

    def _write_record(self, picture: Path, record: GenerationRecord) -> None:
        from sdtui.history import sidecar_path

        if not self.destination.has_no_files:
            _write(sidecar_path(picture), record.model_dump_json(indent=2).encode())


def _write(path: Path, data: bytes) -> None:
    try:
        write_atomic(path, data)
    except OSError as error:
        raise OutputError(
            f"{path} can't be written: {error.strerror or error}", "Give another folder with --out"
        ) from error
