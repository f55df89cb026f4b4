"""The recipe's model: describing, preloading, choosing and downloading it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from textual.message_pump import MessagePump

from sdtui.core.enums import POCKET, DType, MemoryMode, Quantize, Runtime, Speed
from sdtui.core.errors import SdtuiError
from sdtui.requests.sections.execution import Execution
from sdtui.tui.background import run_in_background
from sdtui.tui.context import AppContext
from sdtui.tui.controllers.checking import RecipeChecker
from sdtui.tui.downloads import DownloadEnded, DownloadProgress, Downloads
from sdtui.tui.fields import file_problems
from sdtui.tui.form_texts import FormTexts
from sdtui.tui.messages import ModelKnown
from sdtui.tui.model_values import ModelValues
from sdtui.tui.panes.collection import Panes
from sdtui.tui.widgets.top_line import TopLine

if TYPE_CHECKING:
    from sdtui.jobs import Models
    from sdtui.models import MemoryBudget
    from sdtui.tui.screens.models import ModelScreen

_HEAD_START_SECONDS = 1.0
"""How long to wait for the monitor's first sample before a model is loaded."""


class ModelController:
    """Follows the recipe's model and the running download."""

    def __init__(
        self,
        context: AppContext,
        target: MessagePump,
        panes: Panes,
        top_line: TopLine,
        checker: RecipeChecker,
        is_running: Callable[[], bool],
    ) -> None:
        """`target` is posted ModelKnown, DownloadProgress and DownloadEnded; `is_running` returns
        True while a job runs."""
        self._context = context
        self._target = target
        self._panes = panes
        self._top_line = top_line
        self._checker = checker
        self._is_running = is_running
        self.downloads = Downloads(target, lambda: context.backend.models)
        self._dialog: ModelScreen | None = None
        self._values = ModelValues(context.recipe)
        self._may_preload = False
        self._model: str | None = None
        """The last described model; None until the window is visible."""

    @property
    def memory_budget(self) -> MemoryBudget | None:
        """The memory available to a model; None until the monitor has a sample."""
        sample = self._top_line.sample
        if sample is None:
            return None
        from sdtui.monitor import memory_budget

        return memory_budget(sample, self._context.settings.device)

    def follow_recipe(self, fields: frozenset[str]) -> None:
        """Describe the recipe's model, if it changed since the last time, and see what other
        changed fields mean for it."""
        if "model" in fields and self._model not in (None, self._context.recipe["model"]):
            self.describe()
        self._values.follow(fields)

    def use_default(self) -> None:
        """Use the default model of a backend on another machine, unless the settings here name one.
        Called once it is connected."""
        if self._context.settings.model != POCKET:
            return
        recipe, before = self._context.recipe, self._context.recipe["model"]
        recipe.use_default("model", self._context.backend.models.default)
        if recipe["model"] != before:
            self._may_preload = False

    def describe(self) -> None:
        """Look up the recipe's model on another thread, which then posts ModelKnown."""
        backend = self._context.backend
        # Others may use the model of a server: a mere look at it loads none.
        self._may_preload = backend.connection is None or self._model is not None
        self._model = model = self._context.recipe["model"]
        if not self._is_running():
            self._top_line.model = model

        def look_up() -> ModelKnown:
            known = describe(model, backend.models)
            # Then torch is loaded. While the system loads two libraries at a time, the thread that
            # waits for the other keeps Python's lock, and no key does anything.
            backend.hardware.wait_for_sample(_HEAD_START_SECONDS)
            return known

        run_in_background(self._target, look_up)

    def show_known(self, known: ModelKnown) -> None:
        """Show the model's native values, count its tokens, and load it ahead of its first job."""
        if known.model != self._model:
            return
        problem = known.problem
        is_unusable = problem is not None and known.description is None
        self._checker.show_disk_problem(
            "model", known.model, problem.what if problem and is_unusable else ""
        )
        self._checker.use_model(known.model, known.description)
        self._panes.dock.use_counters(known.counters, known.reader)
        if known.description is not None:
            self._values.use(known.description)
            if self._may_preload:
                self._preload(known.model)
        if problem is not None:
            self._context.notify(str(problem), severity="warning")

    def find_problems(self, texts: Mapping[str, str]) -> dict[str, str]:
        """Return what is wrong with the files and the model that a form names: field → message.
        Not for the app's thread."""
        from sdtui.tui.model_offers import model_problem

        backend = self._context.backend
        problems = file_problems(texts, backend.pictures)
        problem = model_problem(backend.models, texts["model"])
        if problem is not None:
            problems["model"] = problem.what
        return problems

    def _preload(self, model: str) -> None:
        texts = self._context.recipe.texts
        execution = Execution(
            memory_mode=MemoryMode(texts["memory_mode"]),
            dtype=DType(texts["dtype"]),
            quantize=Quantize(texts["quantize"]),
            speed=Speed(texts["speed"]),
            runtime=Runtime(texts["runtime"]),
        )
        self._context.backend.jobs.load(model, execution)

    def choose(self) -> None:
        """Let the user choose the recipe's model, or download one."""
        texts = self._context.recipe.texts
        formats = DType(texts["dtype"]), Quantize(texts["quantize"])
        self.choose_for(self._context.recipe, *formats)

    def choose_for(self, form: FormTexts, dtype: DType, quantize: Quantize) -> None:
        """Let the user choose the model of a form, or download one."""
        from sdtui.tui.screens.models import ModelScreen

        if self._dialog is not None:  # the palette was opened over it
            return

        def take(chosen: str | None) -> None:
            self._dialog = None
            if chosen is not None:
                form.change({"model": chosen})

        models, budget = self._context.backend.models, self.memory_budget
        self._dialog = ModelScreen(models, form["model"], budget, dtype, quantize, self.downloads)
        self._context.push_screen(self._dialog, take)

    def show_download(self, progress: DownloadProgress) -> None:
        """Show how much of a model has been downloaded."""
        self.downloads.follow(progress)
        self._top_line.download = self.downloads.share
        if self._dialog is not None:
            self._dialog.show_download()

    def finish_download(self, ended: DownloadEnded) -> None:
        """Choose the downloaded model if the dialog is open; else notify."""
        self.downloads.ended()
        self._top_line.download = None
        if self._dialog is not None:
            self._dialog.download_ended(ended)
        elif ended.problem:
            self._context.notify(ended.problem, severity="error", timeout=12)
        elif not ended.cancelled:
            self._context.notify(f"{ended.hub_id} is downloaded and can be chosen.")


def describe(model: str, models: Models) -> ModelKnown:
    """Return the description of a model before it is loaded. Not for the app's thread."""
    from sdtui.jobs.prompt_readers import prompt_reader

    try:
        source = models.find(model)
        description = models.describe(source)
    except SdtuiError as error:
        return ModelKnown(model, problem=error)
    try:
        counters = models.token_counters(source)
    except SdtuiError as error:
        return ModelKnown(model, description=description, problem=error)
    reader = prompt_reader(models, counters, description)
    return ModelKnown(model, counters, description, reader)
