"""Completes names in a prompt after what marks them: `<lora:`, `embedding:` and `__`."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import islice

from sdtui.tui.completions import Replacement

_MOST = 50
"""Candidates."""
_END = 200
"""Characters at the end of a prompt in which a name is looked for."""
_LEAST_INSIDE = 2
"""Letters that are looked for inside names."""
_LORA = re.compile(r"<(?:lora|lyco):([^<>:\n]*)\Z", re.IGNORECASE)
_EMBEDDING = re.compile(r"(?:\bembedding:|(?<![^\s,(\[|:])(?=[\w.-]{3}))([\w.-]*)\Z")
"""With the prefix from the first letter on, without it from the third."""
_PHRASE = re.compile(r"[^,\n(\[{|<>:]*\Z")
_WILDCARD = re.compile(r"(?:\A|[^_])__[~@!]?((?:[^\n_{}|$(),:]|_(?!_))*)\Z")


class NameCompletions:
    """Completes the names of one kind."""

    def __init__(self, mark: re.Pattern[str], names: Iterable[str], end: str = "") -> None:
        """`mark` finds what is written of a name, as its group; `end` closes it."""
        self._mark = mark
        self._end = end
        folded = sorted((name.casefold(), name) for name in set(names))
        self._folded = [each for each, _ in folded]
        self._names = [name for _, name in folded]

    def complete(self, text: str) -> str:
        """Return the rest of the first name."""
        return next(iter(self.candidates(text)), "")

    def candidates(self, text: str) -> Sequence[str]:
        """Return the rests of the names that begin so, in the order of the alphabet."""
        found = self._mark.search(text[-_END:])
        if found is None:
            return ()
        written = found[1].casefold()
        start = bisect_left(self._folded, written)
        places = range(start, len(self._folded))
        matching = (
            self._names[place][len(written) :] + self._end
            for place in places
            if self._folded[place].startswith(written)
        )
        return [rest for rest in islice(matching, _MOST) if rest]

    def replacements(self, text: str) -> Sequence[Replacement]:
        """Return the names that have what is written at the beginning of a word in them."""
        found = self._mark.search(text[-_END:])
        if found is None or len(found[1]) < _LEAST_INSIDE:
            return ()
        written = found[1].casefold()
        inside = re.compile(rf"(?<=[^a-z0-9]){re.escape(written)}")
        names = (
            name
            for folded, name in zip(self._folded, self._names, strict=True)
            if inside.search(folded) and not folded.startswith(written)
        )
        return [Replacement(len(found[1]), name + self._end) for name in islice(names, _MOST)]


class WildcardCompletions(NameCompletions):
    """Completes the names of wildcards, between two times `__`."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(_WILDCARD, names, "__")

    def candidates(self, text: str) -> Sequence[str]:
        """Return the rests of names, unless the last `__` closes one."""
        return super().candidates(text) if text.count("__") % 2 else ()

    def replacements(self, text: str) -> Sequence[Replacement]:
        return super().replacements(text) if text.count("__") % 2 else ()


class TriggerWords:
    """Completes the trigger words of the LoRAs in use, which are offered at the beginning of a
    phrase too."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        self._words = tuple(dict.fromkeys(words))

    def complete(self, text: str) -> str:
        """Return the rest of the first one that begins as what is written."""
        return next(iter(self.candidates(text)), "") if self._written(text) else ""

    def candidates(self, text: str) -> Sequence[str]:
        """Return the rests of those that begin so and aren't in the prompt yet."""
        written, folded = self._written(text), text.casefold()
        return [
            word[len(written) :]
            for word in self._words
            if word.casefold().startswith(written.casefold()) and word.casefold() not in folded
        ]

    def replacements(self, text: str) -> Sequence[Replacement]:
        return ()

    def _written(self, text: str) -> str:
        """Return the beginning of the phrase that is written."""
        found = _PHRASE.search(text[-_END:])
        return found[0].lstrip() if found else ""


def lora_completions(names: Iterable[str]) -> NameCompletions:
    """Return what completes `<lora:NAME:1>`."""
    return NameCompletions(_LORA, names, ":1>")


def embedding_completions(names: Iterable[str]) -> NameCompletions:
    """Return what completes `embedding:NAME`, and the name alone."""
    return NameCompletions(_EMBEDDING, names)
