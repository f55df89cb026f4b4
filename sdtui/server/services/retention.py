"""Delete pictures that the server doesn't keep."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from sdtui.core.errors import SdtuiError
from sdtui.core.units import data_size
from sdtui.history import sidecar_path
from sdtui.jobs import Output, Pictures
from sdtui.server.keep import Keep
from sdtui.server.services.signed_links import LIFETIME_SECONDS

_log = logging.getLogger(__name__)
_INTERVAL_SECONDS = 600.0
_PAGE = 500
_JUMP_SECONDS = 3600.0
"""Difference of the clocks that shows that the wall clock was set."""
_PAUSE_SECONDS = 86_400.0
"""A clock that is wrong would make all pictures old; somebody may set it again."""


class _Kept(NamedTuple):
    time: datetime
    path: Path
    starred: bool


class Retention:
    """Deletes old pictures of the history by a rule, and temporary ones after an hour.

    Starred pictures are never deleted.
    """

    def __init__(self, pictures: Pictures, keep: Keep, temporary: Path) -> None:
        """`temporary` is the folder of pictures that are sent and not kept."""
        self._pictures = pictures
        self._keep = keep
        self._temporary = temporary
        self._clocks = time.time() - time.monotonic()
        self._paused_until = 0.0
        """In monotonic seconds."""

    def folder(self, pictures: Path) -> Path:
        """Return the folder of new pictures, which is `pictures` if they are kept."""
        return self._temporary if self._keep.is_nothing else pictures

    def output(self, output: Output | None, *, is_kept: bool) -> Output:
        """Return where the pictures of a job go: to `output`, or to the temporary folder."""
        output = output or Output()
        if is_kept and not self._keep.is_nothing:
            return output
        with suppress(OSError):  # saving reports it
            self._temporary.mkdir(parents=True, exist_ok=True, mode=0o700)
        return output.model_copy(update={"folder": self._temporary})

    async def run(self) -> None:
        """Delete pictures now and every ten minutes, until cancelled."""
        while True:
            await asyncio.to_thread(self.delete_old)
            await asyncio.sleep(_INTERVAL_SECONDS)

    def delete_old(self) -> None:
        """Delete the pictures that aren't kept any longer."""
        self._delete_temporary()
        if self._clock_jumped():
            _log.warning("the clock was set: no pictures are deleted for a day")
            self._paused_until = time.monotonic() + _PAUSE_SECONDS
        if time.monotonic() < self._paused_until:
            return
        try:
            if self._keep.days:
                self._delete_by_age(timedelta(days=self._keep.days))
            if self._keep.size is not None:
                self._delete_by_size(self._keep.size)
        except SdtuiError as error:
            _log.warning("old pictures can't be deleted: %s", error)

    def _clock_jumped(self) -> bool:
        before, self._clocks = self._clocks, time.time() - time.monotonic()
        return abs(self._clocks - before) > _JUMP_SECONDS

    def _delete_temporary(self) -> None:
        with suppress(OSError):  # it is made with the first picture
            for path in self._temporary.iterdir():
                with suppress(OSError):
                    if time.time() - path.stat().st_mtime > LIFETIME_SECONDS:
                        path.unlink()

    def _delete_by_age(self, age: timedelta) -> None:
        now = datetime.now(UTC)
        for each in list(self._listed("star:no")):
            if now - each.time > age:  # a date before the year 1 doesn't exist
                self._delete(each.path, f"it is older than {age.days} days")

    def _delete_by_size(self, limit: int) -> None:
        pictures = sorted(self._listed(""))
        sizes = {each.path: _size(each.path) for each in pictures}
        total = sum(sizes.values())
        for each in pictures:
            if total <= limit:
                return
            if not each.starred and self._delete(
                each.path, f"all pictures have more than {data_size(limit)}"
            ):
                total -= sizes[each.path]

    def _delete(self, path: Path, reason: str) -> bool:
        try:
            deleted = self._pictures.delete_unless_starred(path)
        except SdtuiError as error:
            _log.warning("%s can't be deleted: %s", path, error)
            return False
        if deleted:
            _log.info("%s is deleted: %s", path, reason)
        return deleted

    def _listed(self, query: str) -> Iterator[_Kept]:
        offset, total = 0, 1
        while offset < total:
            page = self._pictures.entries(query, offset=offset, limit=_PAGE)
            for entry in page.entries:
                yield _Kept(entry.time, entry.path, entry.starred)
            offset, total = offset + _PAGE, page.total


def _size(picture: Path) -> int:
    """Bytes of a picture and its JSON."""
    size = 0
    for path in (picture, sidecar_path(picture)):
        with suppress(OSError):
            size += path.stat().st_size
    return size
