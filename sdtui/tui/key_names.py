"""How keys are written, wherever the app or the manual shows one: `⏎ ^g esc space ← → ⇧tab`."""

from __future__ import annotations

import re
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
}
"""Textual's names of keys that write nothing."""
_SIGNS = {
    "minus": "-",
    "plus": "+",
    "at": "@",
    "slash": "/",
    "backslash": "\\",
    "underscore": "_",
    "less_than_sign": "<",
    "greater_than_sign": ">",
}
"""Textual's names of signs that aren't Unicode's."""
_BY_WRITTEN = {shown: name for name, shown in (_NAMES | _SIGNS).items()}
_ASCII = {"⏎": "enter", "⌫": "bksp", "↑": "up", "↓": "down", "←": "left", "→": "right"}
_MODIFIERS = {"ctrl": "^", "alt": "alt+", "shift": "⇧"}


def key_name(key: str, *, ascii_only: bool = False) -> str:
    """Return how a key is written; `key` is Textual's name, such as "ctrl+g". `ascii_only` is for
    terminals and files that have no signs for keys."""
    *modifiers, plain = key.split("+")
    name = _NAMES.get(plain) or typed_character(plain) or plain
    signs = _MODIFIERS
    if ascii_only:
        name = _ASCII.get(name, name)
        signs = {**_MODIFIERS, "shift": "shift+"}
    return "".join(signs.get(each, f"{each}+") for each in modifiers) + name


def key_names(keys: str, *, ascii_only: bool = False) -> list[str]:
    """Return how each key of a list, separated by commas, is written."""
    return [key_name(key.strip(), ascii_only=ascii_only) for key in keys.split(",")]


def parsed_key(written: str) -> str:
    """Return Textual's name of a key that is written as the app writes it; names stay."""
    for sign, name in (("^", "ctrl+"), ("⇧", "shift+"), ("alt+", "alt+")):
        if written.startswith(sign) and len(written) > len(sign):
            return name + parsed_key(written.removeprefix(sign))
    if known := _BY_WRITTEN.get(written):
        return known
    if len(written) == 1 and not written.isalnum():
        return unicodedata.name(written, written).lower().replace(" ", "_").replace("-", "_")
    return written


def easy_keys(keys: str) -> str:
    """Return the keys to show of a list: two, without those that many terminals keep for
    themselves, if there are others."""
    listed = [key.strip() for key in keys.split(",")]
    easy = [key for key in listed if not re.match(r"alt\+|f\d", key)]
    return ",".join((easy or listed)[:2])


def typed_character(key: str) -> str | None:
    """Return what a key writes into a text; None if it is no key of a character."""
    if len(key) == 1:
        return key
    if known := _SIGNS.get(key):
        return known
    try:
        found = unicodedata.lookup(key.replace("_", " "))
    except KeyError:
        return None
    return found if found.isprintable() else None
