"""The fields in which two pictures differ."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style
from rich.table import Table
from rich.text import Text
from textual.widgets import Static

from sdtui.core.text import one_line
from sdtui.tui.record_differences import DifferentField, TextPart, changed_parts
from sdtui.tui.styles import theme_style

_LABEL_COLUMNS = 20


class DifferenceTable(Static):
    """A line for each field, with the values of both pictures and the changed words of prompts
    emphasised."""

    def show(self, fields: Sequence[DifferentField]) -> None:
        """Show these fields."""
        table = Table.grid(padding=(0, 2), expand=True)
        table.add_column(max_width=_LABEL_COLUMNS, no_wrap=True)
        table.add_column(ratio=1)
        table.add_column(ratio=1)
        for field in fields:
            table.add_row(Text(field.label, theme_style(self.app, "muted")), *self._values(field))
        if not fields:
            table.add_row("", Text("The settings are the same."))
        self.update(table)

    def _values(self, field: DifferentField) -> tuple[Text, Text]:
        if not field.is_text:
            return Text(one_line(field.first)), Text(one_line(field.second))
        first, second = changed_parts(one_line(field.first), one_line(field.second))
        return self._text(first), self._text(second)

    def _text(self, parts: Sequence[TextPart]) -> Text:
        text = Text()
        for part in parts:
            style = theme_style(self.app, "changed" if part.is_changed else "muted")
            text.append(part.text, style + Style(bold=part.is_changed))
        return text
