"""The backend as one API key sees it."""

from __future__ import annotations

from sdtui.jobs import Backend, Hardware, Job, Models, Pictures, Prompts, Trainings
from sdtui.jobs.api import Connection
from sdtui.server.services.caller_jobs import Allowance, CallerJobs
from sdtui.server.services.caller_pictures import CallerPictures
from sdtui.server.services.callers import Caller, forbidden
from sdtui.server.services.served_models import ServedModels


class CallerBackend:
    """Implements the protocol `Backend`, which documents its methods, for a caller: with its jobs
    and pictures alone, unless it is an admin, and within its limits."""

    def __init__(
        self,
        backend: Backend,
        caller: Caller,
        allowance: Allowance,
        models: ServedModels,
        most_pictures: int,
    ) -> None:
        """`most_pictures` are those of a job."""
        self._backend = backend
        self._caller = caller
        self._jobs = CallerJobs(backend, caller, allowance, models, most_pictures)
        self._pictures: Pictures = backend.pictures
        if not caller.is_admin:
            self._pictures = CallerPictures(backend.pictures, self._jobs, caller)

    @property
    def connection(self) -> Connection | None:
        return self._backend.connection

    @property
    def keeps_running(self) -> bool:
        return self._backend.keeps_running

    @property
    def jobs(self) -> CallerJobs:
        return self._jobs

    @property
    def models(self) -> Models:
        return self._backend.models

    @property
    def prompts(self) -> Prompts:
        return self._backend.prompts

    @property
    def pictures(self) -> Pictures:
        return self._pictures

    @property
    def trainings(self) -> Trainings:
        """Raises ForbiddenError unless the caller is an admin."""
        self._caller.check_admin("see or change trainings")
        return self._backend.trainings

    @property
    def hardware(self) -> Hardware:
        return self._backend.hardware

    # What the server alone does

    def save_jobs(self) -> None:
        raise forbidden("save the queue")

    def orphaned_jobs(self) -> list[Job]:
        raise forbidden("take over jobs")

    def adopt_orphaned_jobs(self, *, twice_lost: bool) -> list[Job]:
        raise forbidden("take over jobs")

    def forget_orphaned_jobs(self) -> None:
        raise forbidden("take over jobs")

    def close(self, timeout: float = 2.0) -> bool:
        raise forbidden("end the server")
