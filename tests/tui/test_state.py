"""The app's saved state, and how damaged files are handled."""

from __future__ import annotations

import json

import pytest

from sdtui.tui.state import SavedState, load_state, save_state, state_file


def test_there_and_back(own_folders: object) -> None:
    state = SavedState(
        form={"prompt": "a cat"}, prompts=("a", "b"), last_seed=3, sizes={"left": 4}, theme="nord"
    )
    save_state(state)
    assert load_state() == state


def test_prompts_of_another_app_are_kept(own_folders: object) -> None:
    save_state(SavedState(prompts=("a", "b"), negative_prompts=("fog",)))
    save_state(SavedState(prompts=("a", "c")))
    assert load_state().prompts == ("a", "b", "c")
    assert load_state().negative_prompts == ("fog",)
    save_state(SavedState(prompts=("b", "c", "a")))
    assert load_state().prompts == ("b", "c", "a")


def test_nothing_is_there(own_folders: object) -> None:
    assert load_state() == SavedState()


@pytest.mark.parametrize("text", ["", "{", "[1]", "\xff", '"x"', "[" * 100_000])
def test_damaged(own_folders: object, text: str) -> None:
    state_file().parent.mkdir(parents=True, exist_ok=True)
    state_file().write_bytes(text.encode("latin-1"))
    assert load_state() == SavedState()


def test_values_of_a_wrong_type_are_left_out(own_folders: object) -> None:
    saved = {
        "form": {"prompt": "a cat", "seed": 3},
        "prompts": ["a", 1, None, "b"],
        "negative_prompts": "none",
        "last_seed": True,
        "sizes": {"left": 4, "right": "x", "a": -5, "b": 0, "c": 10**400, "d": True},
        "theme": 5,
        "of a later version": {},
    }
    state_file().parent.mkdir(parents=True, exist_ok=True)
    state_file().write_text(json.dumps(saved))
    assert load_state() == SavedState(
        form={"prompt": "a cat"}, prompts=("a", "b"), sizes={"left": 4}
    )
