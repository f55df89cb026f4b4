"""The objects of the pocket model: pictures of Fluent emoji and their names."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Thing:
    """An object; `code` is its file in the npm package (Unicode code points in hex)."""

    code: str
    names: tuple[str, ...]
    recolourable: bool = False
    """True if it is mostly of one colour, and would be taken for itself in another."""

    @property
    def name(self) -> str:
        return self.names[0]


_TABLE = (Path(__file__).parent / "objects.txt").read_text()
"""A line for each object: its code, with a star if it can have other colours, and its names."""

THINGS: tuple[Thing, ...] = tuple(
    Thing(code.rstrip("*"), tuple(name.strip() for name in names.split(",")), code.endswith("*"))
    for code, names in (line.split(maxsplit=1) for line in _TABLE.strip().splitlines())
)
