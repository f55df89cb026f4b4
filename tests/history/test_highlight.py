"""Where the words of a search are seen in prompts."""

from __future__ import annotations

import pytest

from sdtui.history import found_in


@pytest.mark.parametrize(
    ("query", "text", "found"),
    [
        ("tiger", "a tiger, two Tigers", ["tiger", "Tiger"]),
        ("ger", "a tiger", []),
        ("tig blue", "a tiger on a blue background", ["tig", "blue"]),
        ('"blue background"', "blue, background and blue", ["blue, background"]),
        ("-tiger model:blue star:yes", "a tiger on a blue background", []),
        ("cafe", "Café au lait", ["Café"]),
        ("好き", "猫が好き", ["好き"]),
        ("ＡＢＣ", "abc", ["abc"]),
        ("tig tiger", "a tiger", ["tiger"]),
        ("🐯", "a 🐯!", ["🐯"]),
        ("(", "a (b)", ["("]),
        ("", "a tiger", []),
        ("straße", "die STRASSE", ["STRASSE"]),
    ],
)
def test_words_of_a_search_are_found_in_the_prompt(query: str, text: str, found: list[str]) -> None:
    assert [text[start:end] for start, end in found_in(text, query)] == found
