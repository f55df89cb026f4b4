"""One notation of keys, everywhere."""

from __future__ import annotations

import string

import pytest
from textual.keys import _character_to_key

from sdtui.tui.actions import ACTIONS
from sdtui.tui.key_names import easy_keys, key_name, key_names, parsed_key


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


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("^g", "ctrl+g"),
        ("⏎", "enter"),
        ("esc", "escape"),
        ("⇧↑", "shift+up"),
        ("alt+↓", "alt+down"),
        ("?", "question_mark"),
        ("/", "slash"),
        ("-", "minus"),
        ("^", "circumflex_accent"),
        ("ctrl+g", "ctrl+g"),
        ("question_mark", "question_mark"),
        ("R", "R"),
    ],
)
def test_keys_can_be_written_as_they_are_shown(written: str, key: str) -> None:
    assert parsed_key(written) == key


def test_every_key_of_an_action_can_be_written_as_it_is_shown() -> None:
    for action in ACTIONS:
        for key in action.keys.split(","):
            assert parsed_key(key_name(key)) == key


def test_lists_of_keys_leave_out_what_terminals_keep() -> None:
    assert easy_keys("ctrl+g,f5") == "ctrl+g"
    assert easy_keys("f6") == "f6"
    assert easy_keys("left,h,up,k") == "left,h"
