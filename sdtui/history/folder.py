"""The pictures folder: its files, without the index.

Every write holds the lock and stays inside the folder unless the caller names another path.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from sdtui.core.errors import HistoryError, OutputError
from sdtui.core.locks import exclusive
from sdtui.core.paths import expanded
from sdtui.history import names
from sdtui.history.attachments import delete_attachments, write_attachments
from sdtui.history.entry import SavedPicture, TrashedPicture
from sdtui.history.index import Listing
from sdtui.history.refresh import stamp_of
from sdtui.history.sidecar import (
    UnreadableError,
    change_marks,
    parse_summary,
    read_bytes,
    to_json,
)
from sdtui.history.trash import delete_trashed, empty_trash, list_trash, trashed_pictures
from sdtui.history.writing import (
    is_leftover,
    move_picture,
    with_file,
    write_error,
    write_picture,
)
from sdtui.requests.record import GenerationRecord


class PictureFolder:
    """Pictures with their JSON in one folder a day, and the trash.

    Methods raise OutputError if a file can't be written and HistoryError if one can't be read.
    """

    def __init__(self, path: Path, lock: Path) -> None:
        """`path` is created when the first picture is saved; `lock` is the lock file."""
        self.path = expanded(path).resolve()
        self.trash = self.path / names.TRASH
        self.lock = lock

    def save(
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
        attachments: Mapping[str, bytes] = MappingProxyType({}),
    ) -> SavedPicture:
        """Write a picture file and its JSON; see `History.save`.

        `moment` (local time, default now) decides folder and name. `attachments` are PNG files to
        keep beside the picture, by name.
        """
        moment = moment or datetime.now().astimezone()
        sha256 = hashlib.sha256(data).hexdigest()
        if file is not None:
            target = names.numbered(
                expanded(file).absolute(),
                record.images[0].index,
                record.request.num_images_per_prompt,
            )
        else:
            parent = self.path / names.day_folder(moment) if folder is None else folder
            stem = names.stem(moment, record.seed, record.prompt)
            target = expanded(parent).absolute() / f"{stem}{suffix}"
        with self.readable_errors(target), exclusive(self.lock):
            if file is None and folder is None:
                self._check_inside(target)
            target.parent.mkdir(parents=True, exist_ok=True)
            if file is None:
                target = names.free_picture(target)
            else:
                check_replaceable(target)
            record = write_attachments(target, record, attachments)
            on_disk = with_file(record, target.name, sha256)
            write_picture(target, data, to_json(on_disk, starred=starred, tags=tags))
        final = with_file(record, str(target), sha256)
        return SavedPicture(target, names.sidecar_path(target), final)

    def mark(
        self, picture: Path, starred: bool | None, add: frozenset[str], remove: frozenset[str]
    ) -> None:
        """Change the star (None leaves it) and the tags in the JSON of a picture."""
        with self._existing(picture), exclusive(self.lock):
            self._check_inside(picture)
            change_marks(names.sidecar_path(picture), starred=starred, add=add, remove=remove)

    def move(self, picture: Path, target: Path) -> Path:
        """Move a picture and its JSON to `target` or to a free name like it; returns the path."""
        with self._existing(picture), exclusive(self.lock):
            self._check_inside(picture)
            self._check_inside(target)
            return move_picture(picture, target)

    def delete_unless_starred(self, picture: Path) -> bool:
        """Delete a picture and its JSON; returns False and leaves them if the JSON has a star."""
        with self._existing(picture), exclusive(self.lock):
            self._check_inside(picture)
            sidecar = names.sidecar_path(picture)
            if parse_summary(read_bytes(sidecar)).starred:
                return False
            picture.unlink(missing_ok=True)  # before its JSON
            delete_attachments(picture)
            sidecar.unlink(missing_ok=True)
        if picture.parent != self.path:
            with suppress(OSError):  # other pictures are in it
                picture.parent.rmdir()
        return True

    def trashed(self) -> tuple[Path, ...]:
        """The pictures in the trash, newest folder and name first."""
        with self.readable_errors(self.trash):
            return tuple(trashed_pictures(self.trash))

    def list_trash(self) -> tuple[TrashedPicture, ...]:
        """What is in the trash, latest first."""
        with self.readable_errors(self.trash):
            return list_trash(self.trash)

    def delete_trashed(self, paths: Iterable[Path]) -> int:
        """Delete pictures in the trash; returns their number."""
        with self.readable_errors(self.trash), exclusive(self.lock):
            return delete_trashed(self.trash, paths)

    def empty_trash(self) -> int:
        """Delete everything in the trash; returns the number of pictures."""
        with self.readable_errors(self.trash), exclusive(self.lock):
            return empty_trash(self.trash)

    def name_of(self, picture: Path) -> str | None:
        """The folder of a picture as the index names it; None if the index doesn't list it."""
        parent = picture.parent.resolve()
        if not parent.is_relative_to(self.path):
            return None
        parts = parent.relative_to(self.path).parts
        hidden = parts[:1] == (names.TRASH,) or any(part.startswith(".") for part in parts)
        return None if hidden else "/".join(parts)

    def listing(self, picture: Path) -> Listing:
        """What the index stores about a picture."""
        sidecar = names.sidecar_path(picture)
        with self._existing(picture):
            stamp = stamp_of(sidecar.stat(), picture.stat())
            return Listing(picture.name, stamp, parse_summary(read_bytes(sidecar)))

    @contextmanager
    def readable_errors(self, path: Path) -> Iterator[None]:
        """Raise OutputError or HistoryError in place of OSError and UnreadableError.

        The errors name `path` unless the OSError has a file name.
        """
        try:
            yield
        except OSError as error:
            where = Path(error.filename) if isinstance(error.filename, str) else path
            if is_leftover(where.name):
                where = path
            raise write_error(where, error) from error
        except UnreadableError as error:
            problem = f"{names.sidecar_path(path)} can't be read: {error}"
            raise HistoryError(problem) from error

    @contextmanager
    def _existing(self, picture: Path) -> Iterator[None]:
        """Raise HistoryError if a picture or its JSON isn't there any more; for the rest as
        `readable_errors`."""
        with self.readable_errors(picture):
            try:
                yield
            except FileNotFoundError as error:
                raise HistoryError(f"{picture} isn't there any more") from error

    def _check_inside(self, picture: Path) -> None:
        """Raise HistoryError if a symbolic link leads out of the pictures folder."""
        if not picture.parent.resolve().is_relative_to(self.path):
            raise HistoryError(
                f"{picture.parent} leads out of the pictures folder",
                "Remove that symbolic link",
            )


def check_replaceable(picture: Path) -> None:
    """Raise OutputError if the JSON next to where a picture will be is not a picture's JSON."""
    sidecar = names.sidecar_path(picture)
    if not sidecar.exists():
        return
    try:
        parse_summary(read_bytes(sidecar))
    except (OSError, UnreadableError) as error:
        raise OutputError(
            f"{sidecar} is there already and is not a picture's JSON",
            "Name another file: a picture's JSON lies beside it under the same name",
        ) from error
