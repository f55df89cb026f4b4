"""The main screen: what one pane asks for is carried to the others, to the queue and to disk."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on, work

from sdtui.core import paths
from sdtui.core.errors import InvalidRequestError, SdtuiError
from sdtui.core.files import write_whole
from sdtui.core.request import DType, GenerationRequest, MemoryMode
from sdtui.core.settings import load_settings
from sdtui.core.text import one_line
from sdtui.jobs import JobState
from sdtui.tui.actions import check_keymap
from sdtui.tui.beside import beside, look_at_model, read_history
from sdtui.tui.desk import Desk
from sdtui.tui.fields import form_texts, parse_form
from sdtui.tui.live import LiveEvents
from sdtui.tui.messages import EventsArrived, HistoryRead, ModelKnown, Sampled
from sdtui.tui.screens.dialogs import AskScreen, ChooseScreen, ConfirmScreen
from sdtui.tui.screens.files import FileScreen
from sdtui.tui.screens.models import ModelScreen
from sdtui.tui.screens.picture import CompareScreen, PictureScreen
from sdtui.tui.screens.window import WindowScreen
from sdtui.tui.welcome import welcome
from sdtui.tui.widgets.form_fields import ChoiceField, FieldOpened
from sdtui.tui.widgets.history import HistoryPane
from sdtui.tui.widgets.log import LogPane
from sdtui.tui.widgets.metadata import as_json
from sdtui.tui.widgets.parameters import ParametersPane
from sdtui.tui.widgets.preview import PreviewPane
from sdtui.tui.widgets.queue import QueuePane

if TYPE_CHECKING:
    from sdtui.tui.app import SdtuiApp


class MainScreen(WindowScreen):
    """The window at work."""

    app: SdtuiApp

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.live = LiveEvents(self, desk.queue, desk.queue_file, over_ssh=desk.over_ssh)
        self._model = ""

    def on_mount(self) -> None:
        """Bring back the form, then look at what lies on disk."""
        defaults = self.desk.settings.request_defaults()
        self.fill({name: str(value) for name, value in defaults.items()})
        self.fill(self.app.state.form)
        self.prompt.editor.remember(self.app.state.prompts)
        self._show_welcome()
        self.live.show_queue()
        self.history_pane.reload()
        self.call_after_refresh(self._look_around)

    def _look_around(self) -> None:
        """What may take a while, once the window is seen."""
        if not gc.isenabled():  # turned off for the start; what is there now stays
            gc.freeze()
            gc.enable()
        self._look_at_model()
        history = self.desk.history
        beside(self, lambda: read_history(history))
        self.desk.monitor.start(lambda sample: self.post_message(Sampled(sample)))
        self.offer_left_behind()

    # The form

    @property
    def texts(self) -> dict[str, str]:
        """Everything that is written in the form."""
        return {
            "prompt": self.prompt.text,
            "negative_prompt": self.negative.text,
            **self.parameters.texts,
        }

    def fill(self, texts: Mapping[str, str]) -> None:
        """Write into the form; what `texts` doesn't name stays."""
        for pane in (self.prompt, self.negative):
            if pane.field in texts:
                pane.text = texts[pane.field]
        self.parameters.fill(texts)

    def use_request(self, request: GenerationRequest, *, keep_seed: bool = True) -> None:
        """Bring a request's settings into the form."""
        texts = form_texts(request)
        if not keep_seed:
            texts["seed"] = ""
        self.fill(texts)
        self.go_to_room("create")
        self.set_focus(self.prompt.editor)

    def action_generate(self) -> None:
        """Queue what the form asks for, once the focused editor has taken in the keys before."""
        (self.focused or self).call_later(self._generate)

    def _generate(self) -> None:
        """Queue what the form asks for, or go to what is wrong with it."""
        try:
            request = parse_form(self.texts)
            self.desk.queue.submit(request)
        except InvalidRequestError as error:
            problems = {problem.field: problem.message for problem in error.problems}
            if not self.parameters.focus_problem(problems):
                self.set_focus(self.prompt.editor)
            self.notify(str(error), severity="error", markup=False)
            return
        except SdtuiError as error:
            self.tell_error(error.what, error.mend)
            return
        self.app.state = self.app.state.with_prompt(request.prompt)
        self.prompt.editor.remember(self.app.state.prompts)
        self.app.save()

    def tell_error(self, what: str, mend: str) -> None:
        """One readable line; the log has it too."""
        self.notify(str(SdtuiError(what, mend)), severity="error", timeout=12, markup=False)

    # Models

    @on(ParametersPane.Changed)
    def _parameters_changed(self) -> None:
        if self.parameters.texts["model"] != self._model:
            self._look_at_model()

    def _look_at_model(self) -> None:
        self._model = model = self.parameters.texts["model"]
        settings = self.desk.settings
        if not self.live.progress.is_running:
            self.top_bar.model = model
        beside(self, lambda: look_at_model(model, settings))

    @on(ModelKnown)
    def _model_known(self, event: ModelKnown) -> None:
        if event.model != self._model:
            return
        for pane in (self.prompt, self.negative):
            pane.use_counters(event.counters)
        if event.description is not None:
            self.parameters.use_native(event.description.native)
            self._load(event.model)
        if event.problem:
            self.notify(event.problem, severity="warning", markup=False)

    def _load(self, model: str) -> None:
        """Have the model ready by the time it is needed."""
        texts = self.parameters.texts
        self.desk.queue.load(model, DType(texts["dtype"]), MemoryMode(texts["memory_mode"]))

    # What comes from other threads

    @on(EventsArrived)
    def _events_arrived(self) -> None:
        self.live.arrived()

    @on(Sampled)
    def _sampled(self, event: Sampled) -> None:
        self.top_bar.sample = event.sample
        self.memory.show(event.sample)

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
        now = self.live.progress
        target = now.job if now.is_running else now.loading
        if not target:
            self.notify("Nothing is being made.", timeout=3, markup=False)
            return
        self.desk.queue.cancel(target, after_picture=after_picture)
        self.live.show_queue()

    def action_editor(self) -> None:
        """The prompt that has the focus, or the first, in $EDITOR."""
        pane = self.negative if self.focused is self.negative.editor else self.prompt
        text = self.app.edit(pane.text)
        if text is not None:
            pane.text = text

    def action_edit_config(self) -> None:
        """The config file in $EDITOR; then say what is wrong with it."""
        file = paths.config_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        if self.app.edit_file(file):
            try:
                check_keymap(load_settings(file).keys)
            except SdtuiError as error:
                self.tell_error(error.what, error.mend)
            else:
                self.notify("The config file is right. It counts from the next start.")

    def action_full_screen(self) -> None:
        """The picture on the whole screen."""
        preview = self.preview
        if preview.paths:
            self.app.push_screen(
                PictureScreen(
                    preview.paths, preview.init_image, self.desk.drawn_by, preview.index or 0
                )
            )
        else:
            self.notify("There is no finished picture to show yet.", timeout=3, markup=False)

    @work
    async def action_models(self) -> None:
        """Choose a model, or download one."""
        screen = ModelScreen(self.desk.settings, self.parameters.texts["model"], self._free_memory)
        chosen = await self.app.push_screen_wait(screen)
        if chosen is not None:
            self.parameters.fill({"model": chosen})

    @property
    def _free_memory(self) -> int:
        sample = self.top_bar.sample
        if sample is None:
            return 0
        _, used, total, own = sample.memory
        return total - used + (own or 0)

    # What panes ask for

    @on(PreviewPane.FullScreen)
    def _full_screen(self) -> None:
        self.action_full_screen()

    @on(FieldOpened)
    def _field_opened(self, event: FieldOpened) -> None:
        if event.field == "model":
            self.action_models()
        else:
            self._choose(event.field)

    @work
    async def _choose(self, name: str) -> None:
        field = self.parameters.fields[name]
        if isinstance(field, ChoiceField):
            screen = ChooseScreen(field.spec.label, field.choices, field.text)
        else:
            start = (
                Path(field.text).expanduser().parent if field.text else self.desk.history.pictures
            )
            screen = FileScreen(start)
        chosen = await self.app.push_screen_wait(screen)
        if chosen is not None:
            field.text = chosen

    @on(QueuePane.Wished)
    def _queue_wished(self, event: QueuePane.Wished) -> None:
        queue, job = self.desk.queue, event.job
        if event.wish == "pause":
            (queue.resume if queue.is_paused else queue.pause)()
        elif job is None:
            return
        elif event.wish == "reuse":
            self.use_request(job.request)
        elif event.wish == "remove":
            queue.cancel(job.id)
        elif event.wish == "stop_after":
            queue.cancel(job.id, after_picture=True)
        else:
            waiting = [each.id for each in queue.jobs() if each.state is JobState.QUEUED]
            if job.id in waiting:
                place = waiting.index(job.id) + (-1 if event.wish == "earlier" else 1)
                queue.move(job.id, place)
        self.live.show_queue()

    @on(LogPane.Copy)
    def _copy_log(self) -> None:
        self.app.copy(self.log_pane.text, "The log")

    @on(LogPane.Save)
    def _save_log(self) -> None:
        file = paths.state_folder() / f"log-{time.strftime('%Y%m%d-%H%M%S')}.txt"
        write_whole(file, self.log_pane.text.encode())
        self.notify(f"The log is in {file}", markup=False)

    @on(HistoryPane.Selected)
    def _history_selected(self, event: HistoryPane.Selected) -> None:
        self.selected.show(event.entry.path if event.entry else None, event.record)

    @on(HistoryPane.Wished)
    def _history_wished(self, event: HistoryPane.Wished) -> None:
        request, entry = event.record.request, event.entry
        seeded = request.model_copy(update={"seed": event.record.seed, "num_images_per_prompt": 1})
        match event.wish:
            case "show":
                self.preview.begin(request.init_image)
                self.preview.show_paths((entry.path,))
                self.go_to_room("create")
            case "reuse":
                self.use_request(seeded)
            case "vary":
                self.use_request(request, keep_seed=False)
            case "init_image":
                self.parameters.fill({"init_image": str(entry.path)})
                self.go_to_room("create")
            case "copy_path":
                self.app.copy(str(entry.path), "The path")
            case "copy_prompt":
                self.app.copy(entry.prompt, "The prompt")
            case "copy_json":
                self.app.copy(as_json(event.record), "The metadata")

    @on(HistoryPane.Compare)
    @work
    async def _compare(self, event: HistoryPane.Compare) -> None:
        history = self.desk.history
        pair = (event.first, event.second)
        try:
            records = [await asyncio.to_thread(history.record, entry) for entry in pair]
        except SdtuiError as error:
            self.tell_error(error.what, error.mend)
            return
        first, second = ((entry.path, each) for entry, each in zip(pair, records, strict=True))
        self.app.push_screen(CompareScreen(first, second, self.desk.drawn_by))

    @on(HistoryPane.TagsWanted)
    @work
    async def _ask_tags(self, event: HistoryPane.TagsWanted) -> None:
        now = " ".join(event.entry.tags)
        title = "Tags" + (f" (now: {now})" if now else "")
        text = await self.app.push_screen_wait(AskScreen(title, hint="cat garden -dog"))
        if text:
            self.history_pane.add_tags(event.entry, text)

    @work
    async def offer_left_behind(self) -> None:
        """After a crash or a lost connection: go on with what was in the queue?"""
        jobs = self.desk.queue_file.left_behind()
        if not jobs:
            return
        count = f"{len(jobs)} pictures were" if len(jobs) > 1 else "A picture was"
        question = (
            f"{count} still in the queue when sdtui ended: {one_line(jobs[0].request.prompt)}"
        )
        screen = ConfirmScreen("Go on?", question, "Go on", "Forget them")
        wanted = await self.app.push_screen_wait(screen)
        self.desk.queue_file.forget_left_behind()
        for job in jobs if wanted else ():
            self.desk.queue.submit(job.request, job.output)

    def _show_welcome(self) -> None:
        keys = {
            active.binding.id: self.app.get_key_display(active.binding)
            for active in reversed(self.active_bindings.values())
        }
        generate, models = keys.get("window.generate", ""), keys.get("window.models", "")
        self.preview.welcome(welcome(self.parameters.texts["model"], generate, models))
