"""The rows of the form, each a view of one field of the recipe."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual import events
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from sdtui.core.typed_paths import PathTextError, parse_typed_paths, typed_text
from sdtui.tui.bindings import bindings_in
from sdtui.tui.chips import MARK
from sdtui.tui.fields import FormField, list_items, path_item
from sdtui.tui.form_texts import FormTexts
from sdtui.tui.messages import message
from sdtui.tui.styles import theme_style
from sdtui.tui.widgets.line_input import LineInput

_LABEL_GAP = 2
"""Blanks between a label and its value."""


@message
class FieldOpened(Message):
    """The user wants to see the choices of a field, or to edit its value in a line."""

    field: str


class Form(VerticalScroll, can_focus=False, inherit_bindings=False):
    """The container of the rows."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"form--label"}


class FieldRow(Widget):
    """Shows a field of a form. It draws its label into its left padding; a widget of its own
    would appear later."""

    spec: FormField
    recipe: FormTexts

    @property
    def text(self) -> str:
        return self.recipe[self.spec.name]

    @text.setter
    def text(self, text: str) -> None:
        self.recipe.change({self.spec.name: text})

    def on_mount(self) -> None:
        self.recipe.subscribe(self._follow)
        self._show()

    def _follow(self, fields: frozenset[str]) -> None:
        if self.spec.name in fields:
            self._show()

    def _show(self) -> None:
        """Show the recipe's text, and if it is wrong or has no effect."""
        self.set_class(self.spec.name in self.recipe.problems, "-wrong")
        self.set_class(self.spec.name in self.recipe.unused, "-unused")
        self.set_class(self.recipe.leaves_out(self.spec.name), "-left-out")
        self.refresh()

    def render_lines(self, crop: Region) -> list[Strip]:
        """Draw the label before the value."""
        lines = super().render_lines(crop)
        form = self.parent
        if not isinstance(form, Form) or not lines:
            return lines
        style = form.get_component_rich_style("form--label")
        columns = self.styles.padding.left
        parts = [Segment(self._label(columns - _LABEL_GAP), style)]
        if self.recipe.is_changed(self.spec.name):
            parts.append(Segment(MARK, style + theme_style(self.app, "changed")))
        label = Strip(parts).adjust_cell_length(columns, style)
        visible = label.crop(crop.x, crop.right)
        return [Strip.join([visible, lines[0].crop(visible.cell_length)]), *lines[1:]]

    def _label(self, width: int) -> str:
        """Return the label at the right of `width` cells."""
        label = self.spec.label
        if cell_len(label) > width:
            return set_cell_size(label, max(0, width - 1)) + "…"
        return " " * (width - cell_len(label)) + label

    def action_open(self) -> None:
        self.post_message(FieldOpened(self.spec.name))


class TextRow(LineInput, FieldRow):
    """A field to write in."""

    def __init__(self, recipe: FormTexts, spec: FormField) -> None:
        super().__init__(id=f"field-{spec.name}")
        self.recipe = recipe
        self.spec = spec
        self._shows_recipe = False

    def watch_value(self, value: str) -> None:
        """Change the recipe. Letters that are typed one after the other are one step."""
        if self._shows_recipe:
            self.recipe.change({self.spec.name: value}, merge=f"typing {self.spec.name}")

    def _show(self) -> None:
        self._shows_recipe = True
        if not self.text:
            self.placeholder = self.recipe.shown(self.spec.name)
        if self.value != self.text:
            self.value = self.text
            self.cursor_position = len(self.value)
        super()._show()


class NumberRow(TextRow):
    """A number. Some letters are keys here, not text."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_in("number")

    def __init__(self, recipe: FormTexts, spec: FormField) -> None:
        super().__init__(recipe, spec)
        self.select_on_focus = True  # what is typed takes the old number's place

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Leave letters to the form's bindings."""
        if character is not None and character not in _NUMBER_CHARACTERS:
            return False
        return super().check_consume_key(key, character)

    def refuses(self, event: events.Key) -> bool:
        """Leave a letter that is a key to its action. Others are text, and wrong: if they were left
        out, 1e3 would become 13."""
        is_digit = (event.character or "") in _NUMBER_CHARACTERS
        return event.is_printable and not is_digit and event.key in self.screen.active_bindings

    def action_increase(self) -> None:
        self._step(1)

    def action_decrease(self) -> None:
        self._step(-1)

    def _step(self, by: int) -> None:
        now = self.text or (self.recipe.shown(self.spec.name) if self.spec.native else "")
        name = self.spec.name
        self.recipe.change({name: self.spec.stepped(now, by)}, merge=f"stepping {name}")
        self.select_all()


_NUMBER_CHARACTERS = "0123456789.,-"


class PathRow(TextRow):
    """A path, typed or chosen."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_in("path")

    def watch_value(self, value: str) -> None:
        """Show the end of a path that was set: it says most."""
        super().watch_value(value)
        self._show_end()

    def on_resize(self) -> None:
        self._show_end()

    def paste(self, text: str) -> None:
        """Take the place of the old path, if files were dropped onto the field."""
        try:
            paths = parse_typed_paths(text)
        except PathTextError:  # the form says why
            self.value = ""
            paths = []
        if not paths or not paths[0].is_absolute():
            super().paste(text)
            return
        self.text = typed_text(paths[0])
        self.action_end()
        if len(paths) > 1:
            self.notify(f"{len(paths)} files were dropped; {paths[0].name} is taken.")

    def _show_end(self) -> None:
        if not self.has_focus:
            self.cursor_position = len(self.value)
            self.call_after_refresh(
                lambda: self.scroll_to(x=self.max_scroll_x, animate=False, force=True)
            )


class PathsRow(PathRow):
    """Several paths, typed or chosen one after the other."""

    def paste(self, text: str) -> None:
        """Add files that were dropped onto the field."""
        try:
            paths = parse_typed_paths(text)
        except PathTextError:
            paths = []
        if not paths or not all(path.is_absolute() for path in paths):
            super(PathRow, self).paste(text)
            return
        self.text = ", ".join([*list_items(self.text), *map(path_item, paths)])
        self.action_end()


class ChoiceRow(FieldRow, can_focus=True):
    """One of some values: left and right take the next one of a few, enter shows them all."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_in("choice")

    def __init__(self, recipe: FormTexts, spec: FormField) -> None:
        super().__init__(id=f"field-{spec.name}")
        self.recipe = recipe
        self.spec = spec

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return 1

    def render(self) -> Content:
        width = max(1, self.content_size.width - 2)
        is_changed = self.recipe.is_changed(self.spec.name)
        shown = self.recipe.shown(self.spec.name)
        value = Content.styled(shown, "" if is_changed else "$text-muted")
        return value.truncate(width, ellipsis=True, pad=True) + Content.styled("▾ ", "$text-muted")

    def action_next(self) -> None:
        self._take_next(1)

    def action_previous(self) -> None:
        self._take_next(-1)

    def on_click(self) -> None:
        self.action_open()

    def _take_next(self, by: int) -> None:
        choices, name = self.spec.choices, self.spec.name
        if not choices:
            self.action_open()
            return
        place = choices.index(self.text) if self.text in choices else 0
        text = choices[(place + by) % len(choices)]
        self.recipe.change({name: text}, merge=f"stepping {name}")


class SectionRow(Widget, can_focus=True):
    """The heading of rows that can be folded."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_in("section")

    is_open: reactive[bool] = reactive(False, init=False)

    class Toggled(Message):
        """The rows under a heading were folded or unfolded."""

    def __init__(self, title: str) -> None:
        super().__init__(classes="section")
        self._title = title
        self.summary = ""
        """Shown while the rows are folded."""

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return 1

    def render(self) -> Content:
        sign, summary = ("▾", "") if self.is_open else ("▸", self.summary)
        return Content(f"{sign} {self._title}") + Content.styled(f"  {summary}", "dim")

    def watch_is_open(self) -> None:
        self.post_message(self.Toggled())

    def action_switch(self) -> None:
        self.is_open = not self.is_open

    def action_unfold(self) -> None:
        self.is_open = True

    def action_fold(self) -> None:
        self.is_open = False

    def on_click(self) -> None:
        self.action_switch()


def row_for(recipe: FormTexts, spec: FormField) -> TextRow | ChoiceRow:
    """Return the row of a field."""
    if spec.kind in ("choice", "model", "names"):
        return ChoiceRow(recipe, spec)
    if spec.kind in ("integer", "number"):
        return NumberRow(recipe, spec)
    if spec.kind == "paths":
        return PathsRow(recipe, spec)
    return PathRow(recipe, spec) if spec.kind == "path" else TextRow(recipe, spec)
