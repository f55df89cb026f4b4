"""How keys are written, wherever the app or the manual shows one: `⏎ ^g esc space ← → ⇧tab`."""

from __future__ import annotations

import unicodedata

_NAMES = {
    "enter": "⏎",
    "escape": "esc",
    "space": "space",
    "backspace": "⌫",
    "delete": "del",
    "insert": "ins",
    "pageup": "pgup",
    "pagedown": "pgdn",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "minus": "-",
    "plus": "+",
    "at": "@",
    "slash": "/",
    "backslash": "\\",
    "underscore": "_",
    "less_than_sign": "<",
    "greater_than_sign": ">",
}
"""Textual's names of keys that aren't Unicode's, or aren't shown by their character."""
_ASCII = {"⏎": "enter", "⌫": "bksp", "↑": "up", "↓": "down", "←": "left", "→": "right"}
_MODIFIERS = {"ctrl": "^", "alt": "alt+", "shift": "⇧"}


def key_name(key: str, *, ascii_only: bool = False) -> str:
    """Return how a key is written; `key` is Textual's name, such as "ctrl+g". `ascii_only` is for
    terminals and files that have no signs for keys."""
    *modifiers, plain = key.split("+")
    name = _NAMES.get(plain) or _character(plain)
    signs = _MODIFIERS
    if ascii_only:
        name = _ASCII.get(name, name)
        signs = {**_MODIFIERS, "shift": "shift+"}
    return "".join(signs.get(each, f"{each}+") for each in modifiers) + name


def key_names(keys: str, *, ascii_only: bool = False) -> list[str]:
    """Return how each key of a list, separated by commas, is written."""
    return [key_name(key.strip(), ascii_only=ascii_only) for key in keys.split(",")]


def _character(name: str) -> str:
    """Return the character of Unicode's name, or the name itself."""
    try:
        found = unicodedata.lookup(name.replace("_", " "))
    except KeyError:
        return name
    return found if found.isprintable() else name
