"""Why the server can't make or save pictures now."""

from __future__ import annotations

import asyncio
import os
import shutil
from typing import NamedTuple

from sdtui.core.units import data_size, duration
from sdtui.server.dependencies import ServerServices
from sdtui.server.services.watchdog import is_stalled

MIN_FREE_BYTES = 64 * 2**20
"""Free space of the pictures folder's disk below which the server isn't ready."""

_MOST_FAILURES = 5
"""Internal errors in a row after which the server isn't ready."""


class Problem(NamedTuple):
    """Why the server isn't ready."""

    summary: str
    """For everyone."""
    details: str
    """For clients with the key."""


async def find_problem(services: ServerServices) -> Problem | None:
    """Return why jobs would fail now, whatever model they name; None if nothing is known."""
    if is_stalled(services):
        silent = duration(services.job_events.silent_seconds())
        summary = "a job makes no progress"
        return Problem(summary, f"{summary}: no step or stage has ended for {silent}")
    failures = services.job_events.internal_failures
    if failures >= _MOST_FAILURES:
        summary = "jobs fail"
        return Problem(
            summary, f"the last {failures} jobs met internal errors, which the log describes"
        )
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
