"""The form's parameters: all fields except the prompts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from textwrap import wrap
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from sdtui.core.text import end_of, one_line
from sdtui.requests.request import random_seed
from sdtui.tui.background import run_on_thread, start_worker
from sdtui.tui.bindings import bindings_in
from sdtui.tui.fields import FormField, file_problems, form_fields, problems_of, usual_sizes
from sdtui.tui.panes.pane import Pane
from sdtui.tui.widgets.form_fields import (
    ChoiceField,
    FieldChanged,
    Form,
    NumberField,
    PathField,
    TextField,
)

if TYPE_CHECKING:
    from sdtui.models import NativeValues

_MOST_LINES = 6
"""Lines of a problem; more would push the fields away."""


class ProblemText(Static):
    """What is wrong with a field, over both columns of the form."""

    def __init__(self, text: str, lines: int) -> None:
        super().__init__(Content(text), classes="problem")
        self._lines = lines

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return its lines: the form asks for those that it would have in one column."""
        return self._lines


class ParametersPane(Pane):
    """One line for a field or two, made from the fields of a request."""

    TITLE = "Parameters"
    ABOUT = (
        "Everything that a picture depends on. A value left open (auto) is the model's own; an "
        "open seed is drawn anew for each job. Up and down step a number, left and right take the "
        "next choice, enter shows all of them. Letters are keys here, also inside a number."
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings_in("form")

    class Changed(Message):
        """A value changed."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        shown = [each for each in form_fields() if each.kind != "prompt"]
        self._rows: list[list[str]] = []
        for each in shown:
            if each.same_row:
                self._rows[-1].append(each.name)
            else:
                self._rows.append([each.name])
        self.fields: dict[str, TextField | ChoiceField] = {
            each.name: _control(each) for each in shown
        }
        for name, *others in self._rows:
            self.fields[name].set_class(not others, "-wide")
            for other in others:
                self.fields[other].add_class("-second")
        self.last_seed: int | None = None
        self._problems: dict[str, str] = {}
        self._disk_problems: dict[str, tuple[str, str]] = {}
        """Field → the text that was checked, and what is wrong with the file or model that it
        names."""
        self._checked_files: dict[str, str] | None = None
        """The texts of the fields for files that were checked last."""
        self._is_checked = False

    def compose(self) -> ComposeResult:
        """Yield fields in two columns; one alone in its line takes both."""
        with Form(id="form"):
            for row in self._rows:
                for name in row:
                    yield self.fields[name]

    @property
    def texts(self) -> dict[str, str]:
        """The text of every field."""
        return {name: field.text for name, field in self.fields.items()}

    def fill(self, texts: Mapping[str, str]) -> None:
        """Write into fields. Those that `texts` doesn't name stay as they are."""
        for name, field in self.fields.items():
            if name in texts:
                field.text = texts[name]

    def without_unknown_choices(self, texts: Mapping[str, str]) -> dict[str, str]:
        """`texts` without choices that no field has: another version may have had them."""
        choices = {name: field.spec.choices for name, field in self.fields.items()}
        return {
            name: text
            for name, text in texts.items()
            if not choices.get(name) or text in choices[name]
        }

    def use_native(self, native: NativeValues) -> None:
        """Show the model's own values in fields that are left open."""
        for name, field in self.fields.items():
            if not field.spec.native:
                continue
            value = native.get(name)
            field.placeholder = field.spec.open_text if value is None else f"{value} (auto)"
            if isinstance(field, NumberField):
                field.native = value
                field.placeholder = field.spec.open_text if value is None else f"{value:g}"
            field.refresh()

    def check(self) -> None:
        """Validate now and after every change. Validation imports a large library, so call this
        only once the window is visible."""
        self._is_checked = True
        self._show_problems()

    def focus_problem(self, problems: Mapping[str, str]) -> bool:
        """Focus the first invalid field, if it is in the form."""
        wrong = next((self.fields[name] for name in self.fields if name in problems), None)
        if wrong is not None:
            self.screen.set_focus(wrong)
        return wrong is not None

    def show_disk_problem(self, name: str, text: str, problem: str) -> None:
        """Show what is wrong with the file or model that a field names, as long as it has this
        text; "" if nothing is."""
        self._disk_problems[name] = (text, problem)
        if self._is_checked:
            self._show_problems()

    @on(FieldChanged)
    def _field_changed(self, event: FieldChanged) -> None:
        event.stop()
        if self._is_checked:
            self._show_problems()
        self.post_message(self.Changed())

    def _check_files(self) -> None:
        """Check the files that the form names on another thread, if others are named than before:
        they may be on a slow disk."""
        files = {
            name: field.text for name, field in self.fields.items() if isinstance(field, PathField)
        }
        if files != self._checked_files:
            self._checked_files = files
            work = partial(self._show_file_problems, files)
            start_worker(self, work, group="files", exclusive=True)

    async def _show_file_problems(self, files: Mapping[str, str]) -> None:
        problems = await run_on_thread(lambda: file_problems(files))
        for name, text in files.items():
            self.show_disk_problem(name, text, problems.get(name, ""))

    def _show_problems(self) -> None:
        self._check_files()
        texts = self.texts
        disk = {
            name: problem
            for name, (text, problem) in self._disk_problems.items()
            if problem and text == texts[name]
        }
        problems = problems_of(texts, disk)
        if problems == self._problems or not self.is_attached:  # or the app is ending
            return
        self._problems = problems
        for old in self.query(".problem"):
            old.remove()
        form = self.query_one("#form")
        for row in self._rows:
            below: Widget = self.fields[row[-1]]
            for name in row:
                wrong = name in problems
                self.fields[name].set_class(wrong, "-wrong")
                if wrong:
                    label = f"{self.fields[name].spec.label}: " if len(row) > 1 else ""
                    problem = ProblemText(
                        *_fitted(
                            f"↑ {label}{one_line(problems[name])}", form.content_size.width - 1
                        )
                    )
                    form.mount(problem, after=below)
                    below = problem

    @property
    def _focused_field(self) -> Widget | None:
        return next((field for field in self.fields.values() if field.has_focus), None)

    def action_last_seed(self) -> None:
        if self.last_seed is None:
            self.notify("No picture has been made yet, so there is no last seed.")
        else:
            self.fields["seed"].text = str(self.last_seed)

    def action_new_seed(self) -> None:
        self.fields["seed"].text = str(random_seed())

    def action_random_seed(self) -> None:
        self.fields["seed"].text = ""

    def action_swap_size(self) -> None:
        width, height = self.fields["width"], self.fields["height"]
        width.text, height.text = height.text, width.text

    def action_next_size(self) -> None:
        width, height = self.fields["width"], self.fields["height"]
        native = width.native if isinstance(width, NumberField) else None
        sizes = [("", ""), *((str(w), str(h)) for w, h in usual_sizes(int(native or 512)))]
        now = (width.text, height.text)
        place = sizes.index(now) + 1 if now in sizes else 0
        width.text, height.text = sizes[place % len(sizes)]

    def action_clear(self) -> None:
        field = self._focused_field
        if isinstance(field, ChoiceField):
            field.text = field.spec.default


def _fitted(text: str, width: int) -> tuple[str, int]:
    """Return a problem and its height: of long paths the end, and of a long text its beginning and
    its end, where the reason is."""
    columns = max(1, width)
    short = " ".join(end_of(word, columns) for word in text.split())
    lines = wrap(short, columns)
    if len(lines) <= _MOST_LINES:
        return short, len(lines)
    return "\n".join([lines[0], "…", *lines[2 - _MOST_LINES :]]), _MOST_LINES


def _control(spec: FormField) -> TextField | ChoiceField:
    if spec.kind in ("choice", "model"):
        return ChoiceField(spec)
    field = _TEXT_FIELDS[spec.kind](spec)
    field.set_reactive(TextField.value, spec.default)
    return field


_TEXT_FIELDS: Mapping[str, type[TextField]] = {
    "path": PathField,
    "integer": NumberField,
    "number": NumberField,
    "text": TextField,
}
