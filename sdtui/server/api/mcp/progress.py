"""Reports of a job's progress."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from sdtui.core.text import one_line
from sdtui.jobs.event_text import event_text, images_text, steps_text
from sdtui.jobs.progress import JobProgress
from sdtui.requests.events import Step
from sdtui.server.dependencies import ServerServices

Report = Callable[[float, str], Awaitable[None]]
"""Called with the percentage, which grows with each call, and a text."""

_INTERVAL_SECONDS = 0.5
_SILENT_SECONDS = 5.0
"""A report is sent after this time although nothing has changed, since clients give up a call that
is silent."""
_LEAST_STEP = 0.001
"""The protocol asks for a larger number each time."""


@asynccontextmanager
async def reporting(services: ServerServices, job: str, report: Report) -> AsyncIterator[None]:
    """Report the progress of a job in the meantime."""
    task = asyncio.ensure_future(_report(services, job, report))
    try:
        yield
    finally:
        task.cancel()


async def _report(services: ServerServices, job: str, report: Report) -> None:
    loop = asyncio.get_running_loop()
    percent, shown, sent = 0.0, "", 0.0
    while True:
        progress = services.job_events.progress(job)
        text = progress_text(progress)
        if text != shown or loop.time() - sent > _SILENT_SECONDS:
            percent = max(percent + _LEAST_STEP, 100 * progress.fraction)
            shown, sent = text, loop.time()
            await report(percent, text)
        await asyncio.sleep(_INTERVAL_SECONDS)


def progress_text(progress: JobProgress) -> str:
    """Return what is done for a job."""
    if isinstance(progress.activity, Step):
        text = steps_text(progress.activity)
    elif progress.activity is not None:
        found = event_text(progress.activity)
        text = found.text if found else ""
    else:
        text = "waiting for other jobs" if progress.started_at is None else "finishing"
    return one_line("  ".join(filter(None, (images_text(progress), text))))
