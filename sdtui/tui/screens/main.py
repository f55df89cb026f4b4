"""The main screen: what one pane asks for is carried to the others, to the queue and to disk."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text
from textual import on, work

from sdtui.core import paths
from sdtui.core.errors import SdtuiError
from sdtui.core.files import write_atomic
from sdtui.core.job_state import JobState
from sdtui.core.text import one_line
from sdtui.tui.background import import_parts, read_history, run_in_background
from sdtui.tui.images.welcome import welcome
from sdtui.tui.messages import EventsArrived, HistoryRead, PartsImported, Sampled, ValueOpened
from sdtui.tui.panes.history import HistoryPane
from sdtui.tui.panes.log import LogPane
from sdtui.tui.panes.pane import Pane
from sdtui.tui.panes.preview import PreviewPane
from sdtui.tui.panes.queue import QueuePane
from sdtui.tui.screens.create import CreateScreen
from sdtui.tui.stagger import stagger

_UNDISTURBED = 1.5
"""Seconds without a key after which a question may come up by itself."""

if TYPE_CHECKING:
    from sdtui.jobs import Job, QueueFile
    from sdtui.monitor import Sample
    from sdtui.requests.record import GenerationRecord
    from sdtui.requests.request import GenerationRequest


class MainScreen(CreateScreen):
    """The window at work."""

    def on_mount(self) -> None:
        """Bring back the form; all else waits until the window is seen."""
        defaults = self.app.settings.request_defaults()
        self.fill({name: str(value) for name, value in defaults.items()})
        self.fill(self.parameters.without_unknown_choices(self.app.state.form))
        self.remember_prompts()
        self.parameters.last_seed = self.app.state.last_seed
        self.sizes.shares = dict(self.app.state.sizes)
        self._show_welcome()
        self.call_later(self._open_panes)

    async def _open_panes(self) -> None:
        if not self.is_attached:  # the app is ending already
            return
        await asyncio.gather(*(pane.open() for pane in self.query(Pane)))
        self.app.call_later(self.app.take_keys)
        run_in_background(self, import_parts)

    @on(PartsImported)
    def _begin(self) -> None:
        """The window is seen: open the desk and look what lies on disk."""
        if not self.is_attached:
            return
        if not gc.isenabled():  # turned off for the start; what is there now stays
            gc.freeze()
            gc.enable()
        self.app.keep_saving()
        self.parameters.check()
        try:
            self.presenter.show_queue()
        except SdtuiError as error:
            self.app.give_up(error)
            return
        self._look_at_model()
        self.metadata_pane.have_record()
        self.history_pane.reload()
        history = self.services.history
        run_in_background(self, lambda: read_history(history))
        self.services.monitor.start(lambda sample: self.post_message(Sampled(sample)))
        self.offer_orphaned()

    # What comes from other threads

    @on(EventsArrived)
    def _events_arrived(self) -> None:
        self.presenter.arrived()

    @on(Sampled)
    def _sampled(self, event: Sampled) -> None:
        stagger(
            self,
            partial(self._show_memory_budget, event.sample),
            partial(self.memory.show, event.sample),
        )

    def _show_memory_budget(self, sample: Sample) -> None:
        first = self.top_bar.sample is None
        self.top_bar.sample = sample
        if first and self.preview.is_welcoming:
            self._show_welcome()

    @on(HistoryRead)
    def _history_read(self, event: HistoryRead) -> None:
        if event.problem:
            self.notify(event.problem, severity="warning", markup=False)
        self.history_pane.reload()

    # What the keys do everywhere

    def action_cancel(self) -> None:
        """Stop the running job now."""
        self._stop(after_picture=False)

    def action_stop_after(self) -> None:
        """Stop the running job after the picture that is being made."""
        self._stop(after_picture=True)

    def _stop(self, *, after_picture: bool) -> None:
        queue, begun = self.services.queue, {JobState.RUNNING, JobState.CANCELLING}
        if not (after_picture or queue.is_paused):
            begun.add(JobState.QUEUED)  # it is about to begin
        running = [job.id for job in queue.jobs() if job.state in begun]
        shown = self.presenter.progress
        target = running[0] if running else shown.job if shown.is_active else ""
        if target:
            self.stop(target, after_picture=after_picture)
        else:
            self.notify("Nothing is being made.", timeout=3, markup=False)

    def stop(self, job_id: str, *, after_picture: bool) -> None:
        """Stop a job, and say that it will end."""
        self.services.queue.cancel(job_id, after_picture=after_picture)
        self.presenter.stopping(job_id, after_picture=after_picture)
        self.presenter.show_queue()

    def action_settings(self) -> None:
        """Every setting, its value and its source."""
        from sdtui.tui.screens.settings import SettingsScreen

        self.app.push_screen(SettingsScreen(self.app.settings))

    def action_details(self) -> None:
        """All that is known of the job that runs or ran last."""
        jobs = [job for job in self.services.queue.jobs() if job.state is not JobState.QUEUED]
        if jobs:
            self._show_job(jobs[0])
        else:
            self.notify("No job has begun yet.", timeout=3)

    def _show_job(self, job: Job) -> None:
        from sdtui.tui.job_details import job_details
        from sdtui.tui.screens.dialogs import TextScreen

        self.app.push_screen(TextScreen(one_line(job.request.prompt), job_details(job)))

    @work
    async def action_full_screen(self) -> None:
        """The picture on the whole screen, also while it forms."""
        from sdtui.tui.screens.picture import PictureScreen

        preview, follows = self.preview, self.presenter.progress.is_running
        if not preview.paths and not follows:
            self.notify("There is no picture to show yet.", timeout=3, markup=False)
            return
        preview.viewer = PictureScreen(
            preview.paths,
            preview.init_image,
            self.app.drawn_by,
            preview.index or 0,
            follows=follows,
        )
        await self.app.push_screen_wait(preview.viewer)
        preview.viewer = None

    # What panes ask for

    @on(PreviewPane.FullScreen)
    def _full_screen(self) -> None:
        self.action_full_screen()

    @on(QueuePane.ActionRequested)
    def _queue_action(self, event: QueuePane.ActionRequested) -> None:
        queue, job = self.services.queue, event.job
        if event.action == "pause":
            (queue.resume if queue.is_paused else queue.pause)()
        elif job is None:
            self.notify("The queue is empty.", timeout=3)
        elif event.action == "reuse":
            seed = job.request.seed if job.seed is None else job.seed
            self.use_request(job.request.model_copy(update={"seed": seed}))
        elif event.action == "details":
            self._show_job(job)
        elif event.action == "save_again":
            self._save_again(job)
        elif job.state.is_over:
            self.notify("This job is over.", timeout=3)
        elif event.action == "remove":
            self.stop(job.id, after_picture=False)
        elif event.action == "stop_after":
            self.stop(job.id, after_picture=True)
        else:
            self._move(job, -1 if event.action == "earlier" else 1)
        self.presenter.show_queue()

    def _move(self, job: Job, by: int) -> None:
        queue = self.services.queue
        waiting = [each.id for each in queue.jobs() if each.state is JobState.QUEUED]
        if job.id in waiting:
            queue.move(job.id, waiting.index(job.id) + by)
        else:
            self.notify("This job is being made; only those that wait can be moved.", timeout=3)

    @work
    async def _save_again(self, job: Job) -> None:
        """What there was no room for on the disk is still in memory."""
        try:
            saved = await asyncio.to_thread(self.services.queue.save_again, job.id)
        except SdtuiError as error:
            self.show_error(error.what, error.hint)
            return
        if saved:
            self.preview.show_paths([Path(path) for path in saved])
            self.history_pane.reload()
            self.notify(f"Saved: {', '.join(saved)}")
        else:
            self.notify("Nothing of this job is left to be saved.", timeout=3)

    @on(LogPane.Copy)
    def _copy_log(self) -> None:
        self.app.copy(self.log_pane.text, "The log")

    @on(LogPane.Save)
    def _save_log(self) -> None:
        file = paths.state_folder() / f"log-{time.strftime('%Y%m%d-%H%M%S')}.txt"
        try:
            write_atomic(file, self.log_pane.text.encode())
        except OSError as error:
            self.notify(f"The log can't be saved: {error}", severity="error")
        else:
            self.notify(f"The log is in {file}")

    @on(HistoryPane.Selected)
    def _history_selected(self, event: HistoryPane.Selected) -> None:
        self.metadata_pane.show(event.entry.path if event.entry else None, event.record)

    @on(ValueOpened)
    def _value_opened(self, event: ValueOpened) -> None:
        from sdtui.tui.screens.dialogs import TextScreen

        self.app.push_screen(TextScreen("Metadata", Text(event.value)))

    @on(HistoryPane.ActionRequested)
    def _history_action(self, event: HistoryPane.ActionRequested) -> None:
        request, entry = event.record.request, event.entry
        match event.action:
            case "show":
                self.preview.show_kept(entry.path, request.init_image)
                self.go_to_tab("create")
            case "reuse":
                self.use_request(seeded_request(event.record))
            case "vary":
                self.use_request(request, keep_seed=False)
            case "init_image":
                self.parameters.fill({"init_image": str(entry.path)})
                self.go_to_tab("create")
            case "copy_path":
                self.app.copy(str(entry.path), "The path")
            case "copy_prompt":
                self.app.copy(entry.prompt, "The prompt")
            case "copy_json":
                from sdtui.tui.widgets.metadata_tree import as_json

                self.app.copy(as_json(event.record), "The metadata")

    @on(HistoryPane.Compare)
    @work
    async def _compare(self, event: HistoryPane.Compare) -> None:
        from sdtui.tui.screens.picture import CompareScreen

        history = self.services.history
        pair = (event.first, event.second)
        try:
            records = [await asyncio.to_thread(history.record, entry) for entry in pair]
        except SdtuiError as error:
            self.show_error(error.what, error.hint)
            return
        first, second = ((entry.path, each) for entry, each in zip(pair, records, strict=True))
        screen = CompareScreen(first, second, self.app.drawn_by)
        chosen = await self.app.push_screen_wait(screen)
        if chosen is not None:
            self.use_request(seeded_request(chosen))

    @on(HistoryPane.TagsWanted)
    @work
    async def _ask_tags(self, event: HistoryPane.TagsWanted) -> None:
        from sdtui.tui.screens.dialogs import AskScreen

        now = " ".join(event.entry.tags)
        title = "Tags" + (f" (now: {now})" if now else "")
        text = await self.app.push_screen_wait(AskScreen(title, hint="cat garden -dog"))
        if text:
            await self.history_pane.add_tags(event.entry, text)

    @work
    async def offer_orphaned(self) -> None:
        """After a crash or a lost connection: go on with what was in the queue?"""
        from sdtui.tui.screens.dialogs import OrphanedJobsScreen

        queue_file = self.services.queue_file
        jobs = _unfinished(queue_file.orphaned())
        if not jobs:
            queue_file.forget_orphaned()
            return
        while (pause := _UNDISTURBED - self.app.silence) > 0:
            await asyncio.sleep(pause)
        pictures = sum(job.request.num_images_per_prompt for job in jobs)
        count = f"{pictures} pictures were" if pictures > 1 else "A picture was"
        prompts = one_line(jobs[0].request.prompt)
        if len(jobs) > 1:
            prompts += f" … and {len(jobs) - 1} more"
        question = f"{count} still in the queue when sdtui ended: {prompts}"
        wanted = await self.app.push_screen_wait(OrphanedJobsScreen(question))
        if wanted:
            await self._go_on(queue_file)
        elif wanted is not None:
            queue_file.forget_orphaned()

    async def _go_on(self, queue_file: QueueFile) -> None:
        try:
            left = await asyncio.to_thread(queue_file.take_over, self.services.queue.jobs())
        except OSError as error:
            told = f"What was left behind can't be taken over: {error}"
            self.notify(told, severity="error", markup=False)
            return
        jobs = _unfinished(left)
        if not jobs:
            self.notify("Another sdtui has gone on with it already.")
        self.services.queue.restore(jobs)

    def _show_welcome(self) -> None:
        keys = self.keys_shown
        generate, models = keys.get("window.generate", ""), keys.get("window.models", "")
        budget, large = self.memory_budget, None
        if budget is not None:
            from sdtui.tui.model_fit import recommend_download

            large = recommend_download(budget)
        model = self.parameters.texts["model"]
        self.preview.welcome(welcome(model, generate, models, large))


def _unfinished(jobs: Iterable[Job]) -> list[Job]:
    """What is still to be made of jobs that were left behind."""
    left = [job.remaining() for job in jobs]
    return [job for job in left if job is not None]


def seeded_request(record: GenerationRecord) -> GenerationRequest:
    """What to ask for to get this one picture again."""
    changes = {"seed": record.seed, "num_images_per_prompt": 1}
    return record.request.model_copy(update=changes)
