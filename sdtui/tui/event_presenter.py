"""From the queue's events to the panes, a few times a second."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sdtui.jobs import JobQueue, QueueFile
from sdtui.jobs.progress import JobProgress, apply_event
from sdtui.requests import events
from sdtui.requests.events import JobEvent
from sdtui.requests.record import GenerationRecord
from sdtui.requests.request import GenerationRequest
from sdtui.tui.event_log import log_line, shown_progress
from sdtui.tui.images.halfcell import Pixels
from sdtui.tui.job_progress import ShownProgress
from sdtui.tui.mailbox import Mailbox
from sdtui.tui.messages import EventsArrived
from sdtui.tui.stagger import stagger

if TYPE_CHECKING:
    from textual.timer import Timer

    from sdtui.tui.screens.create import CreateScreen

_PACE, _PACE_OVER_SSH = 0.1, 0.5
"""Seconds between two looks into the mailbox."""

_SHORT = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}
"""Precisions as people write them."""

_OF_THE_QUEUE = (
    events.Queued,
    events.Started,
    events.Saved,
    events.Finished,
    events.Failed,
    events.Cancelled,
)


class EventPresenter:
    """Looks into the mailbox when something has come, and shows it."""

    def __init__(
        self, screen: CreateScreen, queue: JobQueue, queue_file: QueueFile, *, over_ssh: bool
    ) -> None:
        self._screen = screen
        self._queue = queue
        self._queue_file = queue_file
        self._pace = _PACE_OVER_SSH if over_ssh else _PACE
        self._mailbox = Mailbox(lambda: screen.post_message(EventsArrived()))
        self._timer: Timer | None = None
        self._keeping = False
        self._keep_again = False
        self._open_jobs: dict[str, JobProgress] = {}
        self.progress = ShownProgress()
        self.unsubscribe = queue.subscribe(self._mailbox.put)

    def submit(self, request: GenerationRequest) -> None:
        """Queue a request; what becomes of it is shown. Raises QueueFullError or
        QueueClosedError."""
        self._queue.submit(request)

    def arrived(self) -> None:
        """Something has come: look a little later, when more may have."""
        if self._timer is None:
            self._timer = self._screen.set_timer(self._pace, self._look)

    def stopping(self, job_id: str, *, after_picture: bool) -> None:
        """A job was asked to stop: say so until it has."""
        if job_id == self.progress.job:
            when = "stops after this picture" if after_picture else "stops after this step"
            self.progress = replace(self.progress, stopping=when)
            self._screen.progress_pane.show(self.progress)

    def show_queue(self) -> None:
        """Show the queue as it is, and keep it on disk."""
        self._screen.queue_pane.show(self._queue.jobs(), paused=self._queue.is_paused)
        self._keep_again = True
        if not self._keeping:
            self._screen.run_worker(self._keep(), group="queue-file")

    async def _keep(self) -> None:
        self._keeping = True
        while self._keep_again:
            self._keep_again = False
            jobs = self._queue.jobs()
            try:
                await asyncio.to_thread(self._queue_file.save, jobs)
            except OSError as error:
                self._screen.notify(
                    f"The queue can't be kept on disk: {error}", severity="warning", markup=False
                )
        self._keeping = False

    def _look(self) -> None:
        self._timer = None
        arrived = self._mailbox.take()
        for envelope in arrived:
            self._follow(envelope)
        saved = any(isinstance(each.event, events.Saved) for each in arrived)
        if saved or not self.progress.is_running:
            self._mailbox.take_preview()  # it shows less than what was saved
        stagger(
            self._screen,
            lambda: self._screen.log_pane.add([line for line in map(log_line, arrived) if line]),
            lambda: self._screen.progress_pane.show(self.progress),
            lambda: self._show_in_queue(arrived),
            self._show_preview,
        )

    def _show_in_queue(self, arrived: Iterable[JobEvent]) -> None:
        if any(isinstance(each.event, _OF_THE_QUEUE) for each in arrived):
            self.show_queue()
        running = [each for each in self._open_jobs.values() if each.is_running]
        self._screen.queue_pane.show_places(
            {each.job: shown_progress(each).place for each in running}
        )

    def _follow(self, envelope: JobEvent) -> None:
        self._show_progress(apply_event(self._open_jobs, envelope))
        screen = self._screen
        match envelope.event:
            case events.Started(seed=seed):
                request = self._queue.job(envelope.job).request
                screen.parameters.last_seed = seed
                screen.preview.begin(request.init_image)
            case events.Saved(path=path):
                screen.preview.add(Path(path))
                screen.history_pane.reload()
            case events.Loaded(model=model, device=device, dtype=dtype, memory_mode=mode):
                numbers, memory = _SHORT.get(dtype, dtype), mode.replace("_", " ")
                screen.top_bar.model = f"{model} · {device} {numbers} · {memory} memory"
            case events.Finished(record=record):
                self._tell_changes(record)
            case events.Failed(error=error, hint=hint):
                screen.show_error(error, hint)

    def _show_progress(self, progress: JobProgress) -> None:
        """Show a job's progress, unless another job that runs is shown."""
        before = self.progress
        is_same = before.job == progress.job
        if before.is_running and not is_same:
            return
        shown = shown_progress(progress)
        if is_same and shown.is_active:
            shown = replace(shown, stopping=before.stopping)
        if shown.is_active or shown.outcome is not None or shown.message:
            self.progress = shown

    def _tell_changes(self, record: GenerationRecord) -> None:
        lossy = [each.changes for each in record.attempts if not each.lossless]
        if lossy:
            self._screen.notify(
                f"Memory ran out, so the picture is not as asked: {'; '.join(lossy)}",
                severity="warning",
                markup=False,
            )

    def _show_preview(self) -> None:
        pane = self._screen.preview
        if not self.progress.is_running:
            return
        if not pane.wants_preview():
            self.arrived()
        elif preview := self._mailbox.take_preview():
            pane.show_preview(Pixels(preview.width, preview.height, preview.rgb))
