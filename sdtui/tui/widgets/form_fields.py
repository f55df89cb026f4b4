"""The controls of the form, each one line high."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

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

from sdtui.core.text import one_line
from sdtui.core.typed_paths import PathTextError, parse_typed_paths, typed_text
from sdtui.tui.bindings import bindings_in
from sdtui.tui.fields import FormField
from sdtui.tui.messages import message
from sdtui.tui.widgets.line_input import LineInput


@message
class FieldChanged(Message):
    """The value of a field changed."""

    field: str


@message
class FieldOpened(Message):
    """The user wants to see the choices of a field."""

    field: str


class Form(VerticalScroll, can_focus=False):
    """The container of the fields."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"form--label"}


class FieldWidget(Widget):
    """Draws its label into its left padding; a widget of its own would appear later."""

    spec: FormField

    def render_lines(self, crop: Region) -> list[Strip]:
        """Draw the label before the field's content."""
        lines = super().render_lines(crop)
        form, columns = self.parent, self.styles.padding.left
        if not isinstance(form, Form) or not lines:
            return lines
        style = form.get_component_rich_style("form--label")
        label = Strip([Segment(self.spec.label, style)]).adjust_cell_length(columns, style)
        visible = label.crop(crop.x, crop.right)
        return [Strip.join([visible, lines[0].crop(visible.cell_length)]), *lines[1:]]


class TextField(LineInput, FieldWidget):
    """A field to write in."""

    def __init__(self, spec: FormField) -> None:
        super().__init__(placeholder=spec.open_text, id=f"field-{spec.name}")
        self.spec = spec

    @property
    def text(self) -> str:
        return self.value

    @text.setter
    def text(self, text: str) -> None:
        self.value = text

    def watch_value(self, value: str) -> None:
        self.post_message(FieldChanged(self.spec.name))


class NumberField(TextField):
    """A number. Some letters are keys here, not text."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_in("number")

    native: float | None = None
    """The model's own value, used while the field is left open."""

    def __init__(self, spec: FormField) -> None:
        super().__init__(spec)
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
        now = self.value
        if not now and self.native is not None:
            now = f"{self.native:g}"
        self.value = self.spec.stepped(now, by)
        self.cursor_position = len(self.value)


_NUMBER_CHARACTERS = "0123456789.,-"


class PathField(TextField):
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
        self.value = typed_text(paths[0])
        self.action_end()
        if len(paths) > 1:
            self.notify(f"{len(paths)} files were dropped; {paths[0].name} is taken.")

    def _show_end(self) -> None:
        if not self.has_focus:
            self.cursor_position = len(self.value)
            self.call_after_refresh(
                lambda: self.scroll_to(x=self.max_scroll_x, animate=False, force=True)
            )

    def action_open(self) -> None:
        self.post_message(FieldOpened(self.spec.name))


class ChoiceField(FieldWidget, can_focus=True):
    """A list of few names: left and right select the next one, enter shows them all."""

    DEFAULT_CSS = """
    ChoiceField { width: 1fr; height: 1; }
    ChoiceField:focus { background: $panel; }
    ChoiceField:ansi:focus { text-style: reverse; }
    """

    BINDINGS: ClassVar[list[BindingType]] = bindings_in("choice")

    text: reactive[str] = reactive("")

    def __init__(self, spec: FormField) -> None:
        super().__init__(id=f"field-{spec.name}")
        self.spec = spec
        self.choices: Sequence[str] = spec.choices
        self.placeholder = spec.open_text
        self.set_reactive(ChoiceField.text, spec.default)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return 1

    def render(self) -> Content:
        width = max(1, self.content_size.width - 2)
        value = Content.styled(
            one_line(self.text) or self.placeholder, "" if self.text else "$text-muted"
        )
        return value.truncate(width, ellipsis=True, pad=True) + Content.styled("▾ ", "$text-muted")

    def watch_text(self) -> None:
        self.post_message(FieldChanged(self.spec.name))

    def action_next(self) -> None:
        self._take_next(1)

    def action_previous(self) -> None:
        self._take_next(-1)

    def action_open(self) -> None:
        self.post_message(FieldOpened(self.spec.name))

    def on_click(self) -> None:
        self.action_open()

    def _take_next(self, by: int) -> None:
        if not self.choices:
            self.action_open()
            return
        place = self.choices.index(self.text) if self.text in self.choices else 0
        self.text = self.choices[(place + by) % len(self.choices)]
