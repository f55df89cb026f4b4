"""The form: every value of the recipe but the prompts, under headings."""

from __future__ import annotations

from pathlib import PurePath
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.geometry import Offset
from textual.widget import Widget
from textual.widgets import Static

from sdtui.core.text import end_of, one_line
from sdtui.requests.request import random_seed
from sdtui.tui.bindings import bindings_in
from sdtui.tui.chips import MARK, names_in
from sdtui.tui.panes.pane import Pane
from sdtui.tui.recipe import Recipe
from sdtui.tui.widgets.form_fields import ChoiceRow, Form, SectionRow, TextRow, row_for

_FOLDED = ("Inpainting", "Hires", "Refiner", "Noise", "Guidance", "Upscale", "Machine")
"""The headings whose rows are folded at first: they hardly ever change."""
_NARROW = 40
"""Columns; in less, labels are shortened."""


class RecipePane(Pane):
    """A row for each field, made from those of a request, and a place for what is wrong."""

    TITLE = "Recipe"
    ABOUT = (
        "Everything that a picture depends on. A value left open (dim) is the model's own; an open "
        "seed is drawn anew for each job. Up and down go through the rows, left and right change "
        "the value, enter shows all choices. Letters are keys here, also inside a number."
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings_in("form")
    DEFAULT_CSS = """
    RecipePane {
        #form {
            height: 1fr;
            padding: 0 1;
            scrollbar-size-vertical: 1;
            .form--label { color: $text-muted; }
            .section { height: 1; color: $text-muted; text-style: bold; }
            .section:focus { background: $panel; color: $accent; }
            TextRow, ChoiceRow {
                width: 1fr;
                height: 1;
                padding: 0 0 0 22;
                background: transparent;
                &:focus { background: $panel; }
                &.-unused { color: $text-muted; text-style: strike; }
                &.-wrong { color: $error; }
            }
            TextRow:ansi:focus {
                background: ansi_default;
                color: ansi_default;
                text-style: underline;
            }
            ChoiceRow:ansi:focus, .section:ansi:focus { text-style: reverse; }
        }
        #form .-folded, #form .-left-out { display: none; }
        #reason { height: 2; padding: 0 1; color: $text-muted; &.-wrong { color: $error; } }
        &.-narrow #form { TextRow, ChoiceRow { padding: 0 0 0 14; } }
    }
    """

    def __init__(self, recipe: Recipe, *, id: str) -> None:
        super().__init__(id=id)
        self.recipe = recipe
        self.fields: dict[str, TextRow | ChoiceRow] = {
            name: row_for(recipe, spec)
            for name, spec in recipe.fields.items()
            if spec.kind != "prompt"
        }
        self._headings = {group: SectionRow(group) for group in _FOLDED}
        self._last_row: Widget = self.fields["model"]
        self._reason = Static(id="reason")

    def compose(self) -> ComposeResult:
        group = ""
        groups = list(dict.fromkeys(row.spec.group for row in self.fields.values()))
        with Form(id="form"):
            for row in sorted(self.fields.values(), key=lambda row: groups.index(row.spec.group)):
                if row.spec.group != group:
                    group = row.spec.group
                    yield self._headings.get(group) or Static(group, classes="section")
                row.set_class(group in self._headings, "-folded")
                yield row
        yield self._reason

    def on_mount(self) -> None:
        self.recipe.subscribe(self._follow, prompts=False)
        self._follow(frozenset())

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width < _NARROW, "-narrow")
        self.call_after_refresh(self._explain)

    def _follow(self, _: frozenset[str]) -> None:
        for group, heading in self._headings.items():
            hidden = [row.spec.name for row in self._rows_of(group)]
            changed = filter(self.recipe.is_changed, hidden)
            heading.summary = " ".join(f"{self._short(name)}{MARK}" for name in changed)
            heading.refresh()
            if any(name in self.recipe.problems for name in hidden):
                heading.is_open = True
        self._explain()

    def _short(self, name: str) -> str:
        """Return a value as it is shown, without the folders of a file."""
        shown, kind = self.recipe.shown(name), self.recipe.fields[name].kind
        if kind == "paths":
            return names_in(shown)
        return PurePath(shown).name if kind == "path" else shown

    def _rows_of(self, group: str) -> list[TextRow | ChoiceRow]:
        return [row for row in self.fields.values() if row.spec.group == group]

    @on(SectionRow.Toggled)
    def _fold(self, event: SectionRow.Toggled) -> None:
        event.stop()
        for group, heading in self._headings.items():
            for row in self._rows_of(group):
                row.set_class(not heading.is_open, "-folded")

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        self._last_row = event.widget
        self._explain()

    def focus_target(self) -> Widget:
        """Return the row that had the focus last."""
        return self._last_row if self._last_row.display else self.fields["model"]

    def _explain(self) -> None:
        """Say what is wrong with the field with the focus, or with another, or what it is for, or
        why it has no effect."""
        problems, focused = self.recipe.problems, self._focused_row
        name = focused.spec.name if focused is not None else ""
        wrong = name if name in problems else next(iter(problems), "")
        if wrong:
            label = self.recipe.fields[wrong].label if wrong in self.recipe.fields else wrong
            text = f"{label}: {_fitted(one_line(problems[wrong]), self._reason.size.width)}"
        elif name in self.recipe.unused:
            text = f"No effect: {self.recipe.unused[name]}."
        else:
            text = focused.spec.help if focused is not None else ""
        self._reason.set_class(bool(wrong), "-wrong")
        self._reason.update(Content(text))

    @property
    def _focused_row(self) -> TextRow | ChoiceRow | None:
        return next((row for row in self.fields.values() if row.has_focus), None)

    def focus_field(self, name: str) -> None:
        """Focus the row of a field, which is unfolded for it."""
        row = self.fields[name]
        heading = self._headings.get(row.spec.group)
        if heading is not None:
            heading.is_open = True
            row.remove_class("-folded")
        self.screen.set_focus(row)
        # The pane may have been hidden until now.
        self.call_after_refresh(row.scroll_visible, animate=False)

    def place_of(self, name: str) -> Offset:
        """Return the cell of the window where a field's value begins."""
        row = self.fields[name]
        return row.region.offset + Offset(row.styles.padding.left, 0)

    # Keys

    def action_previous_row(self) -> None:
        self._move(-1)

    def action_next_row(self) -> None:
        self._move(1)

    def _move(self, by: int) -> None:
        rows = [each for each in self.query_one(Form).children if each.focusable and each.display]
        place = next((at for at, each in enumerate(rows) if each.has_focus), None)
        if place is not None:
            self.screen.set_focus(rows[max(0, min(place + by, len(rows) - 1))])

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
        row = self._focused_row
        if isinstance(row, ChoiceRow):
            row.text = row.spec.default


def _fitted(problem: str, width: int) -> str:
    """Return a problem for two lines of `width` cells: of long paths the end is shown, and of a
    long text the end too, where the reason is."""
    if width <= 0:  # the pane isn't visible
        return problem
    short = " ".join(end_of(word, width * 2 // 3) for word in problem.split())
    return end_of(short, max(1, 3 * width // 2))
