"""Why the server can't make or save pictures now."""

from __future__ import annotations

from typing import NamedTuple

from sdtui.core.units import duration
from sdtui.server.dependencies import ServerServices
from sdtui.server.services.stalls import are_workers_broken


class Problem(NamedTuple):
    """Why the server isn't ready."""

    summary: str
    """For everyone."""
    details: str
    """For clients with the key."""


async def find_problem(services: ServerServices) -> Problem | None:
    """Return why jobs would fail now, whatever model they name; None if nothing is known."""
    if silent := services.stalls.silent():
        summary = "a job makes no progress"
        seconds = duration(max(silent.values()))
        return Problem(summary, f"{summary}: no step or stage has ended for {seconds}")
    if are_workers_broken(services.backend.jobs):
        return Problem("jobs fail", "every worker was lost again and again, as the log describes")
    failures = services.job_events.internal_failures
    if failures >= services.options.max_failures:
        details = f"the last {failures} jobs met internal errors, which the log describes"
        return Problem("jobs fail", details)
    if problem := await services.storage.problem():
        summary = "pictures can't be saved"
        return Problem(summary, f"{summary}: {problem}")
    return None
