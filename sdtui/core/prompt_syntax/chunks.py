"""Chunks: what CLIP encodes at a time, 75 tokens of a prompt of any length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

Vectors = TypeVar("Vectors")


class Insertion(NamedTuple, Generic[Vectors]):
    """Vectors of an embedding in place of tokens."""

    start: int
    """Index of its first token in the chunk."""
    vectors: Vectors


class Match(NamedTuple, Generic[Vectors]):
    """An embedding whose name is found among tokens."""

    tokens: int
    """Length of the name."""
    places: int
    """Number of its vectors."""
    vectors: Vectors


@dataclass
class Chunk(Generic[Vectors]):
    """Tokens that are encoded together, without those that begin, end and fill it."""

    ids: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    insertions: list[Insertion[Vectors]] = field(default_factory=list)

    def add(self, token: int, weight: float) -> None:
        self.ids.append(token)
        self.weights.append(weight)

    def insert(self, match: Match[Vectors], weight: float) -> None:
        """Add an embedding. Its places hold the token 0."""
        self.insertions.append(Insertion(len(self.ids), match.vectors))
        self.ids += [0] * match.places
        self.weights += [weight] * match.places

    def split_off(self, place: int) -> Chunk[Vectors]:
        """Remove everything from a place on, and return it."""
        rest = Chunk(
            self.ids[place:],
            self.weights[place:],
            [Insertion(at - place, each) for at, each in self.insertions if at >= place],
        )
        self.insertions = [each for each in self.insertions if each.start < place]
        del self.ids[place:], self.weights[place:]
        return rest


Tokens = tuple[Sequence[int], float]
"""The tokens of a piece of a prompt, and its weight."""


def split_chunks(
    groups: Iterable[Iterable[Tokens]],
    *,
    size: int,
    comma: int | None,
    backtrack: int,
    find: Callable[[Sequence[int], int], Match[Vectors] | None] = lambda tokens, at: None,
) -> list[Chunk[Vectors]]:
    """Divide the tokens of a prompt into chunks of at most `size` tokens, at least one. Each group
    begins a new one. Where a chunk is full, what follows its last comma moves to the next, if that
    is no more than `backtrack` tokens. `find` returns the embedding whose name begins at an index.

    The rules are those of `tokenize_line` in A1111's modules/sd_hijack_clip.py.
    """
    chunks: list[Chunk[Vectors]] = []
    for group in groups:
        filler = _Filler[Vectors](size, comma, backtrack)
        for tokens, weight in group:
            filler.fill(tokens, weight, find)
        chunks += filler.chunks()
    is_needed = chunks[-1].ids or len(chunks) == 1
    return chunks if is_needed else chunks[:-1]


def finder(
    names: Iterable[tuple[Sequence[int], int, Vectors]],
) -> Callable[[Sequence[int], int], Match[Vectors] | None]:
    """Return a function that finds embeddings in tokens, the longest name first. `names` are the
    tokens of each name, the number of its vectors, and the vectors."""
    by_first: dict[int, list[tuple[list[int], int, Vectors]]] = {}
    for ids, count, vectors in sorted(names, key=lambda each: -len(each[0])):
        if ids:
            by_first.setdefault(ids[0], []).append((list(ids), count, vectors))

    def find(tokens: Sequence[int], at: int) -> Match[Vectors] | None:
        for ids, count, vectors in by_first.get(tokens[at], ()):
            if list(tokens[at : at + len(ids)]) == ids:
                return Match(len(ids), count, vectors)
        return None

    return find


class _Filler(Generic[Vectors]):
    """Fills the chunks of one group."""

    def __init__(self, size: int, comma: int | None, backtrack: int) -> None:
        self._size = size
        self._comma = comma
        self._backtrack = backtrack
        self._full: list[Chunk[Vectors]] = []
        self._chunk: Chunk[Vectors] = Chunk()
        self._after_comma: int | None = None
        """Index after the last comma of the chunk."""

    def fill(
        self,
        tokens: Sequence[int],
        weight: float,
        find: Callable[[Sequence[int], int], Match[Vectors] | None],
    ) -> None:
        at = 0
        while at < len(tokens):
            self._make_space(tokens[at])
            match = find(tokens, at)
            if match is None:
                self._chunk.add(tokens[at], weight)
                at += 1
                continue
            if len(self._chunk.ids) + match.places > self._size:
                self._next()
            self._chunk.insert(match, weight)
            at += match.tokens

    def chunks(self) -> list[Chunk[Vectors]]:
        return [*self._full, self._chunk]

    def _make_space(self, token: int) -> None:
        length, after = len(self._chunk.ids), self._after_comma
        if token == self._comma:
            self._after_comma = length + 1
        elif length == self._size and after is not None and length < after + self._backtrack:
            moved = self._chunk.split_off(after)
            self._next()
            self._chunk = moved
        if len(self._chunk.ids) >= self._size:
            self._next()

    def _next(self) -> None:
        self._full.append(self._chunk)
        self._chunk = Chunk()
        self._after_comma = None
