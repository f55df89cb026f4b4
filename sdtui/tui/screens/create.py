"""The form at work: it is filled, checked, counted by its model, and queued."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from textual import on, work

from sdtui.core.enums import UNKNOWN_MODEL, DType, MemoryMode
from sdtui.core.errors import InvalidRequestError, SdtuiError
from sdtui.core.paths import expanded
from sdtui.tui.background import look_at_model, run_in_background
from sdtui.tui.downloads import DownloadEnded, DownloadProgress, Downloads
from sdtui.tui.fields import form_texts, label_of, parse_form
from sdtui.tui.messages import ModelKnown
from sdtui.tui.panes.parameters import ParametersPane
from sdtui.tui.screens.window import WindowScreen
from sdtui.tui.widgets.form_fields import ChoiceField, FieldOpened

if TYPE_CHECKING:
    from textual.widget import Widget

    from sdtui.requests.request import GenerationRequest
    from sdtui.tui.app import SdtuiApp
    from sdtui.tui.event_presenter import EventPresenter
    from sdtui.tui.model_fit import MemoryBudget
    from sdtui.tui.screens.models import ModelScreen
    from sdtui.tui.services import AppServices


_HEAD_START_SECONDS = 1.0
"""Seconds that the monitor gets at most for its first look before a model is loaded."""


class CreateScreen(WindowScreen):
    """The window with a form that works."""

    app: SdtuiApp

    def __init__(self, *, drawn_by: type[Widget] | None, over_ssh: bool) -> None:
        super().__init__(drawn_by=drawn_by, over_ssh=over_ssh)
        self.downloads = Downloads(self)
        self._chooser: ModelScreen | None = None
        self._model: str | None = None
        """What was looked at last; nothing before the window is seen."""

    @property
    def services(self) -> AppServices:
        """What the app works with."""
        return self.app.services

    @cached_property
    def presenter(self) -> EventPresenter:
        """Shows what happens in the queue."""
        from sdtui.tui.event_presenter import EventPresenter

        services = self.services
        return EventPresenter(self, services.queue, services.queue_file, over_ssh=self.app.over_ssh)

    @property
    def memory_budget(self) -> MemoryBudget | None:
        """The memory that a model can have; None until the monitor has looked."""
        sample = self.top_bar.sample
        if sample is None:
            return None
        from sdtui.tui.model_fit import MemoryBudget

        return MemoryBudget.of(sample, self.app.settings.device)

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
        if request.model == UNKNOWN_MODEL:
            del texts["model"]
            self.notify("The picture doesn't say what model made it: the form's is kept.")
        self.fill(texts)
        self.go_to_tab("create")
        self.set_focus(self.prompt.editor)

    def action_generate(self) -> None:
        """Queue what the form asks for, or go to what is wrong with it."""
        try:
            request = parse_form(self.texts)
            self.presenter.submit(request)
        except InvalidRequestError as error:
            problems = {problem.field: problem.message for problem in error.problems}
            if not self.parameters.focus_problem(problems):
                self.set_focus(self.prompt.editor)
            told = [f"{label_of(each.field)}: {each.message}" for each in error.problems]
            self.notify("; ".join(told), severity="error", markup=False)
            return
        except SdtuiError as error:
            self.show_error(error.what, error.hint)
            return
        self.app.state = self.app.state.with_prompts(request.prompt, request.negative_prompt)
        self.remember_prompts()
        self.app.save()

    def remember_prompts(self) -> None:
        """Have both editors bring back what was written before."""
        self.prompt.editor.remember(self.app.state.prompts)
        self.negative.editor.remember(self.app.state.negative_prompts)

    def action_editor(self) -> None:
        """The prompt that has the focus, or the first, in $EDITOR."""
        pane = self.negative if self.focused is self.negative.editor else self.prompt
        text = self.app.edit(pane.text)
        if text is not None:
            pane.text = text

    def show_error(self, what: str, hint: str) -> None:
        """One readable line; the log has it too."""
        self.notify(str(SdtuiError(what, hint)), severity="error", timeout=12, markup=False)

    @on(FieldOpened)
    def _field_opened(self, event: FieldOpened) -> None:
        if event.field == "model":
            self.action_models()
        else:
            self._choose(event.field)

    @work
    async def _choose(self, name: str) -> None:
        from sdtui.tui.screens.dialogs import ChooseScreen
        from sdtui.tui.screens.files import FileScreen

        field = self.parameters.fields[name]
        if isinstance(field, ChoiceField):
            screen = ChooseScreen(field.spec.label, field.choices, field.text)
        else:
            start = expanded(field.text).parent if field.text else self.services.history.pictures
            screen = FileScreen(start)
        chosen = await self.app.push_screen_wait(screen)
        if chosen is not None:
            field.text = chosen

    # Models

    @on(ParametersPane.Changed)
    def _parameters_changed(self) -> None:
        if self._model not in (None, self.parameters.texts["model"]):
            self._look_at_model()

    def _look_at_model(self) -> None:
        self._model = model = self.parameters.texts["model"]
        settings, monitor = self.app.settings, self.services.monitor
        if not self.presenter.progress.is_running:
            self.top_bar.model = model

        def look() -> ModelKnown:
            known = look_at_model(model, settings)
            # Then torch is loaded. While the system loads two libraries at a time, the thread that
            # waits for the other keeps Python's lock, and no key does anything.
            monitor.has_looked.wait(_HEAD_START_SECONDS)
            return known

        run_in_background(self, look)

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
        self.services.queue.load(model, DType(texts["dtype"]), MemoryMode(texts["memory_mode"]))

    @work
    async def action_models(self) -> None:
        """Choose a model, or download one."""
        from sdtui.tui.screens.models import ModelScreen

        if self._chooser is not None:  # the palette opened over it
            return
        texts, budget = self.parameters.texts, self.memory_budget
        dtype = DType(texts["dtype"])
        screen = ModelScreen(self.app.settings, texts["model"], budget, dtype, self.downloads)
        self._chooser = screen
        chosen = await self.app.push_screen_wait(screen)
        self._chooser = None
        if chosen is not None:
            self.parameters.fill({"model": chosen})

    @on(DownloadProgress)
    def _downloading(self, event: DownloadProgress) -> None:
        self.downloads.follow(event)
        self.top_bar.download = self.downloads.share
        if self._chooser is not None:
            self._chooser.show_download()

    @on(DownloadEnded)
    def _downloaded(self, event: DownloadEnded) -> None:
        self.downloads.ended()
        self.top_bar.download = None
        if self._chooser is not None:
            self._chooser.download_ended(event)
        elif event.problem:
            self.notify(event.problem, severity="error", timeout=12)
        elif not event.cancelled:
            self.notify(f"{event.hub_id} is downloaded and can be chosen.")
