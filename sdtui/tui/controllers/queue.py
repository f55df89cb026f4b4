"""Stopping, moving and saving jobs, and showing their progress."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from textual.screen import Screen

from sdtui.core.enums import JobState
from sdtui.core.errors import SdtuiError
from sdtui.core.text import counted, one_line
from sdtui.tui.background import run_on_thread, start_worker
from sdtui.tui.bindings import written_key
from sdtui.tui.context import AppContext
from sdtui.tui.controllers.generation import GenerationController
from sdtui.tui.controllers.pictures import PicturesController
from sdtui.tui.panes.collection import Panes
from sdtui.tui.panes.queue import RequestedAction
from sdtui.tui.shutdown import what_is_lost
from sdtui.tui.widgets.top_line import TopLine

if TYPE_CHECKING:
    from sdtui.jobs import Job
    from sdtui.jobs.prompts import ResolvedPrompts
    from sdtui.requests.request import GenerationRequest
    from sdtui.tui.event_presenter import EventPresenter

_TWICE_SECONDS = 3.0
"""Seconds within which a job has to be cancelled twice."""
_IDLE_SECONDS = 1.5
"""Seconds without a key before a dialog may open by itself."""


class QueueController:
    """Performs the user's actions on the queue, and shows its jobs."""

    def __init__(
        self,
        context: AppContext,
        screen: Screen[None],
        panes: Panes,
        top_line: TopLine,
        generation: GenerationController,
        pictures: PicturesController,
    ) -> None:
        """`screen` runs the presenter's timers and workers."""
        self._context = context
        self._screen = screen
        self._panes = panes
        self._top_line = top_line
        self._generation = generation
        self._pictures = pictures
        self._asked = ("", 0.0)
        """The job that was cancelled once, and when (monotonic seconds)."""
        self._presenter: EventPresenter | None = None

    @property
    def presenter(self) -> EventPresenter:
        """Shows the queue's events. Opens the backend when first read."""
        from sdtui.tui.event_presenter import EventPresenter

        if self._presenter is None:
            self._presenter = EventPresenter(
                self._context, self._screen, self._panes, self._top_line, self._pictures
            )
        return self._presenter

    async def submit(self, request: GenerationRequest, prompts: ResolvedPrompts | None) -> Job:
        """Queue a request, with its prompts if they were resolved. Raises SdtuiError."""
        submit = partial(self.presenter.submit, request, prompts)
        if self._context.backend.connection is None:
            return submit()  # at once, so that the next key finds it in the queue
        return await run_on_thread(submit)

    @property
    def loss(self) -> str:
        """What quitting would lose, in words; "" if nothing."""
        if self._presenter is None or self._context.backend.keeps_running:
            return ""
        return what_is_lost(self._context.backend.jobs, self._presenter.progress)

    @property
    def can_stop(self) -> bool:
        """True if a job runs or is about to begin, or the model is being loaded."""
        return self._presenter is not None and self._stoppable(after_picture=False) != ""

    def _stoppable(self, *, after_picture: bool) -> str:
        """Return the id of the job or preload that can be stopped; "" if none."""
        queue, states = self._context.backend.jobs, {JobState.RUNNING, JobState.CANCELLING}
        shown = self.presenter.progress
        if not (after_picture or queue.is_paused or shown.training):
            states.add(JobState.QUEUED)  # it is about to begin
        running = [job.id for job in queue.jobs() if job.state in states]
        if shown.job in running:  # of several, the one that is seen
            return shown.job
        return running[0] if running else shown.job if shown.is_active else ""

    def stop_current(self, *, after_picture: bool) -> None:
        """Stop the running job or the loading model: after the picture under way, or now if it is
        called twice within some seconds, since the steps would be lost."""
        target = self._stoppable(after_picture=after_picture)
        now = time.monotonic()
        asked_for, asked_at = self._asked
        shown = self.presenter.progress
        if not target:
            self._context.notify("Nothing is running.", timeout=3)
        elif target == shown.job and shown.training:
            key = written_key("window.training", self._context.settings.keys)
            self._context.notify(
                f"{key} shows the training {one_line(shown.training)}: p pauses it."
            )
        elif after_picture or (asked_for == target and now - asked_at <= _TWICE_SECONDS):
            self.stop(target, after_picture=after_picture)
        else:
            self._asked = (target, now)
            done = self.presenter.progress.steps_done
            key = written_key("window.cancel", self._context.settings.keys)
            self._context.notify(
                f"{done}. {key} again stops the job." if done else f"{key} again stops the job.",
                severity="warning",
                timeout=_TWICE_SECONDS,
            )

    def stop(self, job_id: str, *, after_picture: bool) -> None:
        """Stop a job, and show that it is stopping."""
        self._context.backend.jobs.cancel(job_id, after_picture=after_picture)
        self.presenter.stopping(job_id, after_picture=after_picture)
        self.presenter.show_queue()

    def perform(self, action: RequestedAction, job: Job | None) -> None:
        """Perform an action that the queue pane requested; `job` is the one with the cursor."""
        queue = self._context.backend.jobs
        if action == "pause":
            (queue.resume if queue.is_paused else queue.pause)()
        elif job is None:
            self._context.notify("The queue is empty.", timeout=3)
        elif action == "reuse":
            seed = job.request.seed if job.seed is None else job.seed
            self._generation.use_request(replace(job.request, seed=seed))
        elif action == "details":
            self.show_details(job)
        elif action == "save_again":
            start_worker(self._screen, partial(self._save_again, job))
        elif action == "remove_grid":
            self._remove_grid(job)
        elif job.state.is_over:
            self._context.notify("This job is over.", timeout=3)
        elif action in ("remove", "stop_after"):
            self.stop(job.id, after_picture=action == "stop_after")
        else:
            self._move(job, -1 if action == "earlier" else 1)
        self.presenter.show_queue()

    def _remove_grid(self, job: Job) -> None:
        if job.grid is None:
            self._context.notify("This job belongs to no grid.", timeout=3)
        else:
            self._context.backend.jobs.cancel_grid(job.grid.grid.id)

    def _move(self, job: Job, by: int) -> None:
        queue = self._context.backend.jobs
        waiting = [each.id for each in queue.jobs() if each.state is JobState.QUEUED]
        if job.id in waiting:
            queue.move(job.id, waiting.index(job.id) + by)
        else:
            self._context.notify("Only queued jobs can be moved.", timeout=3)

    async def _save_again(self, job: Job) -> None:
        """Save the pictures that did not fit on the disk; they are still in memory."""
        try:
            saved = await asyncio.to_thread(self._context.backend.jobs.save_again, job.id)
        except SdtuiError as error:
            self._context.show_error(error)
            return
        if saved:
            self._panes.stage.show(self.presenter.saved_picture(job.id, saved[0]))
            self._panes.gallery.reload()
            self._context.notify(f"Saved: {', '.join(saved)}")
        else:
            self._context.notify("Nothing of this job is left to be saved.", timeout=3)

    def show_last_details(self) -> None:
        """Show the details of the running or last job."""
        jobs = self._context.backend.jobs.jobs()
        begun = [job for job in jobs if job.state is not JobState.QUEUED]
        if begun:
            self.show_details(begun[0])
        else:
            self._context.notify("No job has begun yet.", timeout=3)

    def show_details(self, job: Job) -> None:
        """Show the details of a job."""
        from sdtui.tui.job_details import job_details
        from sdtui.tui.screens.dialogs import TextScreen

        self._context.push_screen(TextScreen("Job", job_details(job), self._context.copy))

    async def offer_orphaned(self) -> None:
        """Offer to continue with orphaned jobs after a crash or a lost connection."""
        from sdtui.tui.screens.dialogs import OrphanedJobsScreen

        backend = self._context.backend
        await self._continue_trainings()
        jobs = await asyncio.to_thread(backend.orphaned_jobs)
        if not jobs:
            await asyncio.to_thread(backend.forget_orphaned_jobs)
            return
        while (pause := _IDLE_SECONDS - self._context.silence) > 0:
            await asyncio.sleep(pause)
        answer = await self._context.push_screen_wait(
            OrphanedJobsScreen(_question(jobs), len(jobs))
        )
        if answer:
            await self._adopt_orphaned()
        elif answer is not None:
            await asyncio.to_thread(backend.forget_orphaned_jobs)

    async def _continue_trainings(self) -> None:
        """Go on with trainings that ended with an earlier process."""
        try:
            await asyncio.to_thread(self._context.backend.trainings.continue_interrupted)
        except SdtuiError as error:
            self._context.show_error(error)

    async def _adopt_orphaned(self) -> None:
        adopt = partial(self._context.backend.adopt_orphaned_jobs, twice_lost=True)
        try:
            adopted = await asyncio.to_thread(adopt)
        except OSError as error:
            self._context.notify(
                f"The jobs of the last start can't be resumed: {error}", severity="error"
            )
            return
        if not any(job.has_remaining for job in adopted):
            self._context.notify("Another sdtui has resumed the queue.")


def _question(jobs: list[Job]) -> str:
    prompts = one_line(jobs[0].request.prompt)
    if len(jobs) > 1:
        prompts += f" … and {counted(len(jobs) - 1, 'more job')}"
    pictures = sum(job.request.num_images_per_prompt for job in jobs)
    was = "were" if pictures > 1 else "was"
    return f"{counted(pictures, 'picture')} {was} still queued when sdtui ended: {prompts}"
