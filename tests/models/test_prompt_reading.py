"""How prompts are read, without the model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sdtui.core.enums import Emphasis, PromptSyntax
from sdtui.models import PromptReader, reading_lines, token_counters
from sdtui.models.component_files import CONFIGS


@pytest.fixture(scope="module")
def reader() -> PromptReader:
    return PromptReader.of(token_counters(CONFIGS / "tokenizer" / "vocab.json")["text_encoder"])


@pytest.mark.parametrize(
    ("text", "tokens", "capacity"),
    [
        ("", 0, 75),
        ("a cat", 2, 75),
        ("(a cat:1.3) # comment\n<lora:x:1>", 2, 75),
        ("cat " * 75, 75, 75),
        ("cat " * 80, 80, 150),
        ("a BREAK b c", 77, 150),
        ("[a:b c d:3]", 3, 75),
        ("a cat AND " + "dog " * 80, 80, 150),
        ("[a|b c|d]", 2, 75),
        ("cat " * 60 + ", " + "dog " * 20, 95, 150),
    ],
)
def test_tokens_and_capacity(reader: PromptReader, text: str, tokens: int, capacity: int) -> None:
    reading = reader.read(text)
    assert (reading.tokens, reading.capacity) == (tokens, capacity)


def test_embeddings_count_as_their_vectors(reader: PromptReader) -> None:
    plain = reader.read("a easynegative cat").tokens
    with_vectors = PromptReader.of(reader.counter, {"EasyNegative": 8})
    reading = with_vectors.read("a (embedding:easynegative:1.2) cat")
    assert reading.tokens == 10
    assert plain != 10
    pieces = reading.parts[0].texts[0].chunks[0].pieces
    assert [(each.text, each.weight) for each in pieces] == [
        ("a", 1),
        ("easynegative", 1.2),
        ("cat", 1),
    ]


def test_modes_that_take_brackets_as_text(reader: PromptReader) -> None:
    for plain in (
        replace(reader, syntax=PromptSyntax.PLAIN),
        replace(reader, emphasis=Emphasis.NONE),
    ):
        assert plain.read("(a:1.2)").tokens > reader.read("(a:1.2)").tokens


def test_lines_say_what_was_understood(reader: PromptReader) -> None:
    assert list(reading_lines(reader.read("a (soft:1.25) [light]"))) == [
        ("Tokens", "3 of 75"),
        ("Text", "a soft ×1.25 light ×0.909"),
    ]
    assert list(reading_lines(reader.read("a [cat:dog:8] AND b BREAK c :0.5"))) == [
        ("Tokens", "76 of 150 in 2 chunks"),
        ("Part 1", "weight 1"),
        ("Until step", "8"),
        ("Text", "a cat"),
        ("Until step", "20"),
        ("Text", "a dog"),
        ("Part 2", "weight 0.5"),
        ("Chunk 1", "b"),
        ("Chunk 2", "c"),
    ]


def test_alternating_texts_are_shown_once(reader: PromptReader) -> None:
    assert list(reading_lines(reader.read("[a|b]")))[1:] == [
        ("In steps", "1, 3, 5, 7 …"),
        ("Text", "a"),
        ("In steps", "2, 4, 6, 8 …"),
        ("Text", "b"),
    ]


def test_hostile_texts_are_read(reader: PromptReader) -> None:
    for text in ("[a|" * 50, "\x00(", "(" * 500 + "x", "[" + "a|" * 200 + "b]"):
        assert reader.read(text).capacity


def test_changes_by_step_count_calls_with_samplers_of_second_order(reader: PromptReader) -> None:
    heun = replace(reader, steps=10, calls=2)
    assert ("Until call", "8") in reading_lines(heun.read("[cat:dog:8]"))
    assert ("Until call", "10") in reading_lines(heun.read("[cat:dog:0.5]"))
    assert ("Until step", "5") in reading_lines(replace(heun, calls=1).read("[cat:dog:0.5]"))
