"""One notation of keys, everywhere."""

from __future__ import annotations

import string

import pytest
from textual.keys import _character_to_key

from sdtui.tui.key_names import key_name, key_names


@pytest.mark.parametrize(
    ("key", "written", "in_ascii"),
    [
        ("ctrl+g", "^g", "^g"),
        ("enter", "⏎", "enter"),
        ("escape", "esc", "esc"),
        ("space", "space", "space"),
        ("left", "←", "left"),
        ("shift+tab", "⇧tab", "shift+tab"),
        ("alt+down", "alt+↓", "alt+down"),
        ("ctrl+alt+f5", "^alt+f5", "^alt+f5"),
        ("R", "R", "R"),
        ("question_mark", "?", "?"),
        ("pagedown", "pgdn", "pgdn"),
    ],
)
def test_a_key_is_written_in_one_way(key: str, written: str, in_ascii: str) -> None:
    assert key_name(key) == written
    assert key_name(key, ascii_only=True) == in_ascii
    assert in_ascii.isascii()


def test_every_sign_is_written_as_itself() -> None:
    for sign in string.ascii_letters + string.digits + string.punctuation:
        assert key_name(_character_to_key(sign)) == sign


def test_lists_of_keys_are_written_in_their_order() -> None:
    assert key_names("ctrl+g,f5") == ["^g", "f5"]
    assert key_names("enter, space") == ["⏎", "space"]
