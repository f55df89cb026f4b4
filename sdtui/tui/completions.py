"""What a prompt may go on with, drawn behind the cursor while it is written."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple, Protocol

_PHRASE_END = re.compile(r"[,\n]")
_WORD = re.compile(r"[^\W\d_][\w'-]*")
_LAST_WORD = re.compile(r"[^\W\d_][\w'-]*\Z")
_LEAST_PROMPT = 2
_LEAST_PHRASE = 2
_LEAST_WORD = 3
"""Letters that must have been written before the rest is offered."""
_SEARCHED = 2000
"""Characters of each prompt from which phrases and words are taken."""


class Replacement(NamedTuple):
    """Something that stands for the last characters of a prompt."""

    written: int
    """How many characters it replaces."""
    text: str


class Completions(Protocol):
    """A source of completions: earlier prompts, or names of embeddings, wildcards and the like."""

    def complete(self, text: str) -> str:
        """Return what may follow a prompt, "" if nothing. Called for every letter, so it must take
        less than a millisecond."""
        ...

    def candidates(self, text: str) -> Sequence[str]:
        """Return everything that may follow, the best first."""
        ...

    def replacements(self, text: str) -> Sequence[Replacement]:
        """Return what the end of a prompt may stand for, without beginning so: other names, and
        words inside a name."""
        ...


class EarlierPrompts:
    """Completes from earlier prompts: a whole prompt that begins with the text, else the phrase
    that is written, else the word. Of several, the newest prompt, or the phrase or word that was
    used most, and of those the newest. A text that is itself an earlier prompt, like one that was
    just sent, is completed by a longer prompt only."""

    def __init__(self, prompts: Sequence[str]) -> None:
        """`prompts`: newest last."""
        self._prompts = prompts

    @cached_property
    def _phrases(self) -> _Index:
        return _Index(phrase for prompt in self._prompts for phrase in _phrases(prompt))

    @cached_property
    def _words(self) -> _Index:
        return _Index(
            word for prompt in self._prompts for word in _WORD.findall(prompt[:_SEARCHED])
        )

    def complete(self, text: str) -> str:
        """Return the rest of the newest prompt, the phrase or the word that was begun."""
        if len(text.strip()) >= _LEAST_PROMPT:
            for prompt in reversed(self._prompts):
                if prompt.startswith(text) and len(prompt) > len(text):
                    return prompt[len(text) :]
        if text in self._prompts:
            return ""
        phrase = _PHRASE_END.split(text)[-1].lstrip()
        rest = self._phrases.rest(phrase) if len(phrase.strip()) >= _LEAST_PHRASE else ""
        if rest:
            return rest
        word = _LAST_WORD.search(text)
        return self._words.rest(word[0]) if word and len(word[0]) >= _LEAST_WORD else ""

    def candidates(self, text: str) -> Sequence[str]:
        """Return what `complete` does, if anything."""
        return [rest] if (rest := self.complete(text)) else ()

    def replacements(self, text: str) -> Sequence[Replacement]:
        return ()


def _phrases(prompt: str) -> list[str]:
    return [phrase for each in _PHRASE_END.split(prompt[:_SEARCHED]) if (phrase := each.strip())]


class _Index:
    """Texts by their beginning, without regard to case."""

    def __init__(self, texts: Iterable[str]) -> None:
        """`texts`: newest last."""
        newest = list(texts)
        self._uses = Counter(each.lower() for each in newest)
        self._last = {each.lower(): (place, each) for place, each in enumerate(newest)}
        self._sorted = sorted(self._last)

    def rest(self, start: str) -> str:
        """Return what is missing of the text that was used most; "" if none begins so."""
        folded = start.lower()
        best: tuple[int, int, str] | None = None
        for place in range(bisect_left(self._sorted, folded), len(self._sorted)):
            found = self._sorted[place]
            if not found.startswith(folded):
                break
            if len(found) > len(folded):
                newest, written = self._last[found]
                # The length of a letter may change with its case: Turkish İ.
                if len(written) == len(found):
                    best = max(best or (0, 0, ""), (self._uses[found], newest, written))
        return "" if best is None else best[2][len(start) :]
