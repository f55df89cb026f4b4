"""Save pictures that could not be written at first."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request

from sdtui.server.api.native.jobs import JobAnswer, JobId, answer_of, find_job
from sdtui.server.dependencies import ServicesDep
from sdtui.server.errors import ApiError, documented

router = APIRouter(tags=["sdtui"])


@router.post("/jobs/{job_id}/save", responses=documented("sdtui", 404, 409, 507))
async def save(job_id: JobId, services: ServicesDep, http: Request) -> JobAnswer:
    """Try again to save the pictures of a job, which are kept in memory for 20 such jobs."""
    find_job(services, job_id)
    saved = await asyncio.to_thread(services.backend.jobs.save_again, job_id)
    services.metrics.note_saved(job_id, len(saved))
    if not saved:
        raise ApiError(409, "NothingToSave", "Nothing of this job waits to be saved.", job=job_id)
    return answer_of(services, http, find_job(services, job_id))
