"""The fields of a form under headings, some of which are folded, and what is said of a field."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import PurePath

from textual import events, on
from textual.content import Content
from textual.geometry import Offset
from textual.widget import Widget
from textual.widgets import Static

from sdtui.core.text import end_of, one_line
from sdtui.tui.chips import MARK, names_in
from sdtui.tui.fields import FormField
from sdtui.tui.form_texts import FormTexts
from sdtui.tui.widgets.form_fields import ChoiceRow, Form, SectionRow, TextRow, row_for

_NARROW = 40
"""Columns; in less, labels are shortened."""


class FieldForm(Form):
    """A row for each field but prompts, and a heading for each group."""

    DEFAULT_CSS = """
    FieldForm#form {
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
        .-folded, .-left-out { display: none; }
        &.-narrow { TextRow, ChoiceRow { padding: 0 0 0 14; } }
    }
    """

    def __init__(
        self,
        texts: FormTexts,
        *,
        group_of: Callable[[FormField], str],
        folded: Collection[str],
    ) -> None:
        """`group_of` returns the heading of a field; those in `folded` are folded at first."""
        super().__init__(id="form")
        self.texts = texts
        self.fields: dict[str, TextRow | ChoiceRow] = {
            name: row_for(texts, spec)
            for name, spec in texts.fields.items()
            if spec.kind != "prompt"
        }
        self._group_of = group_of
        self._headings = {group: SectionRow(group) for group in folded}

    def fill(self) -> None:
        """Mount the rows, if they aren't yet. They take longer than the rest of the window, so a
        form that is hidden at first has them only once someone goes there."""
        if not self.children:
            self.mount_all(self._lines())

    def _lines(self) -> Iterator[Widget]:
        group = ""
        rows = self.fields.values()
        groups = list(dict.fromkeys(self._group_of(row.spec) for row in rows))
        for row in sorted(rows, key=lambda row: groups.index(self._group_of(row.spec))):
            if self._group_of(row.spec) != group:
                group = self._group_of(row.spec)
                yield self._headings.get(group) or Static(group, classes="section")
            row.set_class(group in self._headings and not self._headings[group].is_open, "-folded")
            yield row

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width < _NARROW, "-narrow")

    def follow(self) -> None:
        """Show at folded headings what was changed under them, and unfold where a value is
        wrong."""
        for group, heading in self._headings.items():
            hidden = [row.spec.name for row in self._rows_of(group)]
            changed = filter(self.texts.is_changed, hidden)
            heading.summary = " ".join(f"{self._short(name)}{MARK}" for name in changed)
            heading.refresh()
            if any(name in self.texts.problems for name in hidden):
                heading.is_open = True

    def _short(self, name: str) -> str:
        """Return a value as it is shown, without the folders of a file."""
        shown, kind = self.texts.shown(name), self.texts.fields[name].kind
        if kind == "paths":
            return names_in(shown)
        return PurePath(shown).name if kind == "path" else shown

    def _rows_of(self, group: str) -> list[TextRow | ChoiceRow]:
        return [row for row in self.fields.values() if self._group_of(row.spec) == group]

    @on(SectionRow.Toggled)
    def _fold(self, event: SectionRow.Toggled) -> None:
        event.stop()
        for group, heading in self._headings.items():
            for row in self._rows_of(group):
                row.set_class(not heading.is_open, "-folded")

    @property
    def focused_row(self) -> TextRow | ChoiceRow | None:
        """The row with the focus."""
        return next((row for row in self.fields.values() if row.has_focus), None)

    def explanation(self, width: int) -> tuple[str, bool]:
        """Return what is wrong with the field with the focus, or with another, or what it is for,
        or why it has no effect, for two lines of `width` cells; and True if something is wrong."""
        problems, focused = self.texts.problems, self.focused_row
        name = focused.spec.name if focused is not None else ""
        wrong = name if name in problems else next(iter(problems), "")
        if wrong:
            label = self.texts.fields[wrong].label if wrong in self.texts.fields else wrong
            return f"{label}: {_fitted(one_line(problems[wrong]), width)}", True
        if name in self.texts.unused:
            return f"No effect: {self.texts.unused[name]}.", False
        return focused.spec.help if focused is not None else "", False

    def focus_field(self, name: str) -> None:
        """Focus the row of a field, which is unfolded for it."""
        self.fill()
        row = self.fields[name]
        heading = self._headings.get(self._group_of(row.spec))
        if heading is not None:
            heading.is_open = True
            row.remove_class("-folded")
        self.screen.set_focus(row)
        # The form may have been hidden until now.
        self.call_after_refresh(row.scroll_visible, animate=False)

    def place_of(self, name: str) -> Offset:
        """Return the cell of the window where a field's value begins."""
        row = self.fields[name]
        return row.region.offset + Offset(row.styles.padding.left, 0)

    def move(self, by: int) -> None:
        """Focus the row or heading that is `by` further down."""
        rows: list[Widget] = [each for each in self.children if each.focusable and each.display]
        place = next((at for at, each in enumerate(rows) if each.has_focus), None)
        if place is not None:
            self.screen.set_focus(rows[max(0, min(place + by, len(rows) - 1))])

    def clear_choice(self) -> None:
        """Leave the choice with the focus as it is by default."""
        row = self.focused_row
        if isinstance(row, ChoiceRow):
            row.text = row.spec.default


def _fitted(problem: str, width: int) -> str:
    """Return a problem for two lines of `width` cells: of long paths the end is shown, and of a
    long text the end too, where the reason is."""
    if width <= 0:  # the form isn't visible
        return problem
    short = " ".join(end_of(word, width * 2 // 3) for word in problem.split())
    return end_of(short, max(1, 3 * width // 2))


class ExplanationLine(Static):
    """What is said of the fields of a form."""

    DEFAULT_CSS = """
    ExplanationLine { height: 2; padding: 0 1; color: $text-muted; &.-wrong { color: $error; } }
    """

    def explain(self, form: FieldForm) -> None:
        """Show what a form says now."""
        text, is_wrong = form.explanation(self.size.width)
        self.set_class(is_wrong, "-wrong")
        self.update(Content(text))
