"""Editing single values of the recipe: over their chips, or over their rows of the form."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from textual.geometry import Offset
from textual.screen import Screen

from sdtui.core.fields import Field
from sdtui.core.paths import home_folder
from sdtui.core.picture_entries import PictureEntry
from sdtui.core.typed_paths import PathTextError, parse_typed_path
from sdtui.requests.request import REQUEST_FIELDS
from sdtui.tui.context import AppContext
from sdtui.tui.controllers.masks import MASK
from sdtui.tui.fields import list_items, path_item
from sdtui.tui.key_table import KeyChoice
from sdtui.tui.panes.collection import Panes
from sdtui.tui.recipe import Recipe
from sdtui.tui.value_editing import editing_of

_MODEL = "model"
_LORAS = "loras"
_CONTROLS = ("controls", "ip_adapters")
"""Have dialogs of their own."""


class ValueController:
    """Opens the editors of values, and takes what they answer."""

    def __init__(
        self,
        context: AppContext,
        screen: Screen[None],
        panes: Panes,
        choose_model: Callable[[], None],
        draw_mask: Callable[[], None],
        generate: Callable[[], Awaitable[None]],
    ) -> None:
        self._context = context
        self._screen = screen
        self._panes = panes
        self._choose_model = choose_model
        self._draw_mask = draw_mask
        self._generate = generate

    @property
    def _recipe(self) -> Recipe:
        return self._context.recipe

    def places(self) -> list[tuple[KeyChoice, Callable[[], object]]]:
        """Return the keys of the chips, and what they open."""
        fields = self._recipe.fields
        return [
            (
                KeyChoice(fields[name].letter, editing_of(self._recipe, name).label, "Change"),
                partial(self.open_chip, name),
            )
            for name in self._with_letters
        ]

    @property
    def _with_letters(self) -> list[str]:
        return [name for name, each in self._recipe.fields.items() if each.letter]

    def open_chip(self, name: str) -> None:
        """Edit a value over its chip."""
        if name == _MODEL:
            self._choose_model()
        elif name == _LORAS:
            self._choose_lora()
        elif name in _CONTROLS:
            self._choose_control(name)
        elif name == MASK:
            self._draw_mask()
        else:
            self._open(name, self._panes.dock.place_of(name), is_chip=True)

    def open_chip_soon(self, name: str) -> None:
        """Edit a value over its chip, once that is drawn."""
        self._screen.call_after_refresh(self.open_chip, name)

    def open_row(self, name: str) -> None:
        """Edit a value over its row of the form; a file is chosen from a list."""
        if name == _MODEL:
            self._choose_model()
        elif name == _LORAS:
            self._choose_lora()
        elif name in _CONTROLS:
            self._choose_control(name)
        elif self._recipe.fields[name].kind in ("path", "paths"):
            self.choose_file(name)
        else:
            self._open(name, self._panes.recipe.place_of(name), is_chip=False)

    def _open(self, name: str, place: Offset, *, is_chip: bool) -> None:
        from sdtui.tui.screens.value import TakenValue, ValueScreen

        def take(taken: TakenValue | None) -> None:
            if taken is None:
                return
            self._recipe.change(taken.texts)
            if taken.option is not None:
                self.choose_file(name)
            elif taken.then in ("next", "previous"):
                self.open_chip(self._neighbour(name, 1 if taken.then == "next" else -1))
            elif is_chip:
                self._screen.call_later(self._generate)

        screen = ValueScreen(editing_of(self._recipe, name), place, has_neighbours=is_chip)
        self._context.push_screen(screen, take)

    def _neighbour(self, name: str, by: int) -> str:
        """Return the field of the next chip, or of the one before."""
        names = [
            each for each in self._with_letters if each not in (_MODEL, _LORAS, *_CONTROLS, MASK)
        ]
        if not self._recipe["init_image"].strip():
            names.remove("strength")
        place = names.index(name) if name in names else -1
        return names[(place + by) % len(names)]

    def _choose_lora(self) -> None:
        from sdtui.tui.screens.loras import LoraScreen

        def take(loras: str | None) -> None:
            if loras is not None:
                self._recipe.change({_LORAS: loras})

        models = self._context.backend.models
        screen = LoraScreen(models, self._recipe[_MODEL], self._recipe[_LORAS])
        self._context.push_screen(screen, take)

    def _choose_control(self, name: str) -> None:
        from sdtui.tui.screens.controls import ChosenControl, ControlScreen

        field = REQUEST_FIELDS[name]

        def take(chosen: ChosenControl | None) -> None:
            if chosen is None:
                return
            if chosen.needs_picture is None:
                self._recipe.change({name: chosen.text})
            else:
                self._choose_control_picture(field, chosen.needs_picture)

        models, recipe = self._context.backend.models, self._recipe
        self._context.push_screen(ControlScreen(models, field, recipe[_MODEL], recipe[name]), take)

    def _choose_control_picture(self, field: Field, entry: PictureEntry) -> None:
        """Choose the picture of an entry, and add it. Without one it is the init image, if there is
        one."""
        from sdtui.tui.control_offers import with_entry
        from sdtui.tui.screens.files import FileScreen

        def take(chosen: str | None) -> None:
            if chosen is None and not self._recipe["init_image"].strip():
                return
            whole = entry.with_image("" if chosen is None else str(parse_typed_path(chosen)))
            text = with_entry(field, self._recipe[field.name], whole)
            self._recipe.change({field.name: text})

        self._context.push_screen(FileScreen(self._first_folder("")), take)

    def choose_file(self, name: str) -> None:
        """Choose the file of a field from disk, or one more if it has several."""
        from sdtui.tui.screens.files import FileScreen

        is_list = self._recipe.fields[name].kind == "paths"
        before = list_items(self._recipe[name]) if is_list else []

        def take(chosen: str | None) -> None:
            if chosen is not None:
                item = path_item(parse_typed_path(chosen)) if is_list else chosen
                self._recipe.change({name: ", ".join([*before, item])})

        last = before[-1] if before else self._recipe[name]
        self._context.push_screen(FileScreen(self._first_folder(last)), take)

    def _first_folder(self, text: str) -> Path:
        """Return the folder of a field's file, or that of the pictures."""
        backend = self._context.backend
        pictures = backend.pictures.folder if backend.connection is None else home_folder()
        try:
            return parse_typed_path(text).parent if text.strip() else pictures
        except PathTextError:
            return pictures
