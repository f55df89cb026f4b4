"""The tokenizer of CLIP as transformers builds it: white space divides words, lower case, CLIP's
pattern, and byte pairs with `</w>` at the end of words.

The library tokenizers takes 20 MB for it, which is much for an app whose engine is elsewhere.
"""

from __future__ import annotations

import heapq
import json
import re
import unicodedata
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from sdtui.core.text_files import split_lines

_END = "</w>"
_MARKS = ("<|startoftext|>", "<|endoftext|>")
_MARK = re.compile(rf"({'|'.join(map(re.escape, _MARKS))})")
_SPACE = r"\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_WORD = re.compile(
    rf"(<\|)((?:start|end)oftext)(\|>)|('(?:s|t|re|ve|m|ll|d))|(?P<alphanumeric>[^\W_]+)|((?:[^\w{_SPACE}]|_)+)"
)
"""CLIP's pattern, but for letters and numbers, which Python's expressions don't tell apart."""
_REMEMBERED = 4096
"""Words whose tokens are remembered."""
_LIBRARY_PATTERN = (
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
)
"""CLIP's pattern in files of the library."""


class Token(NamedTuple):
    """A token and where it stands in the text."""

    id: int
    start: int
    end: int


def _characters_of_bytes() -> dict[int, str]:
    """Return the characters that stand for bytes in a vocabulary, in its order: printable ones for
    themselves first."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    characters = [*map(chr, printable), *(chr(256 + number) for number in range(len(others)))]
    return dict(zip([*printable, *others], characters, strict=True))


_CHARACTER_OF = _characters_of_bytes()
_CHARACTERS = "".join(_CHARACTER_OF.values())


class _Merges:
    """Ranks of pairs, looked up in the text of their file: a dict of them takes 8 MB."""

    def __init__(self, text: str) -> None:
        """Raises ValueError for a line that isn't a pair."""
        lines = map(str.encode, split_lines(text))
        pairs = [line for line in lines if line and not line.startswith(b"#version")]
        if any(len(pair.split(b" ")) != 2 for pair in pairs):
            raise ValueError("a line of the merges isn't a pair")
        self.text = b"\n".join([*pairs, b""])
        self._starts = array("I", [0])
        self._slots = array("I", bytes(4 * (2 << len(pairs).bit_length())))
        for rank, pair in enumerate(pairs):
            self._starts.append(self._starts[-1] + len(pair) + 1)
            self._slots[self._slot_of(pair)] = rank + 1

    def _slot_of(self, pair: bytes) -> int:
        """Return the slot in which a pair is, or a free one for it."""
        slot = zlib.crc32(pair) % len(self._slots)
        while (entry := self._slots[slot]) and self._pair(entry - 1) != pair:
            slot = (slot + 1) % len(self._slots)
        return slot

    def _pair(self, rank: int) -> bytes:
        return self.text[self._starts[rank] : self._starts[rank + 1] - 1]

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for rank in range(len(self)):
            left, right = self._pair(rank).decode().split(" ")
            yield left, right

    def rank(self, left: str, right: str) -> int | None:
        """Return how early a pair is merged; None if it never is."""
        entry = self._slots[self._slot_of(f"{left} {right}".encode())]
        return entry - 1 if entry else None


class ClipTokenizer:
    """Byte pairs of a model's files, or of CLIP's own."""

    def __init__(self, merges: str, vocabulary: Mapping[str, int] | None = None) -> None:
        """`merges` is the text of a merges.txt. Without a `vocabulary` the ids are those of CLIP:
        characters of bytes, those at the end of words, results of merges, marks. Raises ValueError
        for files that don't belong together."""
        self._merges = _Merges(merges)
        self.vocabulary = vocabulary
        if vocabulary is not None:
            names = set(vocabulary)
            for left, right in self._merges:
                if not {left, right, left + right} <= names:
                    raise ValueError(f"{left + right} isn't in the vocabulary")
        self._marks = dict(zip(_MARKS, map(self._id_of_mark, range(2)), strict=True))
        self._word = lru_cache(_REMEMBERED)(self._tokens_of_word)

    @classmethod
    def from_library(cls, text: str) -> ClipTokenizer | None:
        """Return the tokenizer in a tokenizer.json; None if it isn't like CLIP's."""
        match json.loads(text):
            case {
                "added_tokens": [{"content": "<|startoftext|>"}, {"content": "<|endoftext|>"}],
                "normalizer": {
                    "normalizers": [{"type": "NFC"}, {"type": "Replace"}, {"type": "Lowercase"}]
                },
                "pre_tokenizer": {
                    "pretokenizers": [
                        {"type": "Split", "pattern": {"Regex": pattern}},
                        {"type": "ByteLevel", "add_prefix_space": False},
                    ]
                },
                "model": {
                    "type": "BPE",
                    "end_of_word_suffix": "</w>",
                    "vocab": vocabulary,
                    "merges": merges,
                },
            } if pattern == _LIBRARY_PATTERN:
                pairs = (each if isinstance(each, str) else " ".join(each) for each in merges)
                return cls("\n".join(pairs), vocabulary)
        return None

    @property
    def merges(self) -> str:
        """The text of the merges."""
        return self._merges.text.decode()

    def is_usual(self) -> bool:
        """True if the ids would be the same without the vocabulary."""
        if self.vocabulary is None:
            return True
        results = (left + right for left, right in self._merges)
        names = [*_CHARACTERS, *(each + _END for each in _CHARACTERS), *results, *_MARKS]
        return all(self.vocabulary.get(name) == id_ for id_, name in enumerate(names))

    def _id_of_mark(self, number: int) -> int:
        if self.vocabulary is None:
            return 2 * len(_CHARACTERS) + len(self._merges) + number
        return self.vocabulary.get(_MARKS[number], len(self.vocabulary))

    def _id(self, symbol: str, rank: int | None) -> int:
        """Return the id of a symbol that is a byte's or the result of a merge."""
        if self.vocabulary is not None:
            return self.vocabulary.get(symbol, self._marks[_MARKS[1]])
        if rank is not None:
            return 2 * len(_CHARACTERS) + rank
        return _CHARACTERS.index(symbol[0]) + (len(_CHARACTERS) if len(symbol) > 1 else 0)

    def tokens(self, text: str) -> list[Token]:
        """Return the tokens of a text, without special tokens around it."""
        found: list[Token] = []
        start = 0
        for part in _MARK.split(text):
            if part in self._marks:
                found.append(Token(self._marks[part], start, start + len(part)))
            else:
                found += self._tokens_of_part(part, start)
            start += len(part)
        return found

    def _tokens_of_part(self, part: str, start: int) -> Iterator[Token]:
        text, spans = _normalised(part)
        for first, last in _words(text):
            for id_, begin, end in self._word(text[first:last]):
                yield Token(id_, start + spans[first + begin][0], start + spans[first + end - 1][1])

    def _tokens_of_word(self, word: str) -> list[Token]:
        """Return the tokens of a normalised word, with the characters in it that they cover."""
        places = [place for place, each in enumerate(word) for _ in each.encode()]
        symbols = [_CHARACTER_OF[byte] for byte in word.encode()]
        symbols[-1] += _END
        return [
            Token(self._id(symbol, rank), places[start], places[end - 1] + 1)
            for symbol, rank, start, end in self._merged(symbols)
        ]

    def _merged(self, symbols: list[str]) -> Iterator[tuple[str, int | None, int, int]]:
        """Merge pairs, the lowest rank and the leftmost first. Yields symbols, the ranks of their
        merges, and their places among the given ones."""
        count = len(symbols)
        before = list(range(-1, count))
        ends: list[int] = [*range(1, count + 1), 0]
        """Where the symbol that begins at a place ends; 0 if none begins there."""
        ranks: list[int | None] = [None] * count
        pairs: list[tuple[int, int, int, int]] = []

        def note(left: int) -> None:
            middle = ends[left]
            if middle < count:
                rank = self._merges.rank(symbols[left], symbols[middle])
                if rank is not None:
                    heapq.heappush(pairs, (rank, left, middle, ends[middle]))

        for place in range(count):
            note(place)
        while pairs:
            rank, left, middle, end = heapq.heappop(pairs)
            if ends[left] != middle or ends[middle] != end:
                continue  # one of them was merged with another
            symbols[left] += symbols[middle]
            ranks[left] = rank
            ends[left], ends[middle] = end, 0
            before[end] = left
            note(left)
            if left:
                note(before[left])
        for place in range(count):
            if ends[place]:
                yield symbols[place], ranks[place], place, ends[place]


def _words(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the words of a normalised text are."""
    for found in _WORD.finditer(text):
        if found["alphanumeric"] is None:
            yield from (found.span(group) for group in range(1, 7) if found[group])
            continue
        start, end = found.span()
        for place in range(start, end):
            if not text[place].isalpha():  # each number is a word
                if start < place:
                    yield start, place
                yield place, place + 1
                start = place + 1
        if start < end:
            yield start, end


def _normalised(text: str) -> tuple[str, Sequence[tuple[int, int]]]:
    """Return a text in lower case and composed (NFC), and where each of its characters was."""
    characters: list[str] = []
    spans: list[tuple[int, int]] = []
    for start, end in _composed(text):
        for each in unicodedata.normalize("NFC", text[start:end]):
            lower = each.lower()
            characters.append(lower)
            spans += [(start, end)] * len(lower)
    return "".join(characters), spans


def _composed(text: str) -> Iterator[tuple[int, int]]:
    """Yield the parts of a text whose characters are composed without the others."""
    if unicodedata.is_normalized("NFC", text):
        yield from ((place, place + 1) for place in range(len(text)))
        return
    start = 0
    for place in range(1, len(text) + 1):
        is_apart = place == len(text) or _is_apart(text[start:place], text[place])
        if is_apart:
            yield start, place
            start = place


def _is_apart(before: str, character: str) -> bool:
    """True if a character isn't composed with those before it."""
    if unicodedata.combining(character):
        return False
    normalize = unicodedata.normalize
    return normalize("NFC", before + character) == normalize("NFC", before) + normalize(
        "NFC", character
    )
