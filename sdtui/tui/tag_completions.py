"""Completes tags from a list in the format of A1111's extension a1111-tagcomplete: a CSV file with
name, type, number of pictures, and other names."""

from __future__ import annotations

import csv
import io
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from sdtui.core.errors import SettingsError
from sdtui.core.text_files import SAVE_AS_UTF8, UnreadableTextError, decode_text
from sdtui.tui.completions import Replacement

_LEAST_LETTERS = 3
_INDEXED = 5
"""Letters up to which the most frequent tags are known in advance."""
_MOST = 20
"""Candidates."""
_PHRASE = re.compile(r"[^,\n(\[{|<:]*\Z")
_BLANK = re.compile(r"\s+")
_MOST_WORDS = 3
"""At the end of a phrase, that are looked for by themselves."""
_BRACKET = re.compile(r"[()\[\]]")


class Tag(NamedTuple):
    """A tag of a list."""

    name: str
    uses: int = 0
    """How many pictures have it."""
    aliases: Sequence[str] = ()


class TagCompletions:
    """Completes the phrase that is written with the most frequent tag."""

    def __init__(self, tags: Iterable[Tag]) -> None:
        """Underscores in `tags` become blanks."""
        most = sorted(tags, key=lambda tag: -tag.uses)
        self._tags = [_written(tag.name) for tag in most]
        lines = [",".join((tag.name, *tag.aliases)) for tag in most]
        self._names = "\n".join(lines).casefold().replace("_", " ")
        """A line for each tag, with its other names."""
        self._ends = list(accumulate(len(line.casefold()) + 1 for line in lines))
        """Where the lines end."""
        by_name = sorted((tag.casefold(), place) for place, tag in enumerate(self._tags))
        self._folded = [folded for folded, _ in by_name]
        self._places = [place for _, place in by_name]
        self._best: dict[str, list[int]] = {}
        for place, tag in enumerate(self._tags):
            folded = tag.casefold()
            for length in range(_LEAST_LETTERS, _INDEXED + 1):
                best = self._best.setdefault(folded[:length], [])
                if len(folded) >= length and len(best) < _MOST:
                    best.append(place)

    def complete(self, text: str) -> str:
        """Return the rest of the most frequent tag."""
        return next(iter(self.candidates(text)), "")

    def candidates(self, text: str) -> Sequence[str]:
        """Return the rests of the tags that begin so, the most frequent first."""
        written, folded = _phrase(text)
        if len(folded) < _LEAST_LETTERS or len(folded) != len(written):
            return ()
        rests = (self._tags[place][len(written) :] for place in self._beginning_with(folded))
        return [rest for rest in rests if rest]

    def replacements(self, text: str) -> Sequence[Replacement]:
        """Return the most frequent tags with another name that begins so, or with such a word
        inside; if no tag has the phrase, those for its last words. It takes up to 20 ms for 100,000
        tags."""
        written, folded = _phrase(text)
        words = [blank.end() for blank in _BLANK.finditer(written)][-_MOST_WORDS:]
        for start in (0, *words):
            found = self._containing(folded[start:], but_first=start == 0)
            if found or (start == 0 and self._beginning_with(folded)):
                return [Replacement(len(written) - start, tag) for tag in found]
        return []

    def _containing(self, folded: str, *, but_first: bool) -> Sequence[str]:
        """Return the tags with a name in which a word begins so; with `but_first`, without those
        that begin so themselves."""
        found: list[str] = []
        place = self._names.find(folded) if len(folded) >= _LEAST_LETTERS else -1
        while place >= 0 and len(found) < _MOST:
            line = bisect_right(self._ends, place)
            start = self._ends[line - 1] if line else 0
            begins = place == start or not self._names[place - 1].isalnum()
            tag = self._tags[line]
            if begins and not (but_first and tag.casefold().startswith(folded)):
                found.append(tag)
            # Only one of the places in a line counts.
            after = self._ends[line] if begins else place + 1
            place = self._names.find(folded, after)
        return found

    def _beginning_with(self, folded: str) -> Sequence[int]:
        if len(folded) <= _INDEXED:
            return self._best.get(folded, ())
        start = bisect_left(self._folded, folded)
        end = bisect_left(self._folded, f"{folded}\U0010ffff", start)
        return sorted(self._places[start:end])[:_MOST]


def _phrase(text: str) -> tuple[str, str]:
    """Return the phrase at the end of a prompt, and how it stands in lists."""
    found = _PHRASE.search(text[-200:])
    written = found[0].lstrip() if found else ""
    return written, written.casefold().replace("_", " ")


def _written(name: str) -> str:
    """Return a tag as it stands in a prompt: brackets would be weights."""
    return _BRACKET.sub(r"\\\g<0>", name.replace("_", " "))


def read_tags(file: Path) -> TagCompletions:
    """Read a list of tags, which takes about a second for 100,000. Raises SettingsError."""
    try:
        text = decode_text(file.read_bytes())
        rows = csv.reader(io.StringIO(text, newline=""))
        return TagCompletions(_tag(row) for row in rows if row and row[0])
    except OSError as error:
        problem = f"the tags in {file} can't be read: {error.strerror}"
        raise SettingsError(problem, "Check the setting tag_file") from error
    except UnreadableTextError as error:
        raise SettingsError(f"the tags in {file} can't be read: {error}", SAVE_AS_UTF8) from error
    except csv.Error as error:
        raise SettingsError(
            f"the tags in {file} can't be read: {error}", "Check the setting tag_file"
        ) from error


def _tag(row: Sequence[str]) -> Tag:
    aliases = row[3].split(",") if len(row) > 3 else ()
    return Tag(row[0], _count(row), tuple(filter(None, map(str.strip, aliases))))


def _count(row: Sequence[str]) -> int:
    text = row[2] if len(row) > 2 else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0
