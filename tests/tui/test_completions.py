"""What completes a prompt."""

from __future__ import annotations

import time

import pytest

from sdtui.tui.completions import EarlierPrompts

PROMPTS = [
    "a cat, detailed fur, soft light",
    "a tiger in the snow, detailed fur",
    "A castle, soft light, volumetric fog",
    "a cat on a chair",
]


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("a c", "at on a chair"),  # the newest prompt that begins so
        ("a cat,", " detailed fur, soft light"),
        ("a dog, det", "ailed fur"),
        ("a dog,so", "ft light"),
        ("a dog, SOFT", " light"),
        ("a dog\nvolu", "metric fog"),
        ("the old cas", "tle"),
        ("the old ca", ""),  # too short for a word
        ("x", ""),
        ("", ""),
        (", ", ""),
        ("a cat on a chair", ""),
        ("a dog, soft light", ""),
    ],
)
def test_earlier_prompts_complete(text: str, rest: str) -> None:
    assert EarlierPrompts(PROMPTS).complete(text) == rest


def test_the_more_frequent_phrase_comes_first() -> None:
    prompts = ["one, golden hour", "two, golden hour", "three, golden gate"]
    assert EarlierPrompts(prompts).complete("x, gol") == "den hour"
    assert EarlierPrompts(prompts[1:]).complete("x, gol") == "den gate"


def test_a_prompt_that_was_sent_is_not_completed_by_its_own_words() -> None:
    source = EarlierPrompts(["a catapult and a cat", "a cat on a chair, soft lighting, soft"])
    assert source.complete("a catapult and a cat") == ""
    assert source.complete("a cat on a chair, soft lighting, soft") == ""
    assert source.complete("two dogs and a cat") == "apult"


def test_letters_that_change_their_length_are_no_trouble() -> None:
    source = EarlierPrompts(["x, İstanbul at night", "y, 猫と犬, straße"])
    assert source.complete("z, 猫") == ""
    assert source.complete("z, 猫と") == "犬"
    assert source.complete("z, stra") == "ße"
    assert source.complete("z, i\u0307s") == ""


def test_a_letter_takes_little_time_with_many_long_prompts() -> None:
    prompts = [
        f"number {each}, " + ", ".join(f"phrase{each} {n}" for n in range(300))
        for each in range(200)
    ]
    source = EarlierPrompts(prompts)
    source.complete("x, phr")
    begin = time.perf_counter()
    for _ in range(10):
        source.complete("x, phrase77 1")
    assert (time.perf_counter() - begin) / 10 < 0.01
