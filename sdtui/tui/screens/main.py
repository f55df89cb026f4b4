"""The main screen: what its keys and messages do is up to the controllers."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.widgets import Input, TextArea

from sdtui.core.enums import EventLevel
from sdtui.core.errors import SdtuiError
from sdtui.core.runtime import resume_garbage_collection
from sdtui.core.text import visible
from sdtui.tui.background import run_in_background, start_worker, wait_briefly
from sdtui.tui.context import AppContext
from sdtui.tui.controllers.completing import CompletionController
from sdtui.tui.controllers.connection import ConnectionController
from sdtui.tui.controllers.generation import GenerationController
from sdtui.tui.controllers.masks import MaskController
from sdtui.tui.controllers.models import ModelController
from sdtui.tui.controllers.pictures import PicturesController
from sdtui.tui.controllers.presets import PresetController
from sdtui.tui.controllers.prompt_samples import PromptSampler
from sdtui.tui.controllers.queue import QueueController
from sdtui.tui.controllers.training import TrainingController
from sdtui.tui.controllers.values import ValueController
from sdtui.tui.controllers.watching import HistoryWatcher
from sdtui.tui.downloads import DownloadEnded, DownloadProgress
from sdtui.tui.images.view import PictureView
from sdtui.tui.images.welcome import welcome
from sdtui.tui.job_progress import LogLine
from sdtui.tui.key_table import KeyChoice
from sdtui.tui.labelled_line import LabelledLine
from sdtui.tui.late_imports import import_parts
from sdtui.tui.log_file import save_log
from sdtui.tui.messages import (
    ConnectionChanged,
    HistoryRead,
    ModelKnown,
    PartsImported,
    PathPasted,
    Sampled,
    TrainingChanged,
)
from sdtui.tui.panes.gallery import Gallery
from sdtui.tui.panes.log import LogPane
from sdtui.tui.panes.pane import Pane
from sdtui.tui.panes.prompt import PromptEditor
from sdtui.tui.panes.queue import QueuePane
from sdtui.tui.screens.window import WindowScreen
from sdtui.tui.widgets.chips import ChipLine
from sdtui.tui.widgets.form_fields import FieldOpened

if TYPE_CHECKING:
    from sdtui.jobs import Job
    from sdtui.jobs.prompts import ResolvedPrompts
    from sdtui.monitor import Sample
    from sdtui.requests.request import GenerationRequest


class MainScreen(WindowScreen):
    """The window with its controllers, which implement the logic of its panes."""

    def __init__(self, context: AppContext) -> None:
        super().__init__(context)
        panes = self.panes
        self.masks = MaskController(context, self, self.window.focus_prompt)
        self.values = ValueController(
            context,
            self,
            panes,
            self.action_models,
            self.masks.draw_over_init_image_soon,
            self.action_generate,
        )
        self.generation = GenerationController(
            context, self, panes, self.window, self._submit, self.values.open_chip_soon
        )
        self.completion = CompletionController(context, self, panes.dock)
        self.samples = PromptSampler(context, self, panes.dock)
        self.presets = PresetController(context, self, panes.dock)
        self.pictures = PicturesController(
            context, self, panes, self.generation, self._stop_current, self._submit, self.masks
        )
        self.queue = QueueController(
            context, self, panes, self.top_line, self.generation, self.pictures
        )
        self.watcher = HistoryWatcher(context, self)
        self.connection_view = ConnectionController(
            context,
            self,
            self.top_line,
            panes.log,
            show_queue=self._show_queue,
            read_again=self._read_again,
        )
        self.models = ModelController(
            context,
            self,
            panes,
            self.top_line,
            self.generation.checker,
            lambda: self.queue.presenter.progress.is_running,
        )
        self.training = TrainingController(context, self, panes, self.window, self.models)

    def _stop_current(self, *, after_picture: bool) -> None:
        self.queue.stop_current(after_picture=after_picture)

    async def _submit(
        self, request: GenerationRequest, prompts: ResolvedPrompts | None = None
    ) -> Job:
        if not self.queue.presenter.progress.is_running:
            self.panes.gallery.follow()
        self.completion.read_names()  # files may have been added since
        return await self.queue.submit(request, prompts)

    def on_mount(self) -> None:
        """Restore the form. Everything else waits until the window is visible."""
        self.generation.restore()
        self._show_welcome()
        self.call_later(self._open_panes)

    async def _open_panes(self) -> None:
        if not self.is_attached:  # the app is ending already
            return
        await asyncio.gather(*(pane.open() for pane in self.query(Pane)))
        self.context.keep_saving()
        self.app.call_later(self.context.take_keys)
        run_in_background(self, import_parts)

    @on(PartsImported)
    def _begin(self) -> None:
        """Called when the window is visible: open the backend, and read the disk."""
        if not self.is_attached:
            return
        resume_garbage_collection()
        self.generation.checker.begin()
        self.presets.begin()
        self.completion.begin()
        self.samples.begin()
        self.context.recipe.subscribe(self._recipe_changed)
        try:
            self.queue.presenter.show_queue()
        except SdtuiError as error:
            self.context.give_up(error)
            return
        if note := self.context.colours_note:
            self.panes.log.add([LogLine(time.time(), EventLevel.INFO, note)])
        self.connection_view.begin()
        self._read_again()
        hardware = self.context.backend.hardware
        hardware.start(self._take_sample)
        self.watch(self.app, "app_focus", self.watcher.focus_changed, init=False)
        start_worker(self, self.queue.offer_orphaned)
        start_worker(self, self.masks.remove_unused)

    def _show_queue(self) -> None:
        self.queue.presenter.show_queue()

    def _read_again(self) -> None:
        """Read what the backend says of the model and of its pictures."""
        self.models.describe()
        self.pictures.read()

    def _take_sample(self, sample: Sample) -> None:
        """Called on the monitor's thread."""
        self.post_message(Sampled(sample))
        self.watcher.check()

    def _show_welcome(self) -> None:
        budget, recommended = self.models.memory_budget, None
        if budget is not None:
            from sdtui.models import recommend_download

            recommended = recommend_download(budget)
        model = self.context.recipe["model"]
        self.panes.stage.welcome(welcome(model, self.keys_shown, recommended))

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "verb":
            return self.pictures.can_perform(str(parameters[0]))
        if action == "back":
            return self.focused is not self.panes.dock.prompt
        if action in ("cancel", "stop_after"):
            return self.queue.can_stop
        return super().check_action(action, parameters)

    async def action_generate(self) -> None:
        check = partial(
            self.generation.check_and_generate, self.context.recipe.texts, self.models.find_problems
        )
        await wait_briefly(start_worker(self, check))

    def _ask_for_grid(self) -> None:
        if (request := self.generation.current_request()) is not None:
            self.pictures.grids.ask("the recipe", request)

    def action_undo(self) -> None:
        self.generation.undo()

    def action_redo(self) -> None:
        self.generation.redo()

    def action_editor(self) -> None:
        self.generation.edit_prompt()

    def action_models(self) -> None:
        self.models.choose()

    def action_training(self) -> None:
        self.training.open()

    def action_cancel(self) -> None:
        """Copy what is selected in the text with the focus, or else stop the job."""
        text = self.focused
        if isinstance(text, TextArea | Input) and text.selected_text:
            text.action_copy()
        else:
            self.queue.stop_current(after_picture=False)

    def action_stop_after(self) -> None:
        self.queue.stop_current(after_picture=True)

    def action_details(self) -> None:
        self.queue.show_last_details()

    async def action_full_screen(self) -> None:
        await self.pictures.perform("open")

    async def action_verb(self, verb: str) -> None:
        if verb == "trash_view":
            self.window.show_tab("gallery")
        await self.pictures.perform(verb)

    def action_search(self) -> None:
        self.window.show_tab("gallery")
        self.panes.gallery.focus_search()

    def action_settings(self) -> None:
        from sdtui.tui.screens.settings import SettingsScreen

        self.app.push_screen(SettingsScreen(self.context.settings, self.context.editor.edit_file))

    def action_jump(self) -> None:
        from sdtui.tui.screens.which_key import show_choices

        places = [
            *self.window.places(),
            (KeyChoice("slash", "Search"), self.action_search),
            (KeyChoice("question_mark", "Keys"), self.context.show_keys),
            (KeyChoice("u", "Reading"), self.show_reading),
            (KeyChoice("T", "Training"), self.action_training),
            *self.values.places(),
            (KeyChoice("p", "Preset", "Change"), self.presets.open_soon),
            (KeyChoice("v", "Grid", "Change"), self._ask_for_grid),
        ]
        show_choices(self.context, "Go to", places, self.panes.dock.size.height + 1)

    # Messages of panes and widgets

    @on(FieldOpened)
    def _field_opened(self, event: FieldOpened) -> None:
        self.values.open_row(event.field)

    @on(ChipLine.Opened)
    def _chip_opened(self, event: ChipLine.Opened) -> None:
        self.values.open_chip(event.field)

    @on(ChipLine.PresetOpened)
    async def _preset_opened(self) -> None:
        await self.presets.open()

    @on(PromptEditor.Submitted)
    async def _prompt_submitted(self) -> None:
        await self.action_generate()

    @on(PromptEditor.Explained)
    def show_reading(self) -> None:
        """Show what is understood of the prompt with the focus."""
        reading = self.panes.dock.reading()
        if reading is None:
            self.context.notify("This model takes prompts as they are written.")
            return
        from sdtui.models import reading_lines
        from sdtui.tui.screens.dialogs import TextScreen

        sample = self.panes.dock.sample()
        lines = [LabelledLine("Example", visible(sample))] if sample else []
        lines += [LabelledLine(label, visible(text)) for label, text in reading_lines(reading)]
        title = "How the prompt is read"
        self.context.push_screen(TextScreen(title, lines, self.context.copy))

    @on(PathPasted)
    def _path_pasted(self, event: PathPasted) -> None:
        start_worker(self, partial(self.generation.take_pasted_picture, event))

    def _recipe_changed(self, fields: frozenset[str]) -> None:
        self.models.follow_recipe(fields)

    @on(QueuePane.ActionRequested)
    def _queue_action(self, event: QueuePane.ActionRequested) -> None:
        self.queue.perform(event.action, event.job)

    @on(LogPane.Save)
    def _save_log(self) -> None:
        save_log(self.context, self.panes.log.text)

    @on(Gallery.Moved)
    def _picture_moved(self, event: Gallery.Moved) -> None:
        self.pictures.show_moved(event.entry)

    @on(PictureView.Failed)
    async def _picture_failed(self, event: PictureView.Failed) -> None:
        await self.pictures.show_failed(event.picture, event.error)

    @on(Gallery.Selected)
    def _picture_selected(self, event: Gallery.Selected) -> None:
        self.pictures.show_selected(event.entry, event.record)

    @on(Gallery.Opened)
    async def _picture_opened(self) -> None:
        await self.action_full_screen()

    # Messages from other threads

    @on(ModelKnown)
    def _model_known(self, event: ModelKnown) -> None:
        self.models.show_known(event)

    @on(DownloadProgress)
    def _downloading(self, event: DownloadProgress) -> None:
        self.models.show_download(event)

    @on(DownloadEnded)
    def _downloaded(self, event: DownloadEnded) -> None:
        self.models.finish_download(event)

    @on(HistoryRead)
    def _history_read(self, event: HistoryRead) -> None:
        self.pictures.show_refreshed(event.problem)

    @on(ConnectionChanged)
    def _connection_changed(self) -> None:
        self.connection_view.follow()
        connection = self.context.backend.connection
        if connection is not None and connection.status.is_connected:
            self.models.use_default()
        self.training.look()

    @on(TrainingChanged)
    def _training_changed(self) -> None:
        self.training.look()

    @on(Sampled)
    def _sampled(self, event: Sampled) -> None:
        first = self.top_line.sample is None
        self.top_line.sample = event.sample
        if first and self.panes.stage.is_welcoming:
            self._show_welcome()
