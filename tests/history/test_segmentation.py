"""Words of the index and phrases that find them."""

from __future__ import annotations

import contextlib
import random
import sqlite3

import pytest

from sdtui.history.segmentation import TOKENIZER, phrase, searchable

LETTERS = "猫犬のが가나ก่า🐱🐯"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("猫が好き", ["猫が", "が好", "好き", "き"]),
        ("a cat猫、犬", ["a", "cat", "猫", "犬"]),
        ("Crème Brûlée, ＡＢＣ", ["creme", "brulee", "abc"]),
        ("น้ำ", ["น้", "้ํ", "ํา", "า"]),
        ("हिन्दी", ["हिन्दी"]),
        ("👍🏽🐯", ["👍", "🐯"]),
        ("\ud800…！", []),
    ],
)
def test_text_is_cut_into_words(text: str, words: list[str]) -> None:
    assert searchable(text).split() == words


def test_text_of_ascii_is_indexed_as_it_is() -> None:
    assert searchable('A "Cat", 50% x_y') == 'A "Cat", 50% x_y'


@pytest.mark.parametrize(
    ("text", "complete", "expected"),
    [
        ("cat", False, '"cat" *'),
        ("cat", True, '"cat"'),
        ("猫", True, '"猫" *'),
        ("猫が", True, '"猫が" *'),
        ("猫が好", False, '"猫が が好" *'),
        ("猫 cat", True, '"猫 cat"'),
        ('c"a', True, '"c a"'),
        ("、", False, None),
    ],
)
def test_phrase_of_a_query(text: str, complete: bool, expected: str | None) -> None:
    assert phrase(text, complete=complete) == expected


def test_letters_are_found_exactly_where_they_stand_together() -> None:
    chance = random.Random(1)
    texts = [
        "".join(chance.choices(f"{LETTERS}bc 、。", k=chance.randint(1, 30))) for _ in range(500)
    ]
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE VIRTUAL TABLE words USING fts5 (x, tokenize = '{TOKENIZER}')")
        for number, text in enumerate(texts):
            connection.execute(
                "INSERT INTO words (rowid, x) VALUES (?, ?)", (number, searchable(text))
            )
        for _ in range(500):
            query = "".join(chance.choices(LETTERS, k=chance.randint(1, 4)))
            matching = "SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid"
            found = connection.execute(matching, (phrase(query, complete=False),)).fetchall()
            assert [texts[row[0]] for row in found] == [text for text in texts if query in text]
