"""Names and tags that complete a prompt."""

from __future__ import annotations

import random
import time
from pathlib import Path

import numpy
import pytest
from safetensors.numpy import save_file

from sdtui.core.errors import SettingsError
from sdtui.tui.name_completions import (
    TriggerWords,
    WildcardCompletions,
    embedding_completions,
    lora_completions,
)
from sdtui.tui.panes.dock import listed
from sdtui.tui.tag_completions import Tag, TagCompletions, read_tags
from tests.support.app_harness import AppHarness, running

LORAS = lora_completions(["Film_v2", "filmic", "anime"])
WILDCARDS = WildcardCompletions(["colour", "colour/warm", "animals/pets"])
EMBEDDINGS = embedding_completions(["badhands-v5", "easynegative"])


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("a cat <lora:f", "ilm_v2:1>"),
        ("a cat <LORA:FILMI", "c:1>"),
        ("a cat <lora:anime", ":1>"),
        ("<lora:", "anime:1>"),
        ("<lora:x", ""),
        ("<lora:film:", ""),
        ("lora:f", ""),
    ],
)
def test_loras_complete(text: str, rest: str) -> None:
    assert LORAS.complete(text) == rest


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("a __col", "our__"),
        ("a __colour", "__"),
        ("a __colour/", "warm__"),
        ("a __~ani", "mals/pets__"),
        ("{a|__an", "imals/pets__"),
        ("__", "animals/pets__"),
        ("a __colour__", ""),
        ("a __colour__ b", ""),
        ("a __colour__ b __a", "nimals/pets__"),
        ("a_b", ""),
    ],
)
def test_wildcards_complete(text: str, rest: str) -> None:
    assert WILDCARDS.complete(text) == rest


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("embedding:", "badhands-v5"),
        ("x, embedding:ea", "synegative"),
        ("x, bad", "hands-v5"),
        ("(bad", "hands-v5"),
        ("x, ba", ""),
        ("xbad", ""),
        ("easynegative", ""),
    ],
)
def test_embeddings_complete(text: str, rest: str) -> None:
    assert EMBEDDINGS.complete(text) == rest


def test_all_candidates_are_offered() -> None:
    assert LORAS.candidates("<lora:film") == ["_v2:1>", "ic:1>"]
    assert WILDCARDS.candidates("__colour") == ["__", "/warm__"]


def test_the_most_frequent_tags_come_first(tmp_path: Path) -> None:
    file = tmp_path / "tags.csv"
    file.write_text(
        '1girl,0,9000,"girl,one_girl"\nlong_hair,0,500,\nlong_sleeves,0,700\n'
        "long_shot,0,x\nhatsune_miku_(vocaloid),4,100,\nlongest_of_all,0,1\n\n,0,1\n"
    )
    tags = read_tags(file)
    assert tags.candidates("a, lon") == ["g sleeves", "g hair", "gest of all", "g shot"]
    assert tags.complete("a, LONG_h") == "air"
    assert tags.complete("a, long hair") == ""
    assert tags.complete("(hats") == r"une miku \(vocaloid\)"
    assert tags.complete("a, lo") == ""


def test_tags_are_found_by_other_names_and_inner_words(tmp_path: Path) -> None:
    file = tmp_path / "tags.csv"
    file.write_text(
        'long_hair,0,500,"/lh,hair_that_is_long"\nblack_hair,0,400,\n1girl,0,900,"one_girl,sole_girl"\n'
        'hair_ornament,0,300,\nchair,0,800,\nfan_(a_b),0,1,"ventilator"\n'
    )
    tags = read_tags(file)
    assert tags.replacements("x, hair") == [(4, "long hair"), (4, "black hair")]
    assert tags.candidates("x, hair") == [" ornament"]
    assert tags.replacements("a\nSole_g") == [(6, "1girl")]
    assert tags.replacements("(ventil") == [(6, r"fan \(a b\)")]
    assert tags.replacements("x, long hair") == []
    assert tags.replacements("x, ha") == []
    assert tags.replacements("a girl with long_h") == [(6, "long hair")]
    assert tags.replacements("a hair") == [
        (4, "long hair"),
        (4, "black hair"),
        (4, "hair ornament"),
    ]


def test_inner_words_are_found_fast_among_many_tags() -> None:
    chance = random.Random(1)
    names = ["".join(chance.choices("abcdefgh_", k=12)) for _ in range(30_000)]
    tags = TagCompletions(Tag(name, 1, (name[::-1],)) for name in names)
    begin = time.perf_counter()
    for text in ("xyz", "abc", "a b", "hgfedcb"):
        tags.replacements(text)
    assert (time.perf_counter() - begin) / 4 < 0.1


def test_names_are_found_by_inner_words() -> None:
    assert LORAS.replacements("<lora:v2") == [(2, "Film_v2:1>")]
    assert LORAS.replacements("<lora:film") == []
    assert WILDCARDS.replacements("a __warm") == [(4, "colour/warm__")]
    assert not WILDCARDS.replacements("a __warm__")


def test_trigger_words_are_offered_until_they_are_used() -> None:
    words = TriggerWords(["film grain", "analog style", "film grain"])
    assert words.candidates("a cat, ") == ["film grain", "analog style"]
    assert words.complete("a cat, ") == ""
    assert words.complete("a cat, Film") == " grain"
    assert words.candidates("<lora:x:1>, film grain, ") == ["analog style"]
    assert words.candidates("<lora:x:1> ") == ["film grain", "analog style"]


@pytest.mark.parametrize(
    ("columns", "text"),
    [(40, "2/3  b · c · a"), (14, "2/3  b · c · a"), (13, "2/3  b · c"), (3, "2/3  b")],
)
def test_completions_are_listed_as_far_as_they_fit(columns: int, text: str) -> None:
    assert listed(["a", "b", "c"], 1, columns) == text
    assert "\x1b" not in listed(["\x1b[2J"], 0, columns)


@pytest.mark.parametrize("data", [None, b"\xff\xfe\xfd"])
def test_unreadable_tags_are_named(tmp_path: Path, data: bytes | None) -> None:
    file = tmp_path / "tags.csv"
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(SettingsError, match=r"tags in .*tags\.csv can't be read"):
        read_tags(file)


def test_a_letter_takes_little_time_with_many_tags() -> None:
    chance = random.Random(1)
    names = ["".join(chance.choices("abcdefgh_", k=12)) for _ in range(30_000)]
    tags = TagCompletions(Tag(name, chance.randrange(10**6)) for name in names)
    texts = [f"x, {name[:length].replace('_', ' ')}" for name in names[:100] for length in (3, 6)]
    begin = time.perf_counter()
    for text in texts:
        tags.candidates(text)
    assert (time.perf_counter() - begin) / len(texts) < 0.001


async def test_completions_are_listed_and_replace_what_is_written(tmp_path: Path) -> None:
    tags = tmp_path / "tags.csv"
    tags.write_text("long_hair,0,5\nhair_ornament,0,3\n")
    harness = AppHarness(tmp_path / "home", tag_file=tags)
    async with running(harness, (80, 24)):
        editor = harness.panes.dock.prompt
        await harness.until(lambda: len(editor.completions) > 4)
        harness.fill_form("a girl, , park")
        editor.move_cursor((0, 8))
        await harness.press(*"hair", "ctrl+n")
        assert editor.suggestion == " ornament"
        assert "1/2  hair ornament · long hair" in harness.screen_text()
        await harness.press("ctrl+n")
        assert editor.suggestion == " → long hair"
        await harness.press("right")
        assert editor.text == "a girl, long hair, park"
        assert "1/2" not in harness.screen_text()
        await harness.press("backspace", "r", "ctrl+n", "left")
        assert editor.suggestion == ""
        assert editor.text == "a girl, long hair, park"


async def test_trigger_words_of_loras_in_use_complete(tmp_path: Path) -> None:
    (tmp_path / "loras").mkdir()
    save_file(
        {f"lora_unet_x.lora_{name}.weight": numpy.zeros((2, 2)) for name in ("up", "down")},
        tmp_path / "loras" / "film.safetensors",
        {"modelspec.trigger_phrase": "kodak gold"},
    )
    harness = AppHarness(tmp_path / "home", lora_folders=(tmp_path / "loras",))
    async with running(harness):
        editor = harness.panes.dock.prompt
        harness.fill_form("<lora:film:0.8> a cat, kod")
        await harness.until(lambda: editor.suggestion == "ak gold")


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_names_complete_while_a_prompt_is_written(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "colour.txt").write_text("red\n")
    (tmp_path / "w" / "colder.txt").write_text("blue\n")
    tags = tmp_path / "tags.csv"
    tags.write_text("tiger_in_snow,0,5\n")
    harness = AppHarness(tmp_path / "home", wildcard_folders=(tmp_path / "w",), tag_file=tags)
    async with running(harness, size):
        editor = harness.panes.dock.prompt
        await harness.until(lambda: len(editor.completions) > 4)
        await harness.press(*"a __col")
        assert editor.suggestion == "der__"
        await harness.press("ctrl+n")
        assert editor.suggestion == "our__"
        await harness.press("right")
        assert editor.text == "a __colour__"
        await harness.press(*", tig")
        assert editor.suggestion == "er in snow"
        await harness.press("enter")
        await harness.until(harness.queue.jobs)
        assert harness.queue.jobs()[0].prompts[0].prompt == "a red, tig"
        assert editor.text == "a __colour__, tig"
