"""Which names match what was typed, and in what order."""

from __future__ import annotations

import pytest

from sdtui.core.ranking import SearchText, ranked
from sdtui.core.samplers import sampler_labels


def names(query: str, items: list[str]) -> list[str]:
    return ranked(query, items, SearchText)


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("euler a", "Euler a"),
        ("euler", "Euler"),
        ("EULER  KARRAS ", "Euler Karras"),
        ("dpm 2m ka", "DPM++ 2M Karras"),
        ("heun", "Heun"),
        ("ｅｕｌｅｒ　ａ", "Euler a"),
        ("karras dpm2", "DPM2 Karras"),
    ],
)
def test_best_sampler_is_first(query: str, first: str) -> None:
    assert names(query, [*sampler_labels()])[0] == first


def test_order_is_exact_part_prefix_word_anywhere() -> None:
    items = ["my cataract", "bobcat", "old cats", "cats", "folder/cat.png", "cat"]
    best_first = ["cat", "folder/cat.png", "cats", "my cataract", "old cats", "bobcat"]
    assert names("cat", items) == best_first


@pytest.mark.parametrize("typed", ["tiny sd", "Tiny_SD", "tiny-sd", "tiny--sd", "models/tiny sd"])
def test_signs_between_words_make_no_other_name(typed: str) -> None:
    assert names(typed, ["my-tiny-sd", "tiny-sdxl", "models/tiny-sd"])[0] == "models/tiny-sd"


@pytest.mark.parametrize("typed", ["a-b", "a_b", "a b"])
def test_exact_name_counts_more_than_one_with_other_signs(typed: str) -> None:
    assert names(typed, ["a-b", "a_b", "a b", "x/a-b"])[0] == typed


def test_name_counts_more_than_other_texts() -> None:
    items = [
        SearchText("Init image", "start from it"),
        SearchText("History: Start"),
        SearchText("x"),
    ]
    assert ranked("start", items, lambda item: item) == [items[1], items[0]]


def test_equal_ranks_keep_their_order() -> None:
    assert names("tiny", ["tiny-sdxl", "tiny-sd", "other"]) == ["tiny-sdxl", "tiny-sd"]
    assert names(" ", ["b", "a"]) == ["b", "a"]


@pytest.mark.parametrize(
    ("query", "name"),
    [("strasse", "Straße"), ("cafe", "Café"), ("CAFE\u0301", "café"), ("ĝ", "G"), ("ﬁsh", "fish")],
)
def test_case_accents_and_ligatures_are_ignored(query: str, name: str) -> None:
    assert names(query, ["other", name]) == [name]


def test_vowel_signs_are_not_accents() -> None:
    assert names("が", ["か", "が"]) == ["が"]


def test_every_word_must_be_there() -> None:
    assert names("euler zzz", [*sampler_labels()]) == []
