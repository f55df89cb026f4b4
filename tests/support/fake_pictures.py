"""Pictures of a backend that has none: bytes in place of files."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
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
from sdtui.jobs import PictureId
from sdtui.requests.record import GenerationRecord
from tests.support.records import NOON, picture, record


class FakePictures:
    """Pictures as bytes: none of them is a file of this machine."""

    folder = Path("/elsewhere")
    trash_folder = folder / "trash"

    def __init__(self, *prompts: str) -> None:
        buffer = io.BytesIO()
        picture().save(buffer, "png")
        self.png = buffer.getvalue()
        self.reads: list[PictureId] = []
        """The pictures that were read, in order."""
        self._entries = [_entry(number, prompt) for number, prompt in enumerate(prompts)]

    def read(self, picture: PictureId, *, edge: int | None = None) -> bytes:
        del edge
        if isinstance(picture, int):
            self.get(picture)
        self.reads.append(picture)
        return self.png

    def attachments(self, picture: PictureId) -> list[bytes]:
        del picture
        return []

    def local_file(self, picture: PictureId) -> Path | None:
        if isinstance(picture, int):
            self.get(picture)
        return None

    def entries(self, query: str = "", *, offset: int = 0, limit: int = 50) -> Page:
        found = [entry for entry in self._entries if query in entry.prompt]
        return Page(tuple(found[offset : offset + limit]), len(found), offset)

    def ids(self, query: str = "") -> Sequence[int]:
        found = self.entries(query, limit=len(self._entries)).entries
        return sorted((entry.id for entry in found), reverse=True)

    def entries_of(self, ids: Iterable[int]) -> tuple[Entry, ...]:
        chosen = set(ids)
        return tuple(entry for entry in self._entries if entry.id in chosen)

    def get(self, which: int | str | Path) -> Entry:
        for entry in self._entries:
            if which in (entry.id, entry.path, entry.path.name):
                return entry
        raise HistoryError(f'the history has no picture "{which}"')

    def record(self, entry: Entry) -> GenerationRecord:
        assert entry.seed is not None
        return record(entry.prompt, seed=entry.seed)

    def lineage(self, which: int | str | Path) -> Lineage:
        return Lineage(Relative("", self.get(which)), (), (), is_cut=False)

    def is_parent(self, sha256: str) -> bool:
        del sha256
        return False

    def star(self, which: int | str | Path) -> Entry:
        return self._put(replace(self.get(which), starred=True))

    def unstar(self, which: int | str | Path) -> Entry:
        return self._put(replace(self.get(which), starred=False))

    def tag(self, which: int | str | Path, *tags: str) -> Entry:
        return self._put(replace(self.get(which), tags=tags))

    def untag(self, which: int | str | Path, *tags: str) -> Entry:
        del tags
        return self._put(replace(self.get(which), tags=()))

    def _put(self, entry: Entry) -> Entry:
        self._entries = [entry if each.id == entry.id else each for each in self._entries]
        return entry

    def trash(self, which: int | str | Path) -> Path:
        entry = self.get(which)
        self._entries.remove(entry)
        return self.trash_folder / entry.path.name

    def delete_unless_starred(self, which: int | str | Path) -> bool:
        entry = self.get(which)
        if entry.starred:
            return False
        self._entries.remove(entry)
        return True

    def trashed(self) -> tuple[Path, ...]:
        return ()

    def list_trash(self) -> tuple[TrashedPicture, ...]:
        return ()

    def restore(self, which: str | Path) -> Entry:
        return self.get(which)

    def delete_trashed(self, paths: Iterable[Path]) -> int:
        del paths
        return 0

    def empty_trash(self) -> int:
        return 0

    def save_sheets(
        self, grid_id: str, pictures: Iterable[Path] = (), folder: Path | None = None
    ) -> list[SavedPicture]:
        del grid_id, pictures, folder
        return []

    def refresh(self) -> Changes:
        return Changes()

    def reindex(self, progress: Callable[[int], None] | None = None) -> Changes:
        del progress
        return Changes()

    def skipped(self) -> tuple[Skipped, ...]:
        return ()

    def changes_by_others(self) -> int:
        return 0

    def stats(self) -> Stats:
        return Stats(len(self._entries), 0, 0, 0, None, None)

    def export(self, target: Path, query: str = "", ids: Iterable[int] | None = None) -> int:
        del target
        return self.entries(query).total if ids is None else len(self.entries_of(ids))

    def import_(self, sources: Iterable[Path]) -> Imported:
        del sources
        return Imported()


def _entry(number: int, prompt: str) -> Entry:
    return Entry(
        id=number,
        path=FakePictures.folder / f"{number}.png",
        time=NOON,
        prompt=prompt,
        negative_prompt="",
        model="pocket",
        sampler="Euler",
        seed=number,
        width=64,
        height=64,
        steps=4,
        guidance=6.0,
        starred=False,
        tags=(),
        problem="",
    )
