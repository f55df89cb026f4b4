"""Checking the recipe's values while they are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from textual.dom import DOMNode

from sdtui.core.errors import InvalidRequestError
from sdtui.tui.background import run_on_thread, start_worker
from sdtui.tui.fields import (
    file_problems,
    init_image_size,
    parse_form,
    problems_of,
    step_problems,
)
from sdtui.tui.recipe import Recipe

if TYPE_CHECKING:
    from sdtui.jobs import Pictures
    from sdtui.models import ModelDescription


class RecipeChecker:
    """Keeps the recipe's problems up to date."""

    def __init__(
        self, recipe: Recipe, owner: DOMNode, open_pictures: Callable[[], Pictures]
    ) -> None:
        """`owner` runs the workers that read files, and ask the pictures that `open_pictures`
        returns on their threads."""
        self._open_pictures = open_pictures
        self._recipe = recipe
        self._owner = owner
        self._files = [
            name for name, each in recipe.fields.items() if each.kind in ("path", "paths")
        ]
        self._disk_problems: dict[str, tuple[str, str]] = {}
        """Field → the text that was checked, and what is wrong with the file or model that it
        names."""
        self._checked_files: dict[str, str] | None = None
        """The texts of the fields for files that were checked last."""
        self._known: tuple[str, ModelDescription | None] = ("", None)
        """The model that was described last."""
        self._has_begun = False

    def begin(self) -> None:
        """Validate now and after every change. Validation imports a large library, so call this
        only once the window is visible."""
        self._has_begun = True
        self._recipe.subscribe(lambda _: self._check(), prompts=False)
        self._check()

    def show_disk_problem(self, name: str, text: str, problem: str) -> None:
        """Show what is wrong with the file or model that a field names, as long as it has this
        text; "" if nothing is."""
        self._disk_problems[name] = (text, problem)
        if self._has_begun:
            self._check()

    def use_model(self, model: str, description: ModelDescription | None) -> None:
        """Check the values against another model; None if it isn't on this machine."""
        self._known = model, description
        if self._has_begun:
            self._check()

    def model_problems(self, texts: Mapping[str, str]) -> dict[str, str]:
        """Return the values of a form that its model can't be used with, as far as that is known by
        now: field → message. Wrong values are left to `problems_of`."""
        from sdtui.models import check_values

        model, description = self._known
        if description is None or model != texts["model"]:
            return {}
        try:
            request = parse_form({**texts, "prompt": "x"})
        except InvalidRequestError:
            return {}
        try:
            check_values(description, request)
        except InvalidRequestError as error:
            return {each.field: each.message for each in error.problems}
        return {}

    def _check(self) -> None:
        texts = self._recipe.texts
        self._check_files({name: texts[name] for name in self._files})
        disk = {
            name: problem
            for name, (text, problem) in self._disk_problems.items()
            if problem and text == texts[name]
        }
        self._recipe.problems = {
            **step_problems(self._recipe.shown("num_inference_steps"), texts),
            **self.model_problems(texts),
            **problems_of(texts, disk),
        }

    def _check_files(self, files: dict[str, str]) -> None:
        """Check the named files on another thread, if others are named than before: they may be on
        a slow disk."""
        if files != self._checked_files:
            self._checked_files = files
            work = partial(self._show_file_problems, files)
            start_worker(self._owner, work, group="files", exclusive=True)

    async def _show_file_problems(self, files: Mapping[str, str]) -> None:
        has_any = any(text.strip() for text in files.values())
        pictures = await run_on_thread(self._open_pictures) if has_any else None
        problems = await run_on_thread(lambda: file_problems(files, pictures))
        size = await run_on_thread(lambda: init_image_size(files, pictures))
        self._recipe.use_init_image_size(size)
        for name, text in files.items():
            self.show_disk_problem(name, text, problems.get(name, ""))
