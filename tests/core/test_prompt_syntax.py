"""The prompt language. The tables are A1111's own examples where it has some."""

from __future__ import annotations

import random
import time

import pytest

from sdtui.core.prompt_syntax import (
    Chunk,
    Insertion,
    Part,
    parse_attention,
    parse_prompt,
    parse_schedule,
    split_chunks,
    split_parts,
    strip_comments,
)
from sdtui.core.prompt_syntax.chunks import Match

BREAK = ("BREAK", -1.0)

ATTENTION: dict[str, list[tuple[str, float]]] = {
    "normal text": [("normal text", 1)],
    "an (important) word": [("an ", 1), ("important", 1.1), (" word", 1)],
    "(unbalanced": [("unbalanced", 1.1)],
    r"\(literal\]": [("(literal]", 1)],
    "(unnecessary)(parens)": [("unnecessaryparens", 1.1)],
    "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).": [
        ("a ", 1),
        ("house", 1.5730000000000004),
        (" ", 1.1),
        ("on", 1),
        (" a ", 1.1),
        ("hill", 0.55),
        (", sun, ", 1.1),
        ("sky", 1.4641000000000006),
        (".", 1.1),
    ],
    "": [("", 1)],
    "()": [("", 1)],
    "a BREAK b": [("a", 1), BREAK, ("b", 1)],
    "(a BREAK b:1.2)": [("a", 1.2), BREAK, ("b", 1.2)],
    "BREAK a": [("", 1), BREAK, ("a", 1)],
    "a BREAK BREAK b": [("a", 1), BREAK, ("", 1), BREAK, ("b", 1)],
    "BREAKfast, aBREAK": [("BREAKfast, aBREAK", 1)],
    "(x:1.2:3)": [("x:1.2", 3)],
    "[x:1.2]": [("x:1.2", 1 / 1.1)],
    "(1.2)": [("1.2", 1.1)],
    "(a:1,3)": [("a:1,3", 1.1)],
    "(a:-1)": [("a", -1)],
    "(a: 1.3 )": [("a", 1.3)],
    "(a:1.2.3)": [("a:1.2.3", 1.1)],
    "(a:.)": [("a:.", 1.1)],
    "((a:1.5) b:1.2)": [("a", 1.5 * 1.2), (" b", 1.2)],
    "(a)(b)": [("ab", 1.1)],
    "a:1.2)": [("a:1.2)", 1)],
    "a\\": [("a", 1)],
    r"miku \(vocaloid\) \\ \x": [("miku (vocaloid) \\ x", 1)],
    "(a [b) c]": [("a ", 1.1), ("b", 1.1 / 1.1), (" c", 1 / 1.1)],
}

SCHEDULES: dict[str, list[tuple[int, str]]] = {
    "test": [(10, "test")],
    "a [b:3]": [(3, "a "), (10, "a b")],
    "a [b: 3]": [(3, "a "), (10, "a b")],
    "a [[[b]]:2]": [(2, "a "), (10, "a [[b]]")],
    "[(a:2):3]": [(3, ""), (10, "(a:2)")],
    "a [b : c : 1] d": [(1, "a b  d"), (10, "a  c  d")],
    "a[b:[c:d:2]:1]e": [(1, "abe"), (2, "ace"), (10, "ade")],
    "a [unbalanced": [(10, "a [unbalanced")],
    "a [b:.5] c": [(5, "a  c"), (10, "a b c")],
    "a [{b|d{:.5] c": [(5, "a  c"), (10, "a {b|d{ c")],
    "x [a|b:1.2]": [(10, "x [a|b:1.2]")],
    "x [a:b|c:3]": [(10, "x [a:b|c:3]")],
    "((a][:b:c [d:3]": [(3, "((a][:b:c "), (10, "((a][:b:c d")],
    "[a|(b:1.1)]": [(step, "a" if step % 2 else "(b:1.1)") for step in range(1, 11)],
    "[fe|]male": [(step, "female" if step % 2 else "male") for step in range(1, 11)],
    "[fe|||]male": [(step, "female" if step % 4 == 1 else "male") for step in range(1, 11)],
    "[a:b:0]": [(10, "b")],
    "[a:b:-3]": [(10, "b")],
    "[a:b:99]": [(10, "a")],
    "[a:b:1e999]": [(10, "a")],
    "[a::5]": [(5, "a"), (10, "")],
    "[a]": [(10, "[a]")],
    "[a:b:c:3]": [(10, "[a:b:c:3]")],
    r"\[a:b:3\]": [(10, r"\[a:b:3\]")],
    "a | b [c:3]": [(10, "a | b [c:3]")],
    "[c:3] \\": [(10, "[c:3] \\")],
    "clock 12:30": [(10, "clock 12:30")],
}


@pytest.mark.parametrize("text", ATTENTION)
def test_weights_are_those_of_a1111(text: str) -> None:
    pieces: list[tuple[str, float]] = []
    for number, group in enumerate(parse_attention(text)):
        pieces += ([BREAK] if number else []) + [(each.text, each.weight) for each in group]
    assert pieces == ATTENTION[text]


@pytest.mark.parametrize("text", SCHEDULES)
def test_schedules_are_those_of_a1111(text: str) -> None:
    assert list(parse_schedule(text, 10)) == SCHEDULES[text]


def test_schedules_of_a_second_pass_count_on() -> None:
    assert list(parse_schedule("a [b:.5] c", 10, base_steps=10)) == [(10, "a b c")]
    assert list(parse_schedule("a [b:1.5] c", 10, base_steps=10)) == [(5, "a  c"), (10, "a b c")]
    assert list(parse_schedule("a [b:13] c", 10, base_steps=10)) == [(3, "a  c"), (10, "a b c")]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a cat", [("a cat", 1)]),
        ("clock showing 12:30", [("clock showing 12:30", 1)]),
        ("a cat AND a dog", [("a cat", 1), (" a dog", 1)]),
        ("a :1.2 AND b: .5  AND c:-1", [("a", 1.2), (" b", 0.5), (" c", -1)]),
        ("a AND ", [("a", 1), ("", 1)]),
        ("a:x AND b:1.2.3", [("a:x", 1), (" b:1.2.3", 1)]),
        ("SAND ANDROID and", [("SAND ANDROID and", 1)]),
    ],
)
def test_and_separates_parts_with_weights(text: str, parts: list[tuple[str, float]]) -> None:
    assert split_parts(text) == tuple(Part(*each) for each in parts)


@pytest.mark.parametrize(
    ("text", "stripped"),
    [
        ("a cat", "a cat"),
        ("a # b\nc", "a \nc"),
        ("a\n# b\nc", "a\nc"),
        ("# all of it", ""),
        ("a #", "a \n"),
    ],
)
def test_comments_reach_to_the_end_of_the_line(text: str, stripped: str) -> None:
    assert strip_comments(text) == stripped


def test_and_is_a_word_in_a_negative_prompt() -> None:
    (part,) = parse_prompt("a AND b:2", 10, is_negative=True)
    assert part.stretches[0].text == "a AND b:2"


def chunks(*words: str, size: int = 75, backtrack: int = 20) -> list[list[int]]:
    """The chunks of words; "," is the token 0, others count from 1."""
    ids = [0 if word == "," else 1 for word in words]
    made: list[Chunk[None]] = split_chunks([[(ids, 1.0)]], size=size, comma=0, backtrack=backtrack)
    return [each.ids for each in made]


def test_full_chunk_is_broken_behind_a_comma_that_is_near() -> None:
    near = chunks(*["x"] * 55, ",", *["x"] * 24)
    assert [len(each) for each in near] == [56, 24]
    far = chunks(*["x"] * 53, ",", *["x"] * 24)
    assert [len(each) for each in far] == [75, 3]
    words = [*["x"] * 53, ",", *["x"] * 24]
    assert [len(each) for each in chunks(*words, backtrack=22)] == [54, 24]
    assert [len(each) for each in chunks(*["x"] * 74, ",", "x", backtrack=0)] == [75, 1]
    assert [len(each) for each in chunks(*["x"] * 55, ",", *["x"] * 24, backtrack=0)] == [75, 5]
    assert [len(each) for each in chunks(*["x"] * 75)] == [75]
    assert [len(each) for each in chunks(*["x"] * 75, ",", "x")] == [75, 2]
    assert chunks() == [[]]


def test_break_begins_a_chunk() -> None:
    def lengths(*groups: int) -> list[int]:
        tokens = [[([1] * count, 1.0)] for count in groups]
        made: list[Chunk[None]] = split_chunks(tokens, size=75, comma=0, backtrack=20)
        return [len(each.ids) for each in made]

    assert lengths(3, 4) == [3, 4]
    assert lengths(0, 4) == [0, 4]
    assert lengths(3, 0) == [3]
    assert lengths(3, 0, 2) == [3, 0, 2]
    assert lengths(3, 0, 0) == [3, 0]


def test_an_embedding_stays_whole() -> None:
    def find(tokens: object, at: int) -> Match[str] | None:
        return Match(1, 10, "vectors") if at in (2, 70) else None

    made: list[Chunk[str]] = split_chunks(
        [[([1] * 71, 1.5)]], size=75, comma=0, backtrack=20, find=find
    )
    assert [len(each.ids) for each in made] == [2 + 10 + 63, 4 + 10]
    assert made[0].insertions == [Insertion(2, "vectors")]
    assert made[1].insertions == [Insertion(4, "vectors")]
    assert set(made[1].weights) == {1.5}


def test_an_embedding_moves_with_what_follows_a_comma() -> None:
    def find(tokens: object, at: int) -> Match[str] | None:
        return Match(1, 10, "vectors") if at == 62 else None

    tokens = [*[1] * 60, 0, *[1] * 10]
    made: list[Chunk[str]] = split_chunks(
        [[(tokens, 1.0)]], size=75, comma=0, backtrack=20, find=find
    )
    assert [len(each.ids) for each in made] == [61, 1 + 10 + 8]
    assert made[1].insertions == [Insertion(1, "vectors")]


_LETTERS = [
    *"()[]:|\\#\n ,.-+12",
    "a",
    "é",
    "猫",
    "🐈",
    "BREAK",
    "AND",
    "<lora:x:1>",
    "\x00",
    "\ud800",
]


def test_no_text_is_an_error() -> None:
    draw = random.Random(0)
    for _ in range(3000):
        text = "".join(draw.choices(_LETTERS, k=draw.randint(0, 40)))
        for part in parse_prompt(text, 12):
            assert part.stretches[-1].until == 12
            for stretch in part.stretches:
                groups = part.groups(stretch)
                assert groups
                assert all(groups)


def test_text_without_syntax_is_itself() -> None:
    draw = random.Random(1)
    for _ in range(300):
        text = "".join(draw.choices("ab ,.-é猫", k=draw.randint(0, 40)))
        (part,) = parse_prompt(text, 12)
        assert part.weight == 1
        assert part.stretches == ((12, text),)
        assert part.groups(part.stretches[0]) == (((text, 1.0),),)


_BRACKETS = ["(", "[", "(a", "[a:", "[a|", ")", "]", "((a:1.1)", "[a:b:3]", "(:1", "[:", "[(", "()"]
_OTHERS = [":", "|", "\\", "#x", "a, ", " ", ": ", "BREAK ", "AND ", "a:1 AND ", "#\n"]


@pytest.mark.parametrize("piece", [*_BRACKETS, *_OTHERS])
def test_a_long_text_takes_no_longer_than_its_length(piece: str) -> None:
    began = time.process_time()
    text = piece * (32_000 // len(piece))
    for part in parse_prompt(text, 20):
        part.groups(part.stretches[0])
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("opening", "closing"), [("(", ")"), ("[", "]"), ("[a:", ":3]"), ("[", "|]")]
)
def test_a_deeply_nested_text_is_parsed(opening: str, closing: str) -> None:
    depth = 32_000 // len(opening + closing)
    for part in parse_prompt(opening * depth + closing * depth, 20):
        for stretch in part.stretches:
            part.groups(stretch)
