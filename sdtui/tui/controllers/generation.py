"""Filling and checking the recipe, and queueing its request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual.screen import Screen

from sdtui.core.enums import UNKNOWN_MODEL
from sdtui.core.errors import InvalidRequestError, Problem, SdtuiError
from sdtui.core.typed_paths import typed_text
from sdtui.tui.background import run_on_thread
from sdtui.tui.context import AppContext
from sdtui.tui.controllers.checking import RecipeChecker
from sdtui.tui.controllers.local_loras import request_with_local_loras
from sdtui.tui.fields import form_texts, label_of, parse_form, picture_problem, step_problems
from sdtui.tui.messages import PathPasted
from sdtui.tui.panes.collection import Panes
from sdtui.tui.window_layout import WindowLayout

if TYPE_CHECKING:
    from sdtui.jobs.prompts import ResolvedPrompts
    from sdtui.requests.request import GenerationRequest


class GenerationController:
    """Fills the recipe, and makes requests of it."""

    def __init__(
        self,
        context: AppContext,
        screen: Screen[None],
        panes: Panes,
        layout: WindowLayout,
        submit: Callable[[GenerationRequest, ResolvedPrompts | None], Awaitable[object]],
        edit_value: Callable[[str], None],
    ) -> None:
        """`screen` runs workers; `submit` queues a request and may raise SdtuiError; `edit_value`
        lets the user edit a field."""
        self._context = context
        self._panes = panes
        self._layout = layout
        self._submit = submit
        self._edit_value = edit_value
        self._in_order = asyncio.Lock()
        self.recipe = context.recipe
        self.checker = RecipeChecker(self.recipe, screen, lambda: context.backend.pictures)

    def restore(self) -> None:
        """Fill the recipe with the settings' defaults, then with what was saved of it."""
        state = self._context.state
        self.recipe.restore(state.form)
        self.recipe.last_seed = state.last_seed
        self._remember_prompts()

    async def reuse(
        self,
        request: GenerationRequest,
        lora_hashes: Mapping[str, str],
        *,
        keep_seed: bool = True,
    ) -> None:
        """Fill the recipe with a picture's request, with the names that its LoRAs have here; say
        which are missing."""
        request = await request_with_local_loras(self._context, request, lora_hashes)
        self.use_request(request, keep_seed=keep_seed)

    def use_request(self, request: GenerationRequest, *, keep_seed: bool = True) -> None:
        """Fill the recipe with a request, in one step, and go to the prompt."""
        texts = form_texts(request)
        if not keep_seed:
            texts["seed"] = ""
        if request.model == UNKNOWN_MODEL:
            del texts["model"]
            self._context.notify("The picture doesn't say what model made it: yours is kept.")
        self.recipe.change(texts)
        self._layout.focus_prompt()

    def use_init_image(self, path: str) -> None:
        """Start the next picture from this one, and ask how much of it is made anew. A mask and
        borders that were drawn over another one are left out."""
        self.recipe.change({"init_image": typed_text(Path(path)), "mask_image": "", "outpaint": ""})
        self._layout.focus_prompt()
        if "strength" not in self.recipe.unused:
            self._edit_value("strength")

    def undo(self) -> None:
        """Take the last change of the recipe back."""
        if not self.recipe.undo():
            self._context.notify("There is nothing to undo.", timeout=3)

    def redo(self) -> None:
        """Repeat the last change that was undone."""
        if not self.recipe.redo():
            self._context.notify("There is nothing to redo.", timeout=3)

    async def take_pasted_picture(self, pasted: PathPasted) -> None:
        """Make a picture whose path was pasted into a prompt the init image, if there is none, and
        take the path out of the prompt."""
        if await run_on_thread(partial(picture_problem, pasted.path)):
            return
        recipe = self.recipe
        if recipe[pasted.field] == pasted.text and not recipe["init_image"].strip():
            recipe.change({pasted.field: pasted.before, "init_image": typed_text(pasted.path)})
            self._context.notify(
                f"{pasted.path.name} is the init image now. Undo brings its path back as text."
            )

    async def check_and_generate(
        self, texts: Mapping[str, str], find_problems: Callable[[Mapping[str, str]], dict[str, str]]
    ) -> None:
        """Queue the request of a recipe, unless it has problems. `find_problems` reads the disk, on
        another thread; requests stay in their order meanwhile."""
        async with self._in_order:
            problems = await run_on_thread(partial(find_problems, texts))
            if problems:
                for name, problem in problems.items():
                    self.checker.show_disk_problem(name, texts[name], problem)
            else:
                problems = step_problems(self.recipe.shown("num_inference_steps"), texts)
                problems |= await run_on_thread(partial(self._model_problems, texts))
            if problems:
                self._show_problems(
                    [Problem(name, texts[name], each) for name, each in problems.items()]
                )
            else:
                await self.generate(texts)

    def _model_problems(self, texts: Mapping[str, str]) -> dict[str, str]:
        """Return the values that the model of a recipe can't be used with: field → message. Reads
        configs, not for the app's thread."""
        from sdtui.jobs.request_checks import check_model_values

        try:
            check_model_values(self._context.backend.models, parse_form(texts))
        except InvalidRequestError as error:
            return {each.field: each.message for each in error.problems}
        except SdtuiError:  # the model is checked already
            return {}
        return {}

    async def generate(self, texts: Mapping[str, str] | None = None) -> None:
        """Queue the request of a recipe, by default the present one, or focus the first invalid
        field. Files and models aren't checked."""
        try:
            request = parse_form(self.recipe.texts if texts is None else texts)
            await self._resolve_and_submit(request)
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

    async def _resolve_and_submit(self, request: GenerationRequest) -> None:
        """Queue a request. Styles and wildcards are read on another thread. Raises SdtuiError."""
        if not request.has_templates:
            await self._submit(request, None)
            return
        prompts = await run_on_thread(partial(self._context.backend.prompts.resolve, request))
        for notice in prompts.notices:
            self._context.notify(f"{notice[:1].upper()}{notice[1:]}.", severity="warning")
        await self._submit(prompts.request, prompts)

    def current_request(self) -> GenerationRequest | None:
        """Return the request of the recipe, or None after its problems were shown."""
        try:
            return parse_form(self.recipe.texts)
        except InvalidRequestError as error:
            self._show_problems(error.problems)
            return None

    def _show_problems(self, found: Sequence[Problem]) -> None:
        """Say what is wrong, and go to the first wrong field."""
        wrong = {problem.field for problem in found}
        first = next((name for name in self._panes.recipe.fields if name in wrong), None)
        if first is None:
            self._layout.focus_prompt()
        else:
            self._layout.show_tab("recipe")
            self._panes.recipe.focus_field(first)
        messages = [f"{label_of(each.field)}: {each.message}" for each in found]
        self._context.notify("; ".join(messages), severity="error")

    def _remember_prompts(self) -> None:
        state = self._context.state
        self._panes.dock.remember(state.prompts, state.negative_prompts)

    def edit_prompt(self) -> None:
        """Edit the focused prompt, or else the positive one, in $EDITOR."""
        field = self._panes.dock.focused_prompt.field
        text = self._context.editor.edit_text(self.recipe[field])
        if text is not None:
            self.recipe.change({field: text})
