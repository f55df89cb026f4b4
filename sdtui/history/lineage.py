"""What a picture was made from, and what was made from it.

A record has the SHA-256 of its input pictures, and the index that of every picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sdtui.core.errors import HistoryError
from sdtui.history.entry import Entry
from sdtui.history.writing import hash_file
from sdtui.requests.request import REQUEST_FIELDS

if TYPE_CHECKING:
    from sdtui.history.index import Index
    from sdtui.requests.record import GenerationRecord

MOST = 500
"""Pictures in a tree."""
_STEPS = (
    ("upscale_image", "upscaled"),
    ("upscale_factor", "upscaled"),
    ("upscale_width", "upscaled"),
    ("upscale_height", "upscaled"),
    ("outpaint", "outpainted"),
    ("mask_image", "inpainted"),
    ("hires_scale", "hires"),
    ("references", "edited"),
    ("init_image", "image to image"),
    ("controls", "ControlNet"),
    ("ip_adapters", "IP-Adapter"),
)
"""A field of a request and what it does with its input, the first that is set counts."""
_FROM_NOTHING = "text to image"


@dataclass(frozen=True)
class Relative:
    """A picture in a tree: one that another was made from, or that was made from it."""

    sha256: str
    entry: Entry | None
    """None if the history hasn't got it, as a mask or a deleted picture."""
    step: str = ""
    """How it was made, such as "inpainted"; "" if it is unknown."""
    relatives: tuple[Relative, ...] = ()
    """Those beyond it."""
    use: str = ""
    """What a file was used as that the history hasn't got, such as "mask"; "" if it is unknown."""
    file: Path | None = None
    """That file, where the record names it."""


@dataclass(frozen=True)
class Lineage:
    """A picture with the trees of what it was made from and of what was made from it."""

    picture: Relative
    parents: tuple[Relative, ...]
    children: tuple[Relative, ...]
    is_cut: bool
    """True if there are more than a tree holds."""


def find_lineage(
    index: Index, read_record: Callable[[Entry], GenerationRecord], entry: Entry
) -> Lineage:
    """Return the lineage of a picture. Raises HistoryError if the index can't be read."""
    search = _Search(index, read_record)
    sha256 = index.hash_of(entry.id)
    parents = search.parents(entry)
    children = search.children(sha256)
    return Lineage(Relative(sha256, entry, search.step(entry)), parents, children, search.is_cut)


def find_lineage_of_file(
    index: Index, read_record: Callable[[Entry], GenerationRecord], file: Path
) -> Lineage | None:
    """Return the lineage of a file that the history hasn't got, or of the picture that it is a copy
    of; None if it can't be read, or nothing was made from it. Raises HistoryError if the index
    can't be read."""
    try:
        sha256 = hash_file(file)
    except (OSError, ValueError):  # ValueError: a NUL in its path
        return None
    if copies := index.by_hash(sha256):
        return find_lineage(index, read_record, copies[0])
    search = _Search(index, read_record)
    children = search.children(sha256)
    return (
        Lineage(Relative(sha256, None, file=file), (), children, search.is_cut)
        if children
        else None
    )


class _Search:
    """Walks through the index. A picture that is met again isn't followed again."""

    def __init__(self, index: Index, read_record: Callable[[Entry], GenerationRecord]) -> None:
        self._index = index
        self._read_record = read_record
        self._left = MOST
        self.is_cut = False
        self._followed: set[tuple[str, bool]] = set()

    def step(self, entry: Entry) -> str:
        """Return how a picture was made."""
        try:
            values = self._read_record(entry).request.values()
        except HistoryError:
            return ""
        return next((step for name, step in _STEPS if values.get(name)), _FROM_NOTHING)

    def parents(self, entry: Entry) -> tuple[Relative, ...]:
        """Return what a picture was made from, pictures of the history first."""
        hashes = self._index.parents_of(entry.id)
        found = [self._parent(each) for each in hashes]
        known = [each for each in found if each is not None]
        if any(each.entry is None for each in known):
            files = self._files(entry, {each.sha256 for each in known if each.entry is None})
            known = [files.get(each.sha256, each) for each in known]
        return tuple(sorted(known, key=lambda each: each.entry is None))

    def _files(self, entry: Entry, hashes: set[str]) -> dict[str, Relative]:
        """Return the input files of a picture that have these hashes, by hash. If one hash and one
        file that isn't there any more are left, they belong together."""
        try:
            images = self._read_record(entry).request.input_images()
        except HistoryError:
            return {}
        found: dict[str, Relative] = {}
        missing: list[Relative] = []
        for name, path in images.items():
            use = REQUEST_FIELDS[name.partition(".")[0]].spec.label.lower()
            try:
                sha256 = hash_file(path)
            except OSError:
                missing.append(Relative("", None, use=use, file=path))
            else:
                if sha256 in hashes:
                    found[sha256] = Relative(sha256, None, use=use, file=path)
        left = hashes - found.keys()
        if len(left) == len(missing) == 1:
            (sha256,) = left
            found[sha256] = replace(missing[0], sha256=sha256)
        return found

    def _parent(self, sha256: str) -> Relative | None:
        if not self._takes():
            return None
        entries = self._index.by_hash(sha256)
        if not entries:
            return Relative(sha256, None)
        beyond = self.parents(entries[0]) if self._follows(sha256, up=True) else ()
        return Relative(sha256, entries[0], self.step(entries[0]), beyond)

    def children(self, sha256: str) -> tuple[Relative, ...]:
        """Return what was made from a picture, oldest first."""
        found: list[Relative] = []
        for entry in self._index.children_of(sha256, MOST + 1):
            if not self._takes():
                break
            own = self._index.hash_of(entry.id)
            beyond = self.children(own) if self._follows(own, up=False) else ()
            found.append(Relative(own, entry, self.step(entry), beyond))
        return tuple(found)

    def _takes(self) -> bool:
        """Count a picture. Returns False if the tree is full."""
        if self._left == 0:
            self.is_cut = True
            return False
        self._left -= 1
        return True

    def _follows(self, sha256: str, *, up: bool) -> bool:
        """Return False for a picture that was followed before."""
        is_new = (sha256, up) not in self._followed
        self._followed.add((sha256, up))
        return is_new


def tree_lines(relatives: Sequence[Relative]) -> Iterator[tuple[str, Relative]]:
    """Yield each picture of a tree with the lines that are drawn before it."""
    for place, each in enumerate(relatives):
        is_last = place == len(relatives) - 1
        yield ("└─ " if is_last else "├─ "), each
        for lines, beyond in tree_lines(each.relatives):
            yield ("   " if is_last else "│  ") + lines, beyond
