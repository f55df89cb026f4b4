"""Showing the queue's events in the panes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual.screen import Screen

from sdtui.core.enums import JobState
from sdtui.core.errors import SdtuiError
from sdtui.jobs import Job, JobPicture
from sdtui.jobs.eta import TimeEstimator, earlier_runs
from sdtui.jobs.event_text import workers_text
from sdtui.jobs.progress import JobProgress, apply_event
from sdtui.requests import events
from sdtui.requests.events import JobEvent
from sdtui.requests.record import GenerationRecord
from sdtui.requests.request import GenerationRequest
from sdtui.tui.background import run_on_thread, start_worker
from sdtui.tui.context import AppContext
from sdtui.tui.controllers.pictures import PicturesController
from sdtui.tui.event_log import log_line, shown_after, shown_progress
from sdtui.tui.images.halfcell import Pixels
from sdtui.tui.images.loader import ShownPicture
from sdtui.tui.job_notifications import JobNotifications
from sdtui.tui.job_progress import LogLine, ShownProgress
from sdtui.tui.mailbox import Mailbox
from sdtui.tui.messages import TrainingChanged
from sdtui.tui.panes.collection import Panes
from sdtui.tui.stagger import stagger
from sdtui.tui.training_progress import TrainingPlace, shown_training
from sdtui.tui.widgets.top_line import TopLine

if TYPE_CHECKING:
    from textual.timer import Timer

    from sdtui.jobs.prompts import ResolvedPrompts

_PACE, _PACE_OVER_SSH = 0.1, 0.5
"""Seconds between two reads of the mailbox."""

_SHORT = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}
"""Usual abbreviations of number formats."""

_QUEUE_EVENTS = (
    events.Queued,
    events.Started,
    events.Saved,
    events.WorkerLost,
    events.WorkerJoined,
    events.WorkerAway,
    events.Finished,
    events.Failed,
    events.Cancelled,
)
_LAST_EVENTS = (events.Finished, events.Failed, events.Cancelled)


class EventPresenter:
    """Shows the queue's events in the panes, a few times a second."""

    def __init__(
        self,
        context: AppContext,
        screen: Screen[None],
        panes: Panes,
        top_line: TopLine,
        pictures: PicturesController,
    ) -> None:
        """Subscribe to the queue. `screen` runs timers and workers."""
        self._context = context
        self._screen = screen
        self._panes = panes
        self._top_line = top_line
        self._pictures = pictures
        self._backend = context.backend
        self._queue = self._backend.jobs
        self._pace = _PACE_OVER_SSH if context.over_ssh else _PACE
        self._mailbox = Mailbox(lambda: screen.call_later(self._look_soon))
        self._timer: Timer | None = None
        self._is_saving = False
        self._save_again = False
        self._open_jobs: dict[str, JobProgress] = {}
        self._estimator = TimeEstimator()
        self._waiting = 0
        """How many jobs wait."""
        self._total: float | None = None
        """Seconds that all jobs will take."""
        self._training = TrainingPlace()
        self.progress = ShownProgress()
        self._notifications = JobNotifications(
            screen.app, self._queue, context.terminal, context.settings.notify
        )
        self.unsubscribe = self._queue.subscribe(self._mailbox.put)
        start_worker(screen, self._learn_times)

    async def _learn_times(self) -> None:
        """Learn from earlier sessions how long jobs take."""
        for record in await run_on_thread(partial(earlier_runs, self._backend.pictures)):
            self._estimator.learn(record)

    def submit(self, request: GenerationRequest, prompts: ResolvedPrompts | None) -> Job:
        """Queue a request, with its prompts if they were resolved. Raises SdtuiError. Another
        machine's queue needs a moment."""
        return self._queue.submit(request, prompts=prompts)

    def saved_picture(self, job_id: str, path: str) -> ShownPicture:
        """Return a picture that a job saved, by its path if the job is not known any more."""
        try:
            index = self._queue.job(job_id).pictures.index(path)
        except (KeyError, ValueError):
            return ShownPicture(Path(path))
        return ShownPicture(Path(path), JobPicture(job_id, index))

    def stopping(self, job_id: str, *, after_picture: bool) -> None:
        """Show that a job is stopping, until it has stopped."""
        if job_id == self.progress.job:
            text = "stops after this picture" if after_picture else "stops after this step"
            self.progress = replace(self.progress, stopping=text)
            self._show_progress()

    def show_queue(self) -> None:
        """Show the current queue, and save it on disk."""
        jobs, is_paused = self._queue.jobs(), self._queue.is_paused
        self._panes.queue.show(jobs, paused=is_paused)
        self._top_line.paused = is_paused
        self._waiting = sum(job.state is JobState.QUEUED for job in jobs)
        self._show_waiting()
        self._save_again = True
        if not self._is_saving:
            start_worker(self._screen, self._save_queue, group="queue-file")

    async def _save_queue(self) -> None:
        self._is_saving = True
        while self._save_again:
            self._save_again = False
            try:
                await asyncio.to_thread(self._backend.save_jobs)
            except OSError as error:
                self._context.notify(
                    f"The queue can't be kept on disk: {error}", severity="warning"
                )
        self._is_saving = False

    def _look_soon(self) -> None:
        """Read the mailbox a little later, when more events may have arrived."""
        if self._timer is None:
            self._timer = self._screen.set_timer(self._pace, self._look)

    def _look(self) -> None:
        self._timer = None
        arrived = self._mailbox.take()
        lines = [line for line in map(self._follow, arrived) if line]
        self._notifications.show(self.progress)
        saved = any(isinstance(each.event, events.Saved) for each in arrived)
        if saved or not self.progress.is_running:
            self._mailbox.take_preview(self.progress.job)  # it shows less than what was saved
        stagger(
            self._screen,
            lambda: self._panes.log.add(lines),
            self._show_progress,
            lambda: self._panes.gallery.show_forming(None, self.progress.place),
            lambda: self._show_in_queue(arrived),
            self._show_preview,
        )

    def _show_progress(self) -> None:
        was_active = self._top_line.progress.is_active
        self._top_line.progress = self.progress
        if self.progress.is_active is not was_active:
            self._screen.refresh_bindings()

    def _show_in_queue(self, arrived: Iterable[JobEvent]) -> None:
        if any(isinstance(each.event, _QUEUE_EVENTS) for each in arrived):
            self.show_queue()
        running = {job: each for job, each in self._open_jobs.items() if each.is_running}
        places = {job: shown_progress(each).place for job, each in running.items()}
        workers = self._queue.workers
        if len(workers) > 1:
            of_job = {each.job: each.name for each in workers}
            places = {job: f"{of_job.get(job, '')} {place}" for job, place in places.items()}
        there = sum(not each.is_away for each in workers)
        is_worth_showing = len(workers) > 1 or there < len(workers)
        self._panes.queue.show_workers(workers_text(workers) if is_worth_showing else "")
        training = self._training
        is_in_the_way = all(each.training or each.is_away for each in workers)
        self._panes.queue.show_training(
            training.text if training.name else "", training.name if is_in_the_way else ""
        )
        jobs = self._queue.jobs()
        times = self._estimator.remaining_times(jobs, running)
        total = times.total if times else None
        self._total = None if total is None else total / max(1, there)
        self._panes.queue.show_progress(places, times, self._total)
        self._show_waiting()

    def _show_waiting(self) -> None:
        self._top_line.queued = (self._waiting, self._total)

    def _follow(self, envelope: JobEvent) -> LogLine | None:
        """Show an event; return its line of the log."""
        if isinstance(envelope.event, events.Training | events.TrainingProgress):
            return self._follow_training(envelope, envelope.event)
        before, panes = self.progress, self._panes
        progress = apply_event(self._open_jobs, envelope)
        self.progress = now = shown_after(before, progress)
        if now.is_running and not (before.is_running and before.job == now.job):
            self._pictures.begin(self._queue.job(now.job))
        if before.is_running and not now.is_running:
            self._pictures.finish()
        match envelope.event:
            case events.Started(seed=seed):
                self._context.recipe.last_seed = seed
            case events.Saved(path=path):
                if envelope.job == now.job:
                    self._pictures.add(self.saved_picture(envelope.job, path))
                panes.gallery.reload()
            case events.SheetSaved():
                panes.gallery.reload()
                self._context.notify("The sheet of the grid is in the gallery.")
            case events.Loaded(model=model, device=device, dtype=dtype, memory_mode=mode):
                precision, memory = _SHORT.get(dtype, dtype), mode.replace("_", " ")
                self._top_line.model = f"{model} · {device} {precision} · {memory} memory"
            case events.Unloaded():
                self._top_line.model, *_ = self._top_line.model.partition(" · ")
                if not now.is_active:
                    self.progress = ShownProgress()  # it may say that the model is ready
            case events.Finished(record=record):
                self._estimator.learn(record)
                self._show_lossy_changes(record)
            case events.Failed(error=error, hint=hint):
                self._context.show_error(SdtuiError(error, hint), is_logged=True)
        if isinstance(envelope.event, _LAST_EVENTS):
            with suppress(KeyError):  # a model was loaded in advance, or the job is forgotten
                self._pictures.job_over(self._queue.job(envelope.job))
        return log_line(envelope, progress)

    def _follow_training(
        self, envelope: JobEvent, event: events.Training | events.TrainingProgress
    ) -> LogLine | None:
        self._training = self._training.after(event)
        self.progress = shown_training(self.progress, envelope.job, event, self._training)
        self._screen.post_message(TrainingChanged())
        if event.event.kind == "sample":
            self._panes.gallery.reload()
        elif event.event.kind == "failed":
            failure = SdtuiError(f"{event.name}: {event.event.error}")
            self._context.show_error(failure, is_logged=True)
        return log_line(envelope, JobProgress(envelope.job))

    def _show_lossy_changes(self, record: GenerationRecord) -> None:
        lossy = [each.changes for each in record.attempts if not each.lossless]
        if lossy:
            self._context.notify(
                f"Memory ran out, so the picture differs from the request: {'; '.join(lossy)}",
                severity="warning",
            )

    def _show_preview(self) -> None:
        if not self.progress.is_running:
            return
        if not self._panes.stage.wants_preview():
            self._look_soon()
        elif preview := self._mailbox.take_preview(self.progress.job):
            self._pictures.show_forming(Pixels(preview.width, preview.height, preview.rgb))
