"""Searches in languages without spaces between words, in Korean, and for symbols."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdtui.history import History
from tests.support.records import picture, record

PROMPTS = (
    "月光下的森林里，一位古老的女孩站在湖边，水墨画，杰作",
    "夕焼けの街で、猫が好きな女の子 masterpiece, 高画質",
    "어린 고양이가 파란배경 앞에서 춤춘다, best quality",
    "แมวดำกำลังนอนบนโต๊ะไม้",
    "ແມວນອນຢູ່ເທິງໂຕະ",
    "ឆ្មាកំពុងដេកលើតុ",
    "ကြောင်လေးအိပ်နေသည်",
    "好。きれい、ｶﾞﾝﾀﾞﾑ ＡＢＣ１２３ 人々 スーパー",
    "𠮷野家の𩸽定食、葛\U000e0100飾区 4K画質 Tシャツ",
    "cute🐱🐯 👩‍🎨 ❤️ हिन्दी में बिल्ली, Ёлка, crème brûlée, it´s Heinestraße",
    "步2，重跑gen-itgc后50条：ㅋㅋㅋ ㇰㇱ 🔘⭕🔵🫠🫩",
)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    folder: Path = tmp_path_factory.mktemp("languages")
    with History(folder / "pictures", folder / "index.db") as history:
        for number, prompt in enumerate(PROMPTS):
            history.save(picture(), record(prompt, seed=number, model="模型/水墨画风"), 0)
        yield history


def found(history: History, query: str) -> list[int]:
    return sorted(entry.seed or 0 for entry in history.entries(query).entries)


@pytest.mark.parametrize(
    ("query", "seeds"),
    [
        # letters, words and sentences, at the start, in the middle and at the end
        ("猫", [1]),
        ("女", [0, 1]),
        ("女孩", [0]),
        ("女の子", [1]),
        ("森林里", [0]),
        ("古老的女孩站在湖边", [0]),
        ("月光下的森林里，一位古老的女孩", [0]),
        ("質", [1, 8]),
        ("고양이", [2]),
        ("양이", [2]),
        ("배경", [2]),
        ("춤춘다", [2]),
        ("แมว", [3]),
        ("โต๊ะ", [3]),
        ("น้ำ", []),
        ("ນອນ", [4]),
        ("ដេក", [5]),
        ("အိပ်", [6]),
        # letters that stand apart or in another order
        ("好き", [1]),
        ("好きれい", []),
        ("子女", []),
        ("猫好", []),
        ("孩的", []),
        ("이양", []),
        # with words, phrases, negation, fields and each other
        ("女の子 masterpiece", [1]),
        ("master 猫", [1]),
        ("女の子masterpiece", [1]),
        ("好きmasterpiece", []),
        ("女 -猫", [0]),
        ("-女 -고양이 -แมว", [4, 5, 6, 7, 8, 9, 10]),
        ('"女の子 masterpiece"', [1]),
        ('"masterpiece, 高画"', [1]),
        ('"女の子"', [1]),
        ('-"女の子" 女', [0]),
        ('"猫 が"', []),
        ('"고양이가 파란"', [2]),
        ('"고양이 파란"', []),
        ("best 고양", [2]),
        ("seed<2 女", [0, 1]),
        ("seed<1 女", [0]),
        ("model:水墨 女", [0, 1]),
        ("-model:水墨", []),
        ("model:风", list(range(11))),
        ("model:墨水", []),
        ("女の子　高画質", [1]),
        # forms of the same letters
        ("ガンダム", [7]),
        ("ｶﾞﾝﾀﾞﾑ", [7]),
        (unicodedata.normalize("NFD", "ガンダム"), [7]),
        ("カンタム", []),
        ("abc", [7]),
        ("ＡＢＣ123", [7]),
        ("夕焼けの街で、猫か\u3099好き", [1]),
        ("人々", [7]),
        ("人人", []),
        ("スーパ", [7]),
        ("スパ", []),
        ("𠮷野", [8]),
        ("吉野", []),
        ("野家の𩸽", [8]),
        ("\ud842\udfb7野家", [8]),
        ("葛飾", [8]),
        ("葛\U000e0101飾", [8]),
        ("4k画質", [8]),
        ("tシャツ", [8]),
        ("シャツ", [8]),
        # symbols, and letters that are joined to words as before
        ("🐱", [9]),
        ("🐯", [9]),
        ("🐱🐯", [9]),
        ("🐯🐱", []),
        ("cute", [9]),
        ('"cute"', [9]),
        ("🎨", [9]),
        ("👩‍🎨", [9]),
        ("❤", [9]),
        ("❤️", [9]),
        ("हिन्", [9]),
        ("हिन्दी", [9]),
        ("न्दी", []),
        ("ёлка", [9]),
        ("creme brulee", [9]),
        ('"CRÈME BRU', [9]),
        ("rème", []),
        ("it's", [9]),
        ("heinestrasse", [9]),
        # words and digits next to letters and punctuation of other scripts
        ("itgc", [10]),
        ("gen", [10]),
        ("50条", [10]),
        ("0条", []),
        ("ㅋㅋ", [10]),
        ("ㇰㇱ", [10]),
        ("⭕", [10]),
        ("🔵🫠", [10]),
        ("🫩", [10]),  # newer than the Unicode tables of Python 3.11 and of SQLite
    ],
)
def test_words_are_found_in_sentences_without_spaces(
    filled: History, query: str, seeds: list[int]
) -> None:
    assert found(filled, query) == seeds


@pytest.mark.parametrize("query", ["\ud800", "\udfff\ud800", "!!!", "、。", "€", '"…"', "model:、"])
def test_query_without_anything_to_search_finds_nothing(filled: History, query: str) -> None:
    assert filled.entries(query).total == 0
    assert filled.entries(f"seed:1 {query}").total <= 1


@pytest.mark.parametrize("query", ["tag:\ud800", "model:\udcff", "-\ud800 猫", "猫\ud83d"])
def test_half_a_surrogate_pair_is_no_error(filled: History, query: str) -> None:
    assert filled.entries(query).total <= 1


@pytest.mark.parametrize("query", ["", " ", "-", '"', "model:", "-!!!", "　"])
def test_query_that_is_not_begun_yet_finds_everything(filled: History, query: str) -> None:
    assert filled.entries(query).total == len(PROMPTS)


def test_every_beginning_of_a_query_finds_what_the_whole_finds(filled: History) -> None:
    for prompt in PROMPTS:
        letters = prompt.replace("ｶﾞﾝﾀﾞﾑ", "ガンダム")  # each letter whole, as it is typed
        for end in range(1, len(letters) + 1):
            if letters[:end].strip() and letters[end - 1].isalpha():
                assert prompt in [entry.prompt for entry in filled.entries(letters[:end]).entries]


def test_texts_are_shown_as_they_were_written(filled: History) -> None:
    entries = {entry.seed: entry for entry in filled.entries().entries}
    assert tuple(entries[number].prompt for number in range(len(PROMPTS))) == PROMPTS
    assert {entry.model for entry in entries.values()} == {"模型/水墨画风"}
    assert filled.stats().models == {"模型/水墨画风": len(PROMPTS)}


def test_index_follows_changes_of_pictures(history: History) -> None:
    saved = history.save(picture(), record("黒い猫がいる"), 0)
    assert history.entries("い猫").total == 1
    history.star(saved.path)
    assert history.entries("い猫 star:yes").total == 1
    moved = saved.path.with_stem("別の名前")
    saved.path.rename(moved)
    saved.json_path.rename(moved.with_suffix(".json"))
    history.refresh()
    assert [entry.path for entry in history.entries("い猫").entries] == [moved]
    text = moved.with_suffix(".json").read_text(encoding="utf-8")
    moved.with_suffix(".json").write_text(text.replace("黒い猫", "白い犬"), encoding="utf-8")
    moved.touch()
    moved.with_suffix(".json").with_suffix(".note").touch()
    history.refresh()
    assert (history.entries("い猫").total, history.entries("い犬").total) == (0, 1)
    history.trash(moved)
    assert history.entries("犬").total == 0
    history.restore(moved.name)
    assert history.entries("い犬が").total == 1
