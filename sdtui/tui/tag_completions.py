"""Completes tags from a list in the format of A1111's extension a1111-tagcomplete: a CSV file with
name, type, number of pictures, and other names."""

from __future__ import annotations

import csv
import io
import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from pathlib import Path

from sdtui.core.errors import SettingsError
from sdtui.core.text_files import SAVE_AS_UTF8, UnreadableTextError, decode_text

_LEAST_LETTERS = 3
_INDEXED = 5
"""Letters up to which the most frequent tags are known in advance."""
_MOST = 20
"""Candidates."""
_PHRASE = re.compile(r"[^,\n(\[{|<:]*\Z")
_BRACKET = re.compile(r"[()\[\]]")


class TagCompletions:
    """Completes the phrase that is written with the most frequent tag."""

    def __init__(self, tags: Iterable[tuple[str, int]]) -> None:
        """`tags` are names and how often they are used. Their underscores become blanks."""
        most = sorted(((_written(name), count) for name, count in tags), key=lambda tag: -tag[1])
        self._tags = [tag for tag, _ in most]
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
        found = _PHRASE.search(text[-200:])
        written = found[0].lstrip() if found else ""
        folded = written.casefold().replace("_", " ")
        if len(folded) < _LEAST_LETTERS or len(folded) != len(written):
            return ()
        rests = (self._tags[place][len(written) :] for place in self._beginning_with(folded))
        return [rest for rest in rests if rest]

    def _beginning_with(self, folded: str) -> Sequence[int]:
        if len(folded) <= _INDEXED:
            return self._best.get(folded, ())
        start = bisect_left(self._folded, folded)
        end = bisect_left(self._folded, f"{folded}\U0010ffff", start)
        return sorted(self._places[start:end])[:_MOST]


def _written(name: str) -> str:
    """Return a tag as it stands in a prompt: brackets would be weights."""
    return _BRACKET.sub(r"\\\g<0>", name.replace("_", " "))


def read_tags(file: Path) -> TagCompletions:
    """Read a list of tags, which takes about a second for 100,000. Raises SettingsError."""
    try:
        text = decode_text(file.read_bytes())
        rows = csv.reader(io.StringIO(text, newline=""))
        return TagCompletions((row[0], _count(row)) for row in rows if row and row[0])
    except OSError as error:
        problem = f"the tags in {file} can't be read: {error.strerror}"
        raise SettingsError(problem, "Check the setting tag_file") from error
    except UnreadableTextError as error:
        raise SettingsError(f"the tags in {file} can't be read: {error}", SAVE_AS_UTF8) from error
    except csv.Error as error:
        raise SettingsError(
            f"the tags in {file} can't be read: {error}", "Check the setting tag_file"
        ) from error


def _count(row: Sequence[str]) -> int:
    text = row[2] if len(row) > 2 else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0
