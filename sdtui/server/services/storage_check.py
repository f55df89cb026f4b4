"""Whether pictures can be saved."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from sdtui.core.units import data_size

MIN_FREE_BYTES = 64 * 2**20
"""Free space of a folder's disk below which the server isn't ready."""


class StorageCheck:
    """Checks the folder of new pictures and the state folder, which takes the pictures that are
    sent, the queue and the history's index. Used on the event loop only."""

    timeout_seconds = 2.0
    """A network disk may not answer for hours."""

    def __init__(self, find_folder: Callable[[], Path], state_folder: Path) -> None:
        self._find_folder = find_folder
        self._state_folder = state_folder
        self._pending: asyncio.Future[str] | None = None
        """The running check: a disk that doesn't answer blocks one thread, not one for each
        probe."""

    async def problem(self) -> str:
        """Return why pictures can't be saved now; empty if they can."""
        if self._pending is None:
            self._pending = asyncio.ensure_future(asyncio.to_thread(self._check))
        pending = self._pending
        done, _ = await asyncio.wait((pending,), timeout=self.timeout_seconds)
        if not done:
            return f"the disk of {self._find_folder()} or {self._state_folder} doesn't answer"
        self._pending = None
        return pending.result()

    def _check(self) -> str:
        return folder_problem(self._find_folder()) or folder_problem(self._state_folder)


def folder_problem(folder: Path) -> str:
    """Return why nothing can be written into a folder, which may be missing; empty if it can."""
    while not os.path.lexists(folder) and folder != folder.parent:  # made with a picture
        folder = folder.parent
    try:
        free, is_out_of_files = shutil.disk_usage(folder).free, _is_out_of_files(folder)
    except OSError as error:
        return f"{folder} can't be read: {error.strerror}"
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return f"{folder} can't be written"
    if free < MIN_FREE_BYTES:
        least = data_size(MIN_FREE_BYTES)
        return f"the disk of {folder} has {data_size(free)} of space, less than {least}"
    if is_out_of_files:
        return f"the disk of {folder} has no room for another file"
    return ""


def _is_out_of_files(folder: Path) -> bool:
    """True if a disk has a limit of files that is reached, as ext4 has one of inodes.
    Raises OSError."""
    if sys.platform == "win32":
        return False
    disk = os.statvfs(folder)
    return disk.f_files > 0 and disk.f_favail == 0
