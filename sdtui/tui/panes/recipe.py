"""The form: every value of the recipe but the prompts, under headings."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.geometry import Offset
from textual.widget import Widget

from sdtui.requests.request import random_seed
from sdtui.tui.bindings import bindings_in
from sdtui.tui.panes.pane import Pane
from sdtui.tui.recipe import Recipe
from sdtui.tui.widgets.field_form import ExplanationLine, FieldForm

_FOLDED = ("Inpainting", "Hires", "Refiner", "Noise", "Guidance", "Upscale", "Machine")
"""The headings whose rows are folded at first: they hardly ever change."""


class RecipePane(Pane):
    """A row for each field, made from those of a request, and a place for what is wrong."""

    TITLE = "Recipe"
    ABOUT = (
        "Everything that a picture depends on. A value left open (dim) is the model's own; an open "
        "seed is drawn anew for each job. Up and down go through the rows, left and right change "
        "the value, enter shows all choices. Letters are keys here, also inside a number."
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings_in("form")

    def __init__(self, recipe: Recipe, *, id: str) -> None:
        super().__init__(id=id)
        self.recipe = recipe
        self._form = FieldForm(recipe, group_of=lambda each: each.group, folded=_FOLDED)
        self.fields = self._form.fields
        self._last_row: Widget = self.fields["model"]
        self._reason = ExplanationLine(id="reason")

    def compose(self) -> ComposeResult:
        yield self._form
        yield self._reason

    def on_mount(self) -> None:
        self.recipe.subscribe(self._follow, prompts=False)
        self._follow(frozenset())

    def on_resize(self) -> None:
        self.call_after_refresh(self._explain)

    def _follow(self, _: frozenset[str]) -> None:
        self._form.follow()
        self._explain()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        self._last_row = event.widget
        self._explain()

    def focus_target(self) -> Widget:
        """Return the row that had the focus last; the rows are mounted if they aren't yet."""
        self._form.fill()
        return self._last_row if self._last_row.display else self.fields["model"]

    def _explain(self) -> None:
        self._reason.explain(self._form)

    def focus_field(self, name: str) -> None:
        """Focus the row of a field, which is unfolded for it."""
        self._form.focus_field(name)

    def place_of(self, name: str) -> Offset:
        """Return the cell of the window where a field's value begins."""
        return self._form.place_of(name)

    # Keys

    def action_previous_row(self) -> None:
        self._form.move(-1)

    def action_next_row(self) -> None:
        self._form.move(1)

    def action_last_seed(self) -> None:
        if self.recipe.last_seed is None:
            self.notify("No picture has been made yet, so there is no last seed.")
        else:
            self.recipe.change({"seed": str(self.recipe.last_seed)})

    def action_new_seed(self) -> None:
        self.recipe.change({"seed": str(random_seed())})

    def action_random_seed(self) -> None:
        self.recipe.change({"seed": ""})

    def action_swap_size(self) -> None:
        width, height = self.recipe["width"], self.recipe["height"]
        self.recipe.change({"width": height, "height": width})

    def action_next_size(self) -> None:
        sizes = [("", ""), *((str(w), str(h)) for w, h in self.recipe.usual_sizes)]
        now = (self.recipe["width"], self.recipe["height"])
        place = sizes.index(now) + 1 if now in sizes else 0
        width, height = sizes[place % len(sizes)]
        self.recipe.change({"width": width, "height": height})

    def action_clear(self) -> None:
        self._form.clear_choice()
