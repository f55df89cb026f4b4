"""The history: pictures on disk with their records, and the index over them."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

from sdtui.core import paths
from sdtui.core.enums import PictureFormat
from sdtui.core.errors import HistoryError, ImageError, OutputError
from sdtui.core.paths import expanded
from sdtui.history import names
from sdtui.history.entry import (
    Changes,
    Entry,
    Imported,
    Page,
    SavedPicture,
    Skipped,
    Stats,
    TrashedPicture,
)
from sdtui.history.folder import PictureFolder
from sdtui.history.ids import local_time
from sdtui.history.index import Index
from sdtui.history.infotext import encode
from sdtui.history.lineage import Lineage, find_lineage, find_lineage_of_file
from sdtui.history.refresh import OnFilesRead, Refresh
from sdtui.history.search import parse_search
from sdtui.history.sidecar import read_record
from sdtui.history.tags import parse_tags
from sdtui.history.writing import with_file
from sdtui.requests.record import GenerationRecord

if TYPE_CHECKING:
    from PIL.Image import Image

_LOG = logging.getLogger(__name__)


class History:
    """The pictures in a folder and the index over them.

    Several threads and processes may use it at once. Every method raises HistoryError if the
    index can't be used and OutputError if a file can't be written.
    """

    def __init__(self, pictures: Path, index_file: Path | None = None) -> None:
        """Open the history of the folder `pictures`, created when the first picture is saved.

        The index is in the state folder unless `index_file` is given. Raises SettingsError if
        its folder can't be written.
        """
        self.pictures = expanded(pictures).resolve()
        if index_file is None:
            digest = hashlib.sha256(str(self.pictures).encode("utf-8", "surrogateescape"))
            index_file = paths.state_folder() / f"history-{digest.hexdigest()[:12]}.db"
        self._folder = PictureFolder(pictures, index_file.with_name(index_file.name + ".lock"))
        self.trash_folder = self._folder.trash
        with paths.needing_state(f"the history's index can't be kept in {index_file.parent}"):
            index_file.parent.mkdir(parents=True, exist_ok=True)
            with self._folder.readable_errors(index_file):
                self._index = Index(index_file, self.pictures)

    def close(self) -> None:
        self._index.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def save(
        self,
        image: Image | bytes,
        record: GenerationRecord,
        index: int,
        *,
        folder: Path | None = None,
        file: Path | None = None,
        format: PictureFormat = "png",
        attachments: Mapping[str, bytes] = MappingProxyType({}),
    ) -> SavedPicture:
        """Write picture `index` of a run with its JSON, both or neither, and list it.

        The picture goes into the day's folder in the pictures folder, directly into `folder`,
        or to `file`: its suffix decides the format, an older file is replaced, and several
        pictures of a run get "-1", "-2" … appended to the name. Only files in the pictures
        folder are listed. After an OutputError the caller can save the image again.
        `attachments` are PNG files to keep beside the picture, by name. An `image` of bytes is the
        file, encoded with this record.
        """
        record = record.of_image(index)
        kind = format if file is None else names.format_of(file)
        suffix = names.suffix_of(kind)
        data = image if isinstance(image, bytes) else encode(image, record, kind)
        saved = self._folder.save(
            data, record, folder=folder, file=file, suffix=suffix, attachments=attachments
        )
        self._list(saved.path)
        return saved

    def save_sheets(
        self, grid_id: str, pictures: Iterable[Path] = (), folder: Path | None = None
    ) -> list[SavedPicture]:
        """Save the labelled sheets of a grid, made of its pictures that are there: that of the
        whole grid, then one for each value of its third axis. None are saved if there are no
        pictures.

        `pictures` are files that may lie outside of the pictures folder; those in it are found.
        The sheets go into the day's folder or into `folder`.
        """
        from sdtui.history.grid_sheets import make_sheets

        listed = (entry.path for entry in self.entries_of(self.ids(f"grid:{grid_id} sheet:no")))
        return [
            self.save(image, record, 0, folder=folder)
            for image, record in make_sheets(grid_id, [*pictures, *sorted(listed)])
        ]

    def encode(
        self, image: Image, record: GenerationRecord, index: int, format: PictureFormat
    ) -> bytes:
        """Return the file of picture `index` of a run, which has its settings in it."""
        return encode(image, record.of_image(index), format)

    def refresh(self, on_files_read: OnFilesRead | None = None) -> Changes:
        """Find pictures that were moved, copied in, deleted or left by killed processes.

        Fast, since folders that didn't change are not read.
        """
        with self._folder.readable_errors(self.pictures):
            return Refresh(self.pictures, self._index, self._folder.lock, on_files_read).run()

    def changes_by_others(self) -> int:
        """Return a number that is another one after another process has changed the index."""
        return self._index.changes_by_others()

    def reindex(self, on_files_read: OnFilesRead | None = None) -> Changes:
        """Rebuild the index from the JSON files."""
        self._index.clear()
        return self.refresh(on_files_read)

    def entries(self, query: str = "", *, offset: int = 0, limit: int = 50) -> Page:
        """A page of the pictures that match a search, newest first.

        The manual's page `history` describes the search language. Raises InvalidRequestError
        for an unknown field or a wrong value.
        """
        entries, total = self._index.find(parse_search(query), offset, limit)
        return Page(entries, total, offset)

    def ids(self, query: str = "") -> Sequence[int]:
        """The ids of all pictures that match a search, newest first. Raises what `entries`
        raises."""
        return self._index.ids(parse_search(query))

    def entries_of(self, ids: Iterable[int]) -> tuple[Entry, ...]:
        """The entries with these ids, newest first. Ids that no picture has are left out."""
        return self._index.by_ids(ids)

    def every(self, query: str = "") -> Iterator[Entry]:
        """All pictures that match a search, newest first. Raises what `entries` raises."""
        offset, total = 0, 1
        while offset < total:
            page = self.entries(query, offset=offset, limit=500)
            yield from page.entries
            offset, total = offset + max(1, len(page.entries)), page.total

    def get(self, which: int | str | Path) -> Entry:
        """A picture by its id, its path, or its file name with or without suffix.

        Raises HistoryError if there is none, or more than one of this name.
        """
        found: tuple[Entry, ...] = ()
        with suppress(OverflowError, UnicodeEncodeError):  # ids and names that no picture has
            by_id = self._index.by_id
            found = by_id(which) if isinstance(which, int) else self._by_path(Path(which))
        if not found:
            raise HistoryError(
                f'the history has no picture "{which}"',
                '"sdtui history list" shows what it has',
            )
        if len(found) > 1:
            raise HistoryError(f'{len(found)} pictures are named "{which}"', "Give the whole path")
        return found[0]

    def record(self, entry: Entry) -> GenerationRecord:
        """Read the record of a picture from its JSON. Raises HistoryError."""
        record = read_record(names.sidecar_path(entry.path))
        if len(record.images) != 1:
            return record
        return with_file(record, str(entry.path), record.images[0].sha256 or "")

    def record_of_file(self, path: Path) -> GenerationRecord | None:
        """Return the record of a picture of sdtui or another tool, which may lie anywhere; None if
        it can't be read or doesn't say how it was made."""
        from sdtui.history import archive

        try:
            return archive.read_incoming(path).record
        except ImageError:
            return None

    def lineage(self, which: int | str | Path) -> Lineage:
        """What a picture was made from, and what was made from it; of other files, such as masks,
        what was made from them. Raises what `get` raises."""
        try:
            entry = self.get(which)
        except HistoryError:
            path = Path(str(which))
            found = find_lineage_of_file(self._index, self.record, path)
            if found is None:
                raise
            return found
        return find_lineage(self._index, self.record, entry)

    def is_parent(self, sha256: str) -> bool:
        """True if a listed picture was made from a file with this SHA-256."""
        return bool(self._index.children_of(sha256, 1))

    def skipped(self) -> tuple[Skipped, ...]:
        """The files in the pictures folder that are not listed, with the reason."""
        return self._index.skipped()

    def stats(self) -> Stats:
        return self._index.stats(trashed=len(self.trashed()))

    def _by_path(self, path: Path) -> tuple[Entry, ...]:
        if path.name == str(path) and not paths.exists(path):
            candidates = (f"{path.name}{suffix}" for suffix in names.PICTURE_SUFFIXES)
            named = self._index.by_name(path.name)
            return named or tuple(each for name in candidates for each in self._index.by_name(name))
        for picture in (path.absolute(), self.pictures / path):
            folder = self._folder.name_of(picture)
            found = () if folder is None else self._index.by_name(picture.name, folder)
            if found:
                return found
        return ()

    def star(self, which: int | str | Path) -> Entry:
        """Star a picture. Raises what `get` raises."""
        return self._mark(which, starred=True)

    def unstar(self, which: int | str | Path) -> Entry:
        """Remove the star of a picture. Raises what `get` raises."""
        return self._mark(which, starred=False)

    def tag(self, which: int | str | Path, *tags: str) -> Entry:
        """Add tags: single words, case-insensitive.

        Raises what `get` raises, and InvalidRequestError for a tag that is not one word.
        """
        return self._mark(which, add=parse_tags(tags))

    def untag(self, which: int | str | Path, *tags: str) -> Entry:
        """Remove tags. Raises what `tag` raises."""
        return self._mark(which, remove=parse_tags(tags))

    def _mark(
        self,
        which: int | str | Path,
        *,
        starred: bool | None = None,
        add: frozenset[str] = frozenset(),
        remove: frozenset[str] = frozenset(),
    ) -> Entry:
        entry = self.get(which)
        self._folder.mark(entry.path, starred, add, remove)
        self._index.mark(self._name_of(entry), self._folder.listing(entry.path))
        return self.get(entry.path)

    def trash(self, which: int | str | Path) -> Path:
        """Move a picture and its JSON into the trash; returns the new path.

        Raises what `get` raises.
        """
        entry = self.get(which)
        relative = entry.path.relative_to(self.pictures)
        moved = self._folder.move(entry.path, self._folder.trash / relative)
        self._index.remove(self._name_of(entry), [entry.path.name])
        return moved

    def delete_unless_starred(self, which: int | str | Path) -> bool:
        """Delete a picture and its JSON for good; returns False and leaves it if it is starred.

        Raises what `get` raises.
        """
        entry = self.get(which)
        if not self._folder.delete_unless_starred(entry.path):
            return False
        self._index.remove(self._name_of(entry), [entry.path.name])
        return True

    def trashed(self) -> tuple[Path, ...]:
        """The pictures in the trash, newest folder and name first."""
        return self._folder.trashed()

    def list_trash(self) -> tuple[TrashedPicture, ...]:
        """What is in the trash, latest first. Pictures with an unreadable JSON are left out."""
        return self._folder.list_trash()

    def restore(self, which: str | Path) -> Entry:
        """Move a picture out of the trash, given its path or file name there.

        Raises HistoryError if there is none, or more than one of this name.
        """
        given = Path(which)
        found = [
            path
            for path in self.trashed()
            if given in (Path(path.name), Path(path.stem)) or given.absolute() == path
        ]
        if len(found) != 1:
            raise HistoryError(
                f'the trash has {len(found) or "no"} pictures named "{which}"',
                '"sdtui history trash" without a name shows what is in it',
            )
        target = self.pictures / found[0].relative_to(self._folder.trash)
        restored = self._folder.move(found[0], target)
        self._list(restored)
        return self.get(restored)

    def empty_trash(self) -> int:
        """Delete everything in the trash; returns the number of pictures."""
        return self._folder.empty_trash()

    def delete_trashed(self, paths: Iterable[Path]) -> int:
        """Delete pictures in the trash for good, given their paths there; returns the number of
        pictures. Paths outside of the trash are left alone."""
        return self._folder.delete_trashed(paths)

    def export(self, target: Path, query: str = "", ids: Iterable[int] | None = None) -> int:
        """Write pictures with their JSON into the zip file `target`: those with these ids, or those
        that match a search.

        Returns the number of pictures. Raises what `entries` raises.
        """
        from sdtui.history import archive

        chosen = self.every(query) if ids is None else self.entries_of(ids)
        return archive.export(chosen, self.pictures, target)

    def import_(self, sources: Iterable[Path]) -> Imported:
        """Copy pictures of sdtui and other tools into the history.

        Sources are picture files, folders of them, and zips of `export`. Pictures that the
        history has already (same SHA-256) are left out.
        """
        from sdtui.history import archive

        added: list[Path] = []
        skipped: list[Skipped] = []
        known = 0
        for name, path in archive.find_pictures(sources, skipped):
            try:
                incoming = archive.read_incoming(path)
            except ImageError as error:
                skipped.append(Skipped(name, str(error).removeprefix(f"{path} ")))
                continue
            if self._index.has_hash(incoming.sha256):
                known += 1
                continue
            is_here = self._folder.name_of(path) is not None
            saved = self._folder.save(
                incoming.data,
                incoming.record,
                suffix=path.suffix.lower(),
                file=path if is_here and incoming.owns_json else None,
                moment=local_time(incoming.record.timestamp),
                starred=incoming.starred,
                tags=incoming.tags,
            )
            self._list(saved.path)
            added.append(saved.path)
        return Imported(tuple(added), known, tuple(skipped))

    def _list(self, picture: Path) -> None:
        """Add a saved picture to the index; if that fails, the next refresh finds it."""
        name = self._folder.name_of(picture)
        if name is None:
            return
        try:
            self._index.add(name, self._folder.listing(picture))
        except (HistoryError, OutputError):
            _LOG.warning("%s is saved but not in the index yet", picture, exc_info=True)

    def _name_of(self, entry: Entry) -> str:
        """The folder of a listed picture as the index names it."""
        name = entry.path.parent.relative_to(self.pictures).as_posix()
        return "" if name == "." else name
