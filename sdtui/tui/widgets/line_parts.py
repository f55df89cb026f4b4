"""Fitting the pieces of a line into its width: the least important ones leave first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.style import Style
from rich.text import Text

from sdtui.core.text import end_of

_SHORTEST_WORD = 16
"""Characters of a path that are left in a shortened sentence."""


@dataclass(frozen=True, eq=False)
class Part:
    """A piece of a line."""

    rank: int
    """Pieces with high ranks leave first."""
    draw: Callable[[int], Text]
    """Returns the piece for a number of columns, which is from `least` to `most`."""
    least: int
    wanted: int
    """The columns that it takes before a piece of a higher rank gets any."""
    most: int


def fixed(rank: int, text: str, style: Style) -> Part:
    """Return a piece of one size."""
    width = cell_len(text)
    return Part(rank, lambda _: Text(text, style), width, width, width)


def shortenable(rank: int, text: str, style: Style, least: int, wanted: int) -> Part:
    """Return a piece whose middle is left out where it doesn't fit."""
    width = cell_len(text)

    def draw(columns: int) -> Text:
        return Text(shortened_in_the_middle(text, columns), style)

    return Part(rank, draw, min(least, width), min(wanted, width), width)


def fitted(groups: Sequence[Sequence[Part]], width: int, gap: int) -> list[Text]:
    """Return the text of each group, so that all of them and `gap` columns between every two take
    at most `width`. A group without space for a piece gets none of a higher rank."""
    columns: dict[Part, int] = {}
    left = width + gap
    begun, full = set(), set()
    ranked = sorted(
        ((part, number) for number, group in enumerate(groups) for part in group),
        key=lambda pair: pair[0].rank,
    )
    for part, number in ranked:
        space = left - (0 if number in begun else gap)
        if space < part.least:
            full.add(number)
        elif number not in full:
            columns[part] = min(part.wanted, space)
            left = space - columns[part]
            begun.add(number)
    for part in [*columns]:
        more = min(part.most - columns[part], left)
        columns[part] += more
        left -= more
    return [
        Text().join(part.draw(columns[part]) for part in group if part in columns)
        for group in groups
    ]


def shortened_sentence(text: str, columns: int) -> str:
    """Return a sentence in at most `columns` cells. First long words such as paths are cut down to
    their ends, then the middle of the sentence is left out."""
    for width in (columns // 2, columns // 3, _SHORTEST_WORD):
        if cell_len(text) > columns:
            text = " ".join(end_of(word, max(_SHORTEST_WORD, width)) for word in text.split(" "))
    return shortened_in_the_middle(text, columns)


def shortened_in_the_middle(text: str, columns: int) -> str:
    """Return the beginning and the end of a text, with an ellipsis between them, in at most
    `columns` cells. A path's end says most of it, and a sentence's beginning."""
    if cell_len(text) <= columns:
        return text
    if columns <= 1:
        return "…" * columns
    first = (columns - 1) * 2 // 3
    last = columns - 1 - first
    end = text[len(text) - last :] if last else ""
    while cell_len(end) > last:
        end = end[1:]
    return f"{set_cell_size(text, first).rstrip()}…{end}"
