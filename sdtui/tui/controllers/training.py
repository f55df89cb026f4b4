"""Trainings in the app: their screen, new ones, and what their events say."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual.screen import Screen

from sdtui.core.enums import DType, Quantize
from sdtui.core.errors import SdtuiError
from sdtui.tui.background import run_on_thread, start_worker
from sdtui.tui.context import AppContext
from sdtui.tui.controllers.models import ModelController
from sdtui.tui.form_texts import FormTexts
from sdtui.tui.panes.collection import Panes
from sdtui.tui.window_layout import WindowLayout

if TYPE_CHECKING:
    from sdtui.tui.screens.training import TrainingScreen


class TrainingController:
    """Opens the screen of trainings, and tells it what happens."""

    def __init__(
        self,
        context: AppContext,
        screen: Screen[None],
        panes: Panes,
        layout: WindowLayout,
        models: ModelController,
    ) -> None:
        self._context = context
        self._screen = screen
        self._panes = panes
        self._layout = layout
        self._models = models
        self._open: TrainingScreen | None = None

    @property
    def _shown(self) -> TrainingScreen | None:
        """The screen while it is open."""
        return self._open if self._open in self._screen.app.screen_stack else None

    def open(self) -> None:
        """Show the trainings."""
        from sdtui.tui.screens.training import TrainingScreen

        if self._shown is not None:  # the palette was opened over it
            return
        self._open = TrainingScreen(
            self._context, new=self._ask_for_new, show_sample=self._show_sample
        )
        self._context.push_screen(self._open)

    def look(self) -> None:
        """Called when something happened with a training, or with the line to the backend."""
        if self._shown is not None:
            self._shown.look_soon()

    def _ask_for_new(self) -> None:
        from sdtui.tui.screens.new_training import NewTrainingScreen
        from sdtui.tui.training_form import training_texts

        context = self._context
        form = training_texts(context.state.training, context.recipe["model"])

        def take(name: str | None) -> None:
            context.state = replace(context.state, training=form.changed_texts)
            context.save()
            if name is not None and self._shown is not None:
                self._shown.go_to(name)

        context.push_screen(NewTrainingScreen(context, form, self._choose_model), take)

    def _choose_model(self, form: FormTexts) -> None:
        self._models.choose_for(form, DType(form["dtype"]), Quantize.NONE)

    def _show_sample(self, path: Path) -> None:
        """Go to a sample in the gallery."""
        start_worker(self._screen, partial(self._go_to, path))

    async def _go_to(self, path: Path) -> None:
        pictures = self._context.backend.pictures
        try:
            entry = await run_on_thread(partial(pictures.get, path))
        except SdtuiError as error:
            self._context.show_error(error)
            return
        self._layout.show_tab("gallery")
        self._panes.gallery.go_to(entry.id)
