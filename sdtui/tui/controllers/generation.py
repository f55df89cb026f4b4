"""Filling and checking the form, and queueing its request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sdtui.core.enums import UNKNOWN_MODEL
from sdtui.core.errors import InvalidRequestError, Problem, SdtuiError
from sdtui.core.typed_paths import PathTextError, parse_typed_path, typed_text
from sdtui.tui.background import run_on_thread
from sdtui.tui.context import AppContext
from sdtui.tui.fields import form_texts, label_of, parse_form, picture_problem
from sdtui.tui.messages import PathPasted
from sdtui.tui.panes.collection import Panes
from sdtui.tui.widgets.form_fields import ChoiceField
from sdtui.tui.window_layout import WindowLayout

if TYPE_CHECKING:
    from sdtui.requests.request import GenerationRequest


class GenerationController:
    """Reads and writes prompts and parameters."""

    def __init__(
        self,
        context: AppContext,
        panes: Panes,
        layout: WindowLayout,
        submit: Callable[[GenerationRequest], object],
    ) -> None:
        """`submit` queues a request and may raise SdtuiError."""
        self._context = context
        self._panes = panes
        self._layout = layout
        self._submit = submit
        self._in_order = asyncio.Lock()

    @property
    def texts(self) -> dict[str, str]:
        """The text of every field."""
        prompts = {pane.field: pane.text for pane in self._panes.prompts}
        return {**prompts, **self._panes.recipe.texts}

    def fill(self, texts: Mapping[str, str]) -> None:
        """Write into the form. Fields that `texts` doesn't name stay as they are."""
        for pane in self._panes.prompts:
            if pane.field in texts:
                pane.text = texts[pane.field]
        self._panes.recipe.fill(texts)

    def restore(self) -> None:
        """Fill the form with the settings' defaults, then with what was saved of it."""
        parameters, state = self._panes.recipe, self._context.state
        defaults = self._context.settings.request_defaults()
        self.fill({name: str(value) for name, value in defaults.items()})
        self.fill(parameters.without_unknown_choices(state.form))
        parameters.last_seed = state.last_seed
        self._remember_prompts()

    def use_request(self, request: GenerationRequest, *, keep_seed: bool = True) -> None:
        """Fill the form with a request and go to the prompt."""
        texts = form_texts(request)
        if not keep_seed:
            texts["seed"] = ""
        if request.model == UNKNOWN_MODEL:
            del texts["model"]
            self._context.notify("The picture doesn't say what model made it: the form's is kept.")
        self.fill(texts)
        self._layout.focus_prompt()

    def use_init_image(self, path: str) -> None:
        """Start the next picture from this one."""
        self._panes.recipe.fill({"init_image": typed_text(Path(path))})
        self._layout.focus_prompt()

    async def take_pasted_picture(self, pasted: PathPasted) -> None:
        """Make a picture whose path was pasted into a prompt the init image, if there is none, and
        take the path out of the prompt."""
        if await run_on_thread(partial(picture_problem, pasted.path)):
            return
        parameters, editor = self._panes.recipe, pasted.editor
        if editor.text == pasted.text and not parameters.texts["init_image"].strip():
            editor.undo()
            parameters.fill({"init_image": typed_text(pasted.path)})
            self._context.notify(
                f"{pasted.path.name} is the init image now. Ctrl+y in the prompt brings its path "
                "back as text."
            )

    async def check_and_generate(
        self, texts: Mapping[str, str], find_problems: Callable[[Mapping[str, str]], dict[str, str]]
    ) -> None:
        """Queue the request of a form, unless it has problems. `find_problems` reads the disk, on
        another thread; requests stay in their order meanwhile."""
        async with self._in_order:
            problems = await run_on_thread(partial(find_problems, texts))
            if problems:
                for name, problem in problems.items():
                    self._panes.recipe.show_disk_problem(name, texts[name], problem)
                self._show_problems(
                    [Problem(name, texts[name], each) for name, each in problems.items()]
                )
            else:
                self.generate(texts)

    def generate(self, texts: Mapping[str, str] | None = None) -> None:
        """Queue the request of a form, by default the present one, or focus the first invalid
        field. Files and models aren't checked."""
        try:
            request = parse_form(self.texts if texts is None else texts)
            self._submit(request)
        except InvalidRequestError as error:
            self._show_problems(error.problems)
            return
        except SdtuiError as error:
            self._context.show_error(error)
            return
        self._context.state = self._context.state.with_prompts(
            request.prompt, request.negative_prompt
        )
        self._remember_prompts()
        self._context.save()

    def _show_problems(self, found: Sequence[Problem]) -> None:
        problems = {problem.field: problem.message for problem in found}
        if problems.keys() & self._panes.recipe.texts.keys():
            self._layout.show_tab("recipe")
        if not self._panes.recipe.focus_problem(problems):
            self._layout.focus(self._panes.prompt.editor)
        messages = [f"{label_of(each.field)}: {each.message}" for each in found]
        self._context.notify("; ".join(messages), severity="error")

    def _remember_prompts(self) -> None:
        state = self._context.state
        self._panes.prompt.editor.remember(state.prompts)
        self._panes.negative.editor.remember(state.negative_prompts)

    def edit_prompt(self) -> None:
        """Edit the focused prompt, or else the positive one, in $EDITOR."""
        panes = self._panes
        pane = panes.negative if self._layout.focused_pane is panes.negative else panes.prompt
        text = self._context.editor.edit_text(pane.text)
        if text is not None:
            pane.text = text

    def choose_value(self, name: str) -> None:
        """Let the user choose the value of a field from a list, or a file from disk."""
        from sdtui.tui.screens.files import FileScreen
        from sdtui.tui.screens.search_dialog import ChooseScreen

        field = self._panes.recipe.fields[name]
        screen: ChooseScreen | FileScreen
        if isinstance(field, ChoiceField):
            spec = field.spec
            screen = ChooseScreen(spec.label, field.choices, field.text, spelling=spec.spelled)
        else:
            screen = FileScreen(self._first_folder(field.text))

        def take(chosen: str | None) -> None:
            if chosen is not None:
                field.text = chosen

        self._context.push_screen(screen, take)

    def _first_folder(self, text: str) -> Path:
        """Return the folder of a field's file, or that of the pictures."""
        try:
            return parse_typed_path(text).parent if text.strip() else self._pictures_folder
        except PathTextError:
            return self._pictures_folder

    @property
    def _pictures_folder(self) -> Path:
        return self._context.backend.pictures.folder
