"""The pictures of one API key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from sdtui.core.errors import HistoryError
from sdtui.history import (
    Changes,
    Entry,
    Imported,
    Lineage,
    Page,
    Relative,
    SavedPicture,
    Skipped,
    Stats,
    TrashedPicture,
)
from sdtui.jobs import AttachmentPicture, JobPicture, PictureId, Pictures, SheetPicture
from sdtui.requests.record import GenerationRecord
from sdtui.server.services.caller_jobs import CallerJobs
from sdtui.server.services.callers import Caller, Permission, forbidden

_PAGE = 500


class CallerPictures:
    """Implements the protocol `Pictures`, which documents its methods, for a caller that isn't an
    admin: there are no pictures but its own. Thread-safe."""

    def __init__(self, pictures: Pictures, jobs: CallerJobs, caller: Caller) -> None:
        self._pictures = pictures
        self._jobs = jobs
        self._caller = caller

    @property
    def folder(self) -> Path:
        return self._pictures.folder

    @property
    def trash_folder(self) -> Path:
        return self._pictures.trash_folder

    def _check(self, picture: PictureId) -> None:
        """Raise HistoryError for a picture that isn't the caller's."""
        if isinstance(picture, JobPicture):
            is_own = self._jobs.sees(picture.job)
        elif isinstance(picture, SheetPicture):
            is_own = self._jobs.sees_grid(picture.grid)
        else:
            self.get(picture.entry if isinstance(picture, AttachmentPicture) else picture)
            return
        if not is_own:
            raise HistoryError("there is no such picture (any more)")

    def read(self, picture: PictureId, *, edge: int | None = None) -> bytes:
        self._check(picture)
        return self._pictures.read(picture, edge=edge)

    def attachments(self, picture: PictureId) -> list[bytes]:
        self._check(picture)
        return self._pictures.attachments(picture)

    def local_file(self, picture: PictureId) -> Path | None:
        self._check(picture)
        return self._pictures.local_file(picture)

    # Searching

    def _query(self, query: str) -> str:
        """Return a search among the caller's pictures. All parts of a search have to match, and
        this one comes first, so that nothing behind it can take it back."""
        return f"owner:{self._caller.owner} {query}"

    def entries(self, query: str = "", *, offset: int = 0, limit: int = 50) -> Page:
        return self._pictures.entries(self._query(query), offset=offset, limit=limit)

    def ids(self, query: str = "") -> Sequence[int]:
        return self._pictures.ids(self._query(query))

    def entries_of(self, ids: Iterable[int]) -> tuple[Entry, ...]:
        return tuple(each for each in self._pictures.entries_of(ids) if self._owns(each))

    def get(self, which: int | str | Path) -> Entry:
        found: Entry | None = None
        try:
            found = self._pictures.get(which)
        except HistoryError:
            found = None  # the reason may tell of pictures of others
        if found is None or not self._owns(found):
            raise HistoryError(
                f'the history has no picture "{which}"',
                '"sdtui history list" shows what it has',
            )
        return found

    def record(self, entry: Entry) -> GenerationRecord:
        return self._pictures.record(self.get(entry.path))

    def lineage(self, which: int | str | Path) -> Lineage:
        found = self._pictures.lineage(self.get(which).path)
        return replace(
            found,
            parents=tuple(map(self._without_others, found.parents)),
            children=tuple(
                self._without_others(each)
                for each in found.children
                if each.entry is None or self._owns(each.entry)
            ),
        )

    def _without_others(self, relative: Relative) -> Relative:
        """Return a picture of a tree without what is known of it from pictures of others."""
        if relative.entry is not None and not self._owns(relative.entry):
            return Relative(relative.sha256, None)
        kept = (each for each in relative.relatives if each.entry is None or self._owns(each.entry))
        return replace(relative, relatives=tuple(map(self._without_others, kept)))

    def is_parent(self, sha256: str) -> bool:
        return True  # clients keep a file then, whoever used it

    def stats(self) -> Stats:
        entries = list(self._every())
        return Stats(
            pictures=len(entries),
            starred=sum(each.starred for each in entries),
            trashed=len(self.trashed()),
            skipped=0,
            first=min((each.time for each in entries), default=None),
            last=max((each.time for each in entries), default=None),
            models=dict(Counter(each.model for each in entries).most_common()),
            tags=dict(Counter(tag for each in entries for tag in each.tags).most_common()),
        )

    def _every(self) -> Iterator[Entry]:
        offset, total = 0, 1
        while offset < total:
            page = self.entries(offset=offset, limit=_PAGE)
            yield from page.entries
            offset, total = offset + _PAGE, page.total

    def skipped(self) -> tuple[Skipped, ...]:
        return ()

    # Changes

    def star(self, which: int | str | Path) -> Entry:
        return self._pictures.star(self.get(which).path)

    def unstar(self, which: int | str | Path) -> Entry:
        return self._pictures.unstar(self.get(which).path)

    def tag(self, which: int | str | Path, *tags: str) -> Entry:
        return self._pictures.tag(self.get(which).path, *tags)

    def untag(self, which: int | str | Path, *tags: str) -> Entry:
        return self._pictures.untag(self.get(which).path, *tags)

    def trash(self, which: int | str | Path) -> Path:
        self._caller.check(Permission.DELETE)
        return self._pictures.trash(self.get(which).path)

    def delete_unless_starred(self, which: int | str | Path) -> bool:
        self._caller.check(Permission.DELETE)
        return self._pictures.delete_unless_starred(self.get(which).path)

    def trashed(self) -> tuple[Path, ...]:
        own = {each.entry.path for each in self.list_trash()}
        return tuple(path for path in self._pictures.trashed() if path in own)

    def list_trash(self) -> tuple[TrashedPicture, ...]:
        return tuple(each for each in self._pictures.list_trash() if self._owns(each.entry))

    def restore(self, which: str | Path) -> Entry:
        given = Path(which)
        for path in self.trashed():
            if given in (path, Path(path.name), Path(path.stem)):
                return self._pictures.restore(path)
        raise HistoryError(f'the trash has no pictures named "{which}"')

    def delete_trashed(self, paths: Iterable[Path]) -> int:
        self._caller.check(Permission.DELETE)
        own = set(self.trashed())
        return self._pictures.delete_trashed([path for path in paths if path in own])

    def empty_trash(self) -> int:
        self._caller.check(Permission.DELETE)
        return self._pictures.delete_trashed(self.trashed())

    def save_sheets(
        self, grid_id: str, pictures: Iterable[Path] = (), folder: Path | None = None
    ) -> Sequence[SavedPicture]:
        raise forbidden("save sheets")

    def refresh(self) -> Changes:
        self._pictures.refresh()
        return Changes()  # their number would tell of pictures of others

    def changes_by_others(self) -> int:
        return self._pictures.changes_by_others()

    def reindex(self, progress: Callable[[int], None] | None = None) -> Changes:
        raise forbidden("index all pictures")

    def export(self, target: Path, query: str = "", ids: Iterable[int] | None = None) -> int:
        if ids is None:
            return self._pictures.export(target, self._query(query))
        return self._pictures.export(target, ids=[each.id for each in self.entries_of(ids)])

    def import_(self, sources: Iterable[Path]) -> Imported:
        raise forbidden("import pictures")

    def _owns(self, entry: Entry) -> bool:
        return self._caller.sees(entry.owner)
