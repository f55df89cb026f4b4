"""Why the server can't make or save pictures now."""

from __future__ import annotations

import asyncio
import os
import shutil
from typing import NamedTuple

from sdtui.core.units import data_size
from sdtui.server.dependencies import ServerServices

MIN_FREE_BYTES = 64 * 2**20
"""Free space of the pictures folder's disk below which the server isn't ready."""


class Problem(NamedTuple):
    """Why the server isn't ready."""

    summary: str
    """For everyone."""
    details: str
    """For clients with the key."""


async def find_problem(services: ServerServices) -> Problem | None:
    """Return why jobs would fail now, whatever model they name; None if nothing is known."""
    return await asyncio.to_thread(_storage_problem, services)


def _storage_problem(services: ServerServices) -> Problem | None:
    folder = services.retention.folder(services.backend.pictures.folder)
    while not folder.exists() and folder != folder.parent:  # made with the first picture
        folder = folder.parent
    summary = "pictures can't be saved"
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Problem(summary, f"{summary}: {error.strerror}")
    if not os.access(folder, os.W_OK | os.X_OK) or not folder.is_dir():
        return Problem(summary, f"{summary}: {folder} can't be written")
    if free < MIN_FREE_BYTES:
        details = f"{summary}: {folder} has {data_size(free)} of space, less than "
        return Problem(summary, details + data_size(MIN_FREE_BYTES))
    return None
