"""Applying, saving and deleting presets."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from textual.geometry import Offset
from textual.screen import Screen

from sdtui.core.errors import SdtuiError
from sdtui.requests.presets import Preset, delete_preset, save_preset, usable_presets
from sdtui.tui.background import run_on_thread, start_worker, wait_briefly
from sdtui.tui.context import AppContext
from sdtui.tui.fields import request_values
from sdtui.tui.panes.dock import Dock
from sdtui.tui.preset_choice import (
    PresetAction,
    PresetChoice,
    matching_preset,
    preset_texts,
    texts_to_save,
)


class PresetController:
    """Reads the presets, and does with them what the user wants."""

    def __init__(self, context: AppContext, screen: Screen[None], dock: Dock) -> None:
        """`screen` runs workers."""
        self._context = context
        self._screen = screen
        self._dock = dock
        self._presets: Mapping[str, Preset] = {}
        self._lost: tuple[str, Preset] | None = None
        """The preset that was deleted or replaced last."""

    def begin(self) -> None:
        """Read the presets, and show which one the recipe equals from now on."""
        self._context.recipe.subscribe(self._recipe_changed)
        start_worker(self._screen, self._read)

    def _recipe_changed(self, fields: frozenset[str]) -> None:
        if any(not fields.isdisjoint(preset) for preset in self._presets.values()):
            self._show_name()

    def _show_name(self) -> None:
        self._dock.chips.show_preset(matching_preset(self._context.recipe, self._presets))

    async def _read(self) -> None:
        """Read the presets. Those that can't be used are left out, with a message."""
        try:
            self._presets, problems = await run_on_thread(usable_presets)
        except SdtuiError as error:
            self._context.show_error(error)
        else:
            for problem in problems:
                self._context.show_error(problem)
        self._show_name()

    async def open(self) -> None:
        """Let the user choose a preset, or save one. The file is read again: it may have been
        edited."""
        await wait_briefly(start_worker(self._screen, self._read_and_ask))

    def open_soon(self) -> None:
        """Do the same after other messages."""
        self._screen.call_later(self.open)

    async def _read_and_ask(self) -> None:
        from sdtui.tui.screens.value import TakenValue, ValueScreen

        await self._read()

        def take(taken: TakenValue | None) -> None:
            if taken is not None and taken.option is not None:
                self._perform(PresetAction(taken.option.action), taken.option.text)

        place: Offset = self._dock.chips.preset_place
        choice = PresetChoice(self._context.recipe, self._presets, self._lost and self._lost[0])
        self._context.push_screen(ValueScreen(choice, place), take)

    def _perform(self, action: PresetAction, name: str) -> None:
        if action is PresetAction.APPLY:
            self._context.recipe.change(preset_texts(self._presets[name]))
        elif action is PresetAction.DELETE:
            self._write(
                partial(delete_preset, name),
                f"The preset “{name}” was deleted. The list of presets brings it back.",
                replaced=name,
            )
        elif action is PresetAction.BRING_BACK:
            if self._lost is not None:
                back = partial(save_preset, *self._lost)
                self._write(back, f"The preset “{name}” is as it was.", replaced=name)
        else:
            self._save(name, with_prompts=action is PresetAction.SAVE_ALL)

    def _save(self, name: str, *, with_prompts: bool) -> None:
        from sdtui.requests.request import REQUEST_FIELDS
        from sdtui.requests.validation import validate_fields

        texts = texts_to_save(self._context.recipe, with_prompts=with_prompts)
        if not texts:
            self._context.notify("All values are the model's own: there is nothing to save.")
            return
        try:
            values = validate_fields(REQUEST_FIELDS, request_values(texts))
        except SdtuiError as error:
            self._context.show_error(error)
            return
        saved = f"The preset “{name}” was saved."
        self._write(partial(save_preset, name, values), saved, replaced=name)

    def _write(self, change: partial[None], done: str, *, replaced: str) -> None:
        """Change the file. `replaced` is the preset that is another one then, if it exists."""
        before = self._presets.get(replaced)

        async def write() -> None:
            try:
                await run_on_thread(change)
            except SdtuiError as error:
                self._context.show_error(error)
            else:
                self._lost = None if before is None else (replaced, before)
                self._context.notify(done, timeout=3)
            await self._read()

        start_worker(self._screen, write)
