"""The protocol of saved pictures. Whether they are here or on another machine, they are known by
their ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sdtui.history import (
        Changes,
        Entry,
        Imported,
        Lineage,
        Page,
        SavedPicture,
        Skipped,
        Stats,
        TrashedPicture,
    )
    from sdtui.requests.record import GenerationRecord


@dataclass(frozen=True)
class JobPicture:
    """A picture of a job, by its index in `Job.pictures`, followed by those in `Jobs.unsaved`."""

    job: str
    index: int


@dataclass(frozen=True)
class SheetPicture:
    """A sheet of a grid, by its index in `Jobs.sheets`."""

    grid: str
    index: int


@dataclass(frozen=True)
class AttachmentPicture:
    """What is kept beside a picture, such as a control map, by the picture's entry and its name
    there."""

    entry: int
    name: str


PictureId = int | JobPicture | SheetPicture | AttachmentPicture
"""A picture by the id of its history entry, by its job, by its grid, or by whose it is."""


class Pictures(Protocol):
    """The saved pictures. Methods raise HistoryError if there is no such picture."""

    @property
    def folder(self) -> Path:
        """The pictures folder, on the backend's machine."""
        ...

    @property
    def trash_folder(self) -> Path:
        """The folder of trashed pictures, on the backend's machine."""
        ...

    def read(self, picture: PictureId, *, edge: int | None = None) -> bytes:
        """Return a picture's encoded file; with `edge`, a picture in any format whose sides have at
        most so many pixels, which may be smaller."""
        ...

    def attachments(self, picture: PictureId) -> list[bytes]:
        """Return the PNG files that are kept beside a picture, such as its control maps."""
        ...

    def local_file(self, picture: PictureId) -> Path | None:
        """Return a picture's path if it is a regular file on this machine, in its expected
        place."""
        ...

    def entries(self, query: str = "", *, offset: int = 0, limit: int = 50) -> Page:
        """Return a page of a search's results, newest first. Raises InvalidRequestError for an
        invalid query."""
        ...

    def ids(self, query: str = "") -> Sequence[int]:
        """Return the ids of all results of a search, newest first. Raises InvalidRequestError for
        an invalid query."""
        ...

    def entries_of(self, ids: Iterable[int]) -> tuple[Entry, ...]:
        """Return the entries with these ids, newest first, without those that are gone."""
        ...

    def get(self, which: int | str | Path) -> Entry:
        """Return an entry by its id, path or file name."""
        ...

    def record(self, entry: Entry) -> GenerationRecord:
        """Return a picture's generation record."""
        ...

    def lineage(self, which: int | str | Path) -> Lineage:
        """Return what a picture was made from, and what was made from it."""
        ...

    def is_parent(self, sha256: str) -> bool:
        """Return True if a picture was made from a file with this SHA-256."""
        ...

    def star(self, which: int | str | Path) -> Entry: ...

    def unstar(self, which: int | str | Path) -> Entry: ...

    def tag(self, which: int | str | Path, *tags: str) -> Entry: ...

    def untag(self, which: int | str | Path, *tags: str) -> Entry: ...

    def trash(self, which: int | str | Path) -> Path:
        """Move a picture to the trash; return its new path."""
        ...

    def delete_unless_starred(self, which: int | str | Path) -> bool:
        """Delete a picture for good; returns False and leaves it if it is starred."""
        ...

    def trashed(self) -> tuple[Path, ...]:
        """Return the trashed pictures, sorted by folder and name, newest first."""
        ...

    def list_trash(self) -> tuple[TrashedPicture, ...]:
        """Return what is in the trash, latest first."""
        ...

    def restore(self, which: str | Path) -> Entry:
        """Restore a picture from the trash, given its path or file name there."""
        ...

    def delete_trashed(self, paths: Iterable[Path]) -> int:
        """Delete pictures in the trash for good, given their paths there; return their number."""
        ...

    def empty_trash(self) -> int:
        """Delete the trashed pictures; return their number."""
        ...

    def save_sheets(
        self, grid_id: str, pictures: Iterable[Path] = (), folder: Path | None = None
    ) -> Sequence[SavedPicture]:
        """Save the labelled sheets of a grid, made of its pictures that are there: that of the
        whole grid first, to `folder` or to the pictures folder. `pictures` are files of the grid
        outside of it."""
        ...

    def refresh(self) -> Changes:
        """Index files that other programs moved, added or deleted."""
        ...

    def changes_by_others(self) -> int:
        """Return a number that is another one after another process has changed the index. Quick
        enough for every second."""
        ...

    def reindex(self, progress: Callable[[int], None] | None = None) -> Changes:
        """Rebuild the index; `progress` is called with the number of files read."""
        ...

    def skipped(self) -> tuple[Skipped, ...]:
        """Return the files that can't be indexed."""
        ...

    def stats(self) -> Stats:
        """Return statistics of the history."""
        ...

    def export(self, target: Path, query: str = "", ids: Iterable[int] | None = None) -> int:
        """Write the pictures with these ids, or a search's results, to the zip file `target`;
        return the number of pictures."""
        ...

    def import_(self, sources: Iterable[Path]) -> Imported:
        """Import copies of pictures from files, folders and zips of `export`."""
        ...
