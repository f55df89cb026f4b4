"""The pictures of a server, kept here once they were fetched."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

from sdtui.core.errors import HistoryError
from sdtui.history import Entry, Imported
from sdtui.jobs.backends.remote import transfer
from sdtui.jobs.backends.remote.calls import Caller, RemotePart
from sdtui.jobs.backends.remote.picture_cache import PictureCache
from sdtui.jobs.backends.remote.uploads import Uploads
from sdtui.jobs.picture_api import AttachmentPicture, JobPicture, PictureId, SheetPicture
from sdtui.jobs.wire import CALLS
from sdtui.jobs.wire.ids import KnownIds, SentIds
from sdtui.jobs.wire.messages import History
from sdtui.requests.record import GenerationRecord

_EDGES = (96, 256, 512, 1024, 2048)
"""Smaller pictures are asked for in these sizes, so that they are found again."""
_QUERIES = 6
"""Queries whose lists are remembered."""


class RemotePictures(RemotePart):
    """Implements the protocol `Pictures`. Thread-safe."""

    def __init__(
        self,
        caller: Caller,
        cache: PictureCache,
        uploads: Uploads,
        is_saved: Callable[[JobPicture], bool],
    ) -> None:
        """`is_saved` says whether a job's picture is on the server's disk, so that its index stays
        the same."""
        super().__init__("pictures", caller)
        self._cache = cache
        self._uploads = uploads
        self._is_saved = is_saved
        self._revision = 0
        self._changes_by_others = 0
        self._ids = KnownIds()
        self._tags: dict[str, str] = {}
        """The tag of the last list of each query."""
        self._lock = threading.Lock()

    def read(self, picture: PictureId, *, edge: int | None = None) -> bytes:
        if edge is not None:
            edge = next((each for each in _EDGES if each >= edge), None)
        path = _path_of(picture) + (f"?edge={edge}" if edge else "")
        where = self._caller.requests.where
        name = f"{where.name} {where.host_header}{where.prefix}{path}"
        data = self._cache.get(name)
        if data is not None:
            return data
        answer = self._caller.requests.send("GET", path)
        if answer.status == 404:
            raise HistoryError("the picture is not there any more")
        self._caller.check(answer)
        if not isinstance(picture, JobPicture) or self._is_saved(picture):
            self._cache.put(name, answer.data)
        return answer.data

    def ids(self, query: str = "") -> Sequence[int]:
        with self._lock:
            known = self._tags.get(query, "")
        body = json.dumps({"query": query, "known": known}).encode()
        headers = {"Content-Type": "application/json"}
        answer = self._caller.requests.send("POST", "/attach/ids", body, headers)
        self._caller.check(answer)
        sent = SentIds.model_validate_json(answer.data)
        with self._lock:
            found = self._ids.read(sent, known)
            self._tags = dict([*self._tags.items(), (query, sent.tag)][-_QUERIES:])
        return found

    def record(self, entry: Entry) -> GenerationRecord:
        record: GenerationRecord = self._call(CALLS["pictures", "record"], entry)
        request = self._uploads.restored(record.request)
        if request is record.request:
            return record
        return record.model_copy(update={"request": request})

    def local_file(self, picture: PictureId) -> Path | None:
        """Return None: the files are the server's."""
        del picture
        return None

    def export(self, target: Path, query: str = "", ids: Iterable[int] | None = None) -> int:
        return transfer.export(self._caller, list(self.ids(query) if ids is None else ids), target)

    def import_(self, sources: Iterable[Path]) -> Imported:
        return transfer.import_(self._caller, sources)

    def changes_by_others(self) -> int:
        return self._changes_by_others

    # Called by the stream

    def note(self, history: History) -> None:
        """Note that pictures were changed."""
        if history.revision != self._revision:
            self._revision = history.revision
            if history.client != self._caller.client:
                self._changes_by_others += 1


def _path_of(picture: PictureId) -> str:
    match picture:
        case JobPicture(job=job, index=index):
            return f"/attach/pictures/jobs/{job}/{index}"
        case SheetPicture(grid=grid, index=index):
            return f"/attach/pictures/sheets/{grid}/{index}"
        case AttachmentPicture(entry=entry, name=name):
            return f"/attach/pictures/entries/{entry}/{quote(name, safe='')}"
        case _:
            return f"/attach/pictures/entries/{picture}"
