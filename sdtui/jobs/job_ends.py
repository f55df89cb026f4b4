"""How jobs end: what becomes of their pictures, and the last event of each."""

from __future__ import annotations

from sdtui.jobs.dispatcher import Dispatcher
from sdtui.jobs.execution import JobOutcome, JobSaver, PictureStore
from sdtui.jobs.grid_sheets import GridSheets
from sdtui.jobs.queue_state import QueueState
from sdtui.jobs.subscribers import Subscribers, envelope_of
from sdtui.jobs.unsaved import UnsavedPictures
from sdtui.jobs.worker_status import WorkerStatuses
from sdtui.requests.events import Event, FinalEvent


class JobEnds:
    """Ends jobs. Used by `JobQueue` with its lock held."""

    def __init__(
        self,
        state: QueueState,
        dispatcher: Dispatcher,
        status: WorkerStatuses,
        subscribers: Subscribers,
        store: PictureStore,
    ) -> None:
        self._state = state
        self._dispatcher = dispatcher
        self._status = status
        self._subscribers = subscribers
        self._store = store
        self._savers: dict[str, JobSaver] = {}
        """Of the jobs that have begun."""
        self.unsaved = UnsavedPictures(store)
        self.sheets = GridSheets(store, self._report_sheet)

    def saver(self, job_id: str) -> JobSaver:
        """Return what saves the pictures of a job, the same for all its attempts."""
        if job_id not in self._savers:
            self._savers[job_id] = JobSaver(self._state.jobs[job_id], self._store)
        return self._savers[job_id]

    def give_up(self, job_id: str, event: FinalEvent, worker: str = "") -> None:
        """End a job that no attempt has ended."""
        saver = self._savers.get(job_id)
        outcome = JobOutcome(event) if saver is None else saver.given_up(event)
        self.finish(job_id, outcome, worker)

    def finish(self, job_id: str, outcome: JobOutcome, worker: str = "") -> None:
        """End a job, and report that."""
        if outcome.unsaved:
            self.unsaved.hold(job_id, outcome.unsaved)
        self._savers.pop(job_id, None)
        self._dispatcher.forget(job_id)
        for old in self._state.finish(job_id, outcome):
            self.unsaved.forget(old)
        job = self._state.jobs[job_id]
        if job.grid is not None:
            is_last = self._state.is_grid_over(job.grid.grid.id)
            self.sheets.job_ended(job, is_last=is_last)
        envelope = envelope_of(job_id, outcome.event, worker)
        self._status.apply(envelope, is_preload=False)
        self._subscribers.publish(envelope)

    def _report_sheet(self, grid_id: str, event: Event) -> None:
        self._subscribers.publish(envelope_of(grid_id, event))
