"""What a terminal shows: a grid of cells, each with a character and its look."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from rich.cells import get_character_cell_size, split_graphemes

from sdtui.tui.terminal.raster import MARK

_SINGLE = re.compile("[ -~\u00a0-\u00ac\u00ae-\u02ff\u0370-\u0482\u2500-\u25fc\u2800-\u28ff]+")
"""Characters of one cell each."""
UNSEEN_ON_BLANKS = {"", "1", "2", "3", "1;2", "1;3", "2;3", "1;2;3"}
"""Attributes that don't change how a space looks: bold, dim and italic."""
_VARIATIONS = "\u200d\ufe0e\ufe0f"
"""Joiner and variation selectors: terminals differ in how wide they make a character."""


class Look(NamedTuple):
    """How a character is drawn: parameters of SGR, each "" for the terminal's default, and the
    address that it links to."""

    attributes: str = ""
    foreground: str = ""
    background: str = ""
    link: str = ""


PLAIN = Look()
Cell = tuple[str, Look]
"""A character with what is combined with it, and its look. The second cell of a wide character has
an empty text."""
UNKNOWN: Cell = ("\0", Look("unknown"))
"""A cell that may show anything."""


class CellGrid:
    """Rows of cells."""

    def __init__(self, width: int, height: int) -> None:
        """All cells are unknown."""
        self.resize(width, height)

    def resize(self, width: int, height: int) -> None:
        """Change the size; then all cells are unknown."""
        self.width = width
        self.height = height
        self.rows: list[list[Cell]] = [[UNKNOWN] * width for _ in range(height)]

    def copy(self) -> CellGrid:
        """Return another grid with the same cells."""
        other = CellGrid(0, 0)
        other.width, other.height = self.width, self.height
        other.rows = [row[:] for row in self.rows]
        return other

    def put(self, y: int, x: int, text: str, look: Look, right: int) -> int:
        """Write a text before the column `right`. Returns the column after it."""
        row = self.rows[y]
        combined, cells = cells_of(text, look)
        if combined and x:
            before = x - 1 if row[x - 1][0] else max(0, x - 2)
            row[before] = (row[before][0] + combined, row[before][1])
        if x + len(cells) > right:
            is_cut = not cells[right - x][0]
            del cells[right - x :]
            if is_cut and cells:
                cells[-1] = blank(look)
        end = x + len(cells)
        if not row[x : x + 1] or end == x:
            return end
        if not row[x][0] and x:
            row[x - 1] = blank(row[x - 1][1])
        if end < self.width and not row[end][0]:
            row[end] = blank(row[end][1])
        row[x:end] = cells
        return end


def cells_of(text: str, look: Look) -> tuple[str, list[Cell]]:
    """Return what combines with the character before the text, and the text's cells."""
    space = blank(look)
    if text.isascii() or _SINGLE.fullmatch(text):
        return "", [(each, look) if each != " " else space for each in text]
    combined = ""
    cells: list[Cell] = []
    for start, end, width in split_graphemes(text)[0]:
        each = text[start:end]
        if width:
            cells.append((each, look) if each != " " else space)
            cells.extend([("", look)] * (width - 1))
        else:  # only the first can be
            combined += each
    return combined, cells


@lru_cache(maxsize=4096)
def blank(look: Look) -> Cell:
    """Return a space, without what can't be seen on it."""
    if look.attributes in UNSEEN_ON_BLANKS:
        return (" ", Look("", "", look.background, look.link))
    return (" ", look)


@lru_cache(maxsize=4096)
def has_certain_width(text: str) -> bool:
    """False for characters that take one cell in some terminals and two in others, as emoji do, and
    for marks of pictures."""
    if text[0] == MARK:
        return False
    if _SINGLE.match(text):
        return not any(each in text for each in _VARIATIONS)
    is_narrow = get_character_cell_size(text[0]) < 2
    return (is_narrow or text[0].isalpha()) and not any(each in text for each in _VARIATIONS)
