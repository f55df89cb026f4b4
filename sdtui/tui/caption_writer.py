"""Reading and writing captions behind the editor."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from sdtui.core.errors import OutputError
from sdtui.requests.training.caption_set import CaptionSet
from sdtui.tui.background import run_on_thread

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")


class CaptionWriter:
    """Works on the disk on other threads, one after the other."""

    def __init__(self) -> None:
        self.unsaved: dict[Path, str] = {}
        """Captions that are being written, or couldn't be, by picture."""
        self._disk = asyncio.Lock()

    async def on_disk(self, work: Callable[[], _Result]) -> _Result:
        """Return what `work` returns on another thread, once earlier work is done."""
        async with self._disk:
            return await run_on_thread(work)

    async def write(self, captions: CaptionSet, picture: Path) -> str | None:
        """Write an unsaved caption; return it, or None if there is none any more. If it can't be
        written it stays unsaved. Raises OutputError."""
        text = self.unsaved.get(picture)
        if text is None:
            return None
        await self.on_disk(partial(captions.save, picture, text))
        if self.unsaved.get(picture) == text:
            del self.unsaved[picture]
        return text

    def write_all_now(self, captions: CaptionSet) -> None:
        """Write what is unsaved, on this thread: the app is ending."""
        for picture, text in self.unsaved.items():
            try:
                captions.save(picture, text)
            except OutputError as error:  # nobody can be told any more
                _log.error("a caption is lost: %s", text, exc_info=error)
