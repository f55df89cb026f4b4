"""How a prompt is read by CLIP text encoders: parts, steps, chunks and weights, without the loaded
model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from sdtui.core.enums import Emphasis, PromptSyntax
from sdtui.core.prompt_syntax import (
    Chunk,
    Group,
    Match,
    ParsedPart,
    Weighted,
    finder,
    parse_prompt,
    split_chunks,
)
from sdtui.models.embeddings import without_prefixes
from sdtui.models.tokens import TokenCounter
from sdtui.requests.sections.encoding import COMMA_BACKTRACK

_MOST_TEXTS = 8
"""Different texts of a part that are counted; a prompt of alternating words has many."""
_FIRST_STEPS = 4
"""How many steps of an alternating text are named."""
_NONE: Mapping[str, int] = MappingProxyType({})
_USUAL_STEPS = 20
"""Where neither the request nor the model says it."""

Find = Callable[[Sequence[int], int], Match[None] | None]


@dataclass(frozen=True)
class ReadChunk:
    """What is encoded together."""

    tokens: int
    pieces: tuple[Weighted, ...]


@dataclass(frozen=True)
class ReadText:
    """A text that is used until a step."""

    until: int
    chunks: tuple[ReadChunk, ...]


@dataclass(frozen=True)
class ReadPart:
    """A part between two ANDs."""

    weight: float
    texts: tuple[ReadText, ...]


@dataclass(frozen=True)
class PromptReading:
    """What was understood of a prompt."""

    parts: tuple[ReadPart, ...]
    size: int
    """Tokens of a chunk."""
    counts_calls: bool = False
    """True if what changes by step counts calls of the denoiser, of which a step has several."""

    @property
    def chunks(self) -> int:
        """Return the number of chunks of the longest text."""
        return max(len(text.chunks) for text in self._texts())

    @property
    def tokens(self) -> int:
        """Return the tokens of the longest text, as A1111 counts them: all chunks but the last are
        full."""
        lasts = ((len(text.chunks), text.chunks[-1].tokens) for text in self._texts())
        count, last = max(lasts)
        return (count - 1) * self.size + last

    @property
    def capacity(self) -> int:
        """Return the tokens that fit into the chunks."""
        return self.chunks * self.size

    def _texts(self) -> Iterator[ReadText]:
        return (text for part in self.parts for text in part.texts)


@dataclass(frozen=True)
class PromptReader:
    """Reads prompts for one model."""

    counter: TokenCounter
    find: Find
    """Finds embeddings in tokens."""
    names: tuple[str, ...] = ()
    """Those of embeddings."""
    syntax: PromptSyntax = PromptSyntax.A1111
    emphasis: Emphasis = Emphasis.ORIGINAL
    comma_backtrack: int = COMMA_BACKTRACK
    steps: int = _USUAL_STEPS
    calls: int = 1
    """Of the denoiser in a step."""

    @classmethod
    def of(cls, counter: TokenCounter, embeddings: Mapping[str, int] = _NONE) -> PromptReader:
        """Return a reader that counts with a tokenizer. `embeddings` are the numbers of vectors by
        name."""
        names = [
            ([token.id for token in counter.tokens(name)], count, None)
            for name, count in embeddings.items()
        ]
        return cls(counter, finder(names), tuple(embeddings))

    def read(self, text: str, *, is_negative: bool = False) -> PromptReading:
        """Read a prompt. Never raises for a text."""
        text = without_prefixes(text, self.names)
        parsed = parse_prompt(
            text,
            self.steps * self.calls,
            is_negative=is_negative,
            syntax=self.syntax,
            emphasis=self.emphasis,
        )
        parts = tuple(ReadPart(part.weight, self._texts(part)) for part in parsed)
        return PromptReading(parts, self.counter.limit, counts_calls=self.calls > 1)

    def _ids(self, text: str) -> list[int]:
        return [token.id for token in self.counter.tokens(text)]

    def _texts(self, part: ParsedPart) -> tuple[ReadText, ...]:
        read: dict[str, tuple[ReadChunk, ...]] = {}
        texts = []
        for stretch in part.stretches:
            if stretch.text not in read:
                if len(read) == _MOST_TEXTS:
                    continue
                read[stretch.text] = self._chunks(part.groups(stretch))
            texts.append(ReadText(stretch.until, read[stretch.text]))
        return tuple(texts)

    def _chunks(self, groups: Sequence[Group]) -> tuple[ReadChunk, ...]:
        comma = next(iter(self._ids(",")), None)
        chunks = [chunk for group in groups for chunk in self._group(group, comma)]
        is_needed = chunks[-1].tokens or len(chunks) == 1
        return tuple(chunks if is_needed else chunks[:-1])

    def _group(self, group: Group, comma: int | None) -> Iterator[ReadChunk]:
        tokens = [self.counter.tokens(piece.text) for piece in group]
        ids = [
            ([each.id for each in of_piece], piece.weight)
            for of_piece, piece in zip(tokens, group, strict=True)
        ]
        chunks: list[Chunk[None]] = split_chunks(
            [ids],
            size=self.counter.limit,
            comma=comma,
            backtrack=self.comma_backtrack,
            find=self.find,
        )
        # Where each token, or name of an embedding, stands in its piece, and how much it takes.
        units: list[tuple[int, int, int, int]] = []
        for number, of_piece in enumerate(tokens):
            at = 0
            while at < len(of_piece):
                match = self.find(ids[number][0], at)
                length, places = (match.tokens, match.places) if match else (1, 1)
                last = of_piece[at + length - 1]
                units.append((number, of_piece[at].start, last.end, places))
                at += length
        remaining = iter(units)
        for chunk in chunks:
            taken: list[tuple[int, int, int, int]] = []
            while sum(unit[3] for unit in taken) < len(chunk.ids):
                taken.append(next(remaining))
            yield ReadChunk(len(chunk.ids), _pieces(taken, group))


def _pieces(units: Sequence[tuple[int, int, int, int]], group: Group) -> tuple[Weighted, ...]:
    """Return the text of consecutive units of each piece."""
    spans: dict[int, tuple[int, int]] = {}
    for number, start, end, _ in units:
        first, _ = spans.get(number, (start, end))
        spans[number] = (first, end)
    return tuple(
        Weighted(group[number].text[start:end], group[number].weight)
        for number, (start, end) in spans.items()
    )


def reading_lines(reading: PromptReading) -> Iterator[tuple[str, str]]:
    """Yield a reading as labels and texts. The texts are the user's: they may hold anything."""
    count = f" in {reading.chunks} chunks" if reading.chunks > 1 else ""
    yield "Tokens", f"{reading.tokens} of {reading.capacity}{count}"
    for number, part in enumerate(reading.parts, 1):
        if len(reading.parts) > 1:
            yield f"Part {number}", f"weight {part.weight:g}"
        ends: dict[tuple[ReadChunk, ...], list[int]] = {}
        for text in part.texts:
            ends.setdefault(text.chunks, []).append(text.until)
        for chunks, untils in ends.items():
            if len(part.texts) > 1:
                yield _steps(untils, "call" if reading.counts_calls else "step")
            for place, chunk in enumerate(chunks, 1):
                label = f"Chunk {place}" if len(chunks) > 1 else "Text"
                yield label, " ".join(map(_with_weight, chunk.pieces)) or "(empty)"


def _steps(untils: Sequence[int], unit: str) -> tuple[str, str]:
    """Return when a text is used: until a step or call, or in turn with others."""
    if len(untils) == 1:
        return f"Until {unit}", str(untils[0])
    first = ", ".join(map(str, untils[:_FIRST_STEPS]))
    return f"In {unit}s", f"{first} …" if len(untils) > _FIRST_STEPS else first


def _with_weight(piece: Weighted) -> str:
    return piece.text if piece.weight == 1 else f"{piece.text} ×{piece.weight:.3g}"
