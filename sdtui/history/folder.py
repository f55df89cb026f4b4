"""The pictures folder: files only, nothing of the index. Whatever is written here is written
with the lock held, whole, and inside the folder unless another place is named outright."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from sdtui.core.errors import HistoryError, OutputError
from sdtui.core.locks import exclusive
from sdtui.core.paths import expanded
from sdtui.history import names, trash
from sdtui.history.entry import SavedPicture
from sdtui.history.index import Listing
from sdtui.history.reading import stamp_of
from sdtui.history.sidecar import (
    UnreadableError,
    change_marks,
    parse_summary,
    read_bytes,
    to_json,
)
from sdtui.history.writing import cannot_write, place, with_file
from sdtui.requests.record import GenerationRecord


class PictureFolder:
    """Pictures with their JSON, by day, and the trash among them.

    Methods raise OutputError if a file can't be written and HistoryError if one can't be read.
    """

    def __init__(self, path: Path, lock: Path) -> None:
        """The folder `path`, made when the first picture is saved; `lock` is its lock file."""
        self.path = expanded(path).resolve()
        self.trash = self.path / names.TRASH
        self.lock = lock

    def keep(
        self,
        data: bytes,
        record: GenerationRecord,
        *,
        suffix: str,
        folder: Path | None = None,
        file: Path | None = None,
        moment: datetime | None = None,
        starred: bool = False,
        tags: tuple[str, ...] = (),
    ) -> SavedPicture:
        """Write a picture file and its JSON, as `History.save` says. `moment` (local time)
        decides folder and name; now, if it is left out."""
        moment = moment or datetime.now().astimezone()
        sha256 = hashlib.sha256(data).hexdigest()
        if file is not None:
            wanted = _numbered(expanded(file).absolute(), record)
        else:
            within = self.path / names.day_folder(moment) if folder is None else folder
            stem = names.stem(moment, record.seed, record.prompt)
            wanted = expanded(within).absolute() / f"{stem}{suffix}"
        with self.changing(wanted), exclusive(self.lock):
            if file is None and folder is None:
                self._check_inside(wanted)
            wanted.parent.mkdir(parents=True, exist_ok=True)
            target = names.free_picture(wanted) if file is None else _replaceable(wanted)
            on_disk = with_file(record, target.name, sha256)
            place(target, data, to_json(on_disk, starred=starred, tags=tags))
        final = with_file(record, str(target), sha256)
        return SavedPicture(target, names.sidecar_path(target), final)

    def mark(
        self, picture: Path, starred: bool | None, add: frozenset[str], remove: frozenset[str]
    ) -> None:
        """Change a picture's star (None leaves it) and tags in its JSON."""
        with self.changing(picture), exclusive(self.lock):
            self._check_inside(picture)
            change_marks(names.sidecar_path(picture), starred=starred, add=add, remove=remove)

    def move(self, picture: Path, target: Path) -> Path:
        """Move a picture and its JSON to `target`, or to a free name like it; where it is then."""
        with self.changing(picture), exclusive(self.lock):
            self._check_inside(picture)
            self._check_inside(target)
            return trash.move(picture, target)

    def trashed(self) -> tuple[Path, ...]:
        """The pictures in the trash, newest folder and name first."""
        with self.changing(self.trash):
            return tuple(trash.pictures_in(self.trash))

    def empty_trash(self) -> int:
        """Delete what is in the trash for good; how many pictures that were."""
        with self.changing(self.trash), exclusive(self.lock):
            return trash.empty(self.trash)

    def name_of(self, picture: Path) -> str | None:
        """The folder of a picture as the index names it; None if it isn't listed there."""
        parent = picture.parent.resolve()
        if not parent.is_relative_to(self.path):
            return None
        parts = parent.relative_to(self.path).parts
        hidden = parts[:1] == (names.TRASH,) or any(part.startswith(".") for part in parts)
        return None if hidden else "/".join(parts)

    def listing(self, picture: Path) -> Listing:
        """What the index stores of a picture."""
        sidecar = names.sidecar_path(picture)
        with self.changing(picture):
            stamp = stamp_of(sidecar.stat(), picture.stat())
            return Listing(picture.name, stamp, parse_summary(read_bytes(sidecar)))

    @contextmanager
    def changing(self, path: Path) -> Iterator[None]:
        """Failures of the file system, at `path` unless they say where, as errors that people
        can read."""
        try:
            yield
        except OSError as error:
            where = Path(error.filename) if isinstance(error.filename, str) else path
            raise cannot_write(where, error) from error
        except UnreadableError as error:
            problem = f"{names.sidecar_path(path)} can't be read: {error}"
            raise HistoryError(problem) from error

    def _check_inside(self, picture: Path) -> None:
        """A symbolic link must not lead a write out of the pictures folder."""
        if not picture.parent.resolve().is_relative_to(self.path):
            raise HistoryError(
                f"{picture.parent} leads out of the pictures folder",
                "Remove that symbolic link",
            )


def _numbered(file: Path, record: GenerationRecord) -> Path:
    """A file that is named outright, told apart from those of the run's other pictures."""
    if record.request.num_images_per_prompt == 1:
        return file
    return file.with_stem(f"{file.stem}-{record.images[0].index + 1}")


def _replaceable(picture: Path) -> Path:
    """A file that is named outright replaces an older picture of ours, but not someone's JSON."""
    sidecar = names.sidecar_path(picture)
    if not sidecar.exists():
        return picture
    try:
        parse_summary(read_bytes(sidecar))
    except (OSError, UnreadableError) as error:
        raise OutputError(
            f"{sidecar} is there already and is not a picture's JSON",
            "Name another file: a picture's JSON lies beside it under the same name",
        ) from error
    return picture
