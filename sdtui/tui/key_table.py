"""Keys and what they do, laid out in columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.cells import cell_len, set_cell_size
from rich.style import Style
from rich.text import Text

_GAP = 3
"""Columns between two columns of keys."""
_LONGEST_LABEL = 24


@dataclass(frozen=True)
class KeyChoice:
    """One or more keys that do the same."""

    keys: str
    """Separated by commas, as Textual names them."""
    label: str
    group: str = ""
    """The heading under which it is listed."""
    shown: str = ""
    """The keys that are shown, if not all are."""

    def has(self, key: str) -> bool:
        """True if this is one of the keys."""
        return key in self.keys.split(",")


@dataclass(frozen=True)
class TableStyles:
    """How the parts of a table look."""

    key: Style
    label: Style
    heading: Style


def key_table(
    choices: Sequence[KeyChoice],
    width: int,
    styles: TableStyles,
    written: Callable[[str], str],
) -> list[Text]:
    """Return the lines of a table of at most `width` columns: groups one after the other, each with
    its heading, and their keys from top to bottom. `written` says how keys are written."""
    lines: list[Text] = []
    for heading, group in groupby(choices, key=lambda choice: choice.group):
        if heading:
            lines.append(
                Text(set_cell_size(heading, min(width, cell_len(heading))), styles.heading)
            )
        lines += _columns([*group], width, styles, written)
    return lines


def _columns(
    choices: Sequence[KeyChoice],
    width: int,
    styles: TableStyles,
    written: Callable[[str], str],
) -> Iterator[Text]:
    cells = [(written(each.shown or each.keys), each.label[:_LONGEST_LABEL]) for each in choices]
    narrowest = min(cell_len(key) + 1 + cell_len(label) for key, label in cells)
    most = (width + _GAP) // (narrowest + _GAP)
    for count in range(max(1, min(most, len(cells))), 0, -1):
        rows = -(-len(cells) // count)
        columns = [cells[start : start + rows] for start in range(0, len(cells), rows)]
        widths = [
            (max(cell_len(key) for key, _ in column), max(cell_len(label) for _, label in column))
            for column in columns
        ]
        needed = sum(key + 1 + label for key, label in widths) + _GAP * (len(columns) - 1)
        if needed <= width or count == 1:
            break
    for row in range(rows):
        line = Text(no_wrap=True)
        for number, (column, (key_width, label_width)) in enumerate(
            zip(columns, widths, strict=True)
        ):
            if row < len(column):
                key, label = column[row]
                line.append(" " * (_GAP if number else 0))
                line.append(f"{' ' * (key_width - cell_len(key))}{key}", styles.key)
                line.append(f" {set_cell_size(label, label_width)}", styles.label)
        line.truncate(width)
        yield line
