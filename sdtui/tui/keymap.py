"""The `[keys]` table of the config file: what it gives to actions, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping

from sdtui.core.errors import SettingsError
from sdtui.core.settings import settings_origin
from sdtui.core.text import nearest
from sdtui.tui.actions import ACTIONS, BEFORE_EDITORS, actions_in
from sdtui.tui.key_names import parsed_key

_PANES = (
    *("choice", "form", "gallery", "info", "list", "log", "number", "path", "picture"),
    *("prompt", "queue", "reading", "search", "section", "shelf", "stage"),
)
"""Scopes of panes and controls of the window."""

RENAMED = {
    "window.create_tab": "window.prompt",
    "window.history_tab": "window.gallery_tab",
    "preview.previous": "stage.previous",
    "preview.next": "stage.next",
    "preview.before_after": "stage.before_after",
    "preview.open": "picture.open",
    "preview.grid": "",
    "metadata.toggle_node": "",
    "help.manual": "",
    "jump.close": "which_key.close",
    "history.show": "",
    "history.search": "shelf.search",
    "history.reuse": "picture.reuse",
    "history.vary": "picture.reuse_new_seed",
    "history.init_image": "picture.start_from",
    "history.compare": "picture.compare",
    "history.star": "picture.star",
    "history.tag": "picture.tag",
    "history.trash": "picture.trash",
    "history.undo": "picture.undo",
    "history.copy_path": "picture.copy",
    "history.copy_prompt": "picture.copy_prompt",
    "history.copy_json": "picture.copy_json",
    "picture.next": "full_screen.next",
    "picture.previous": "full_screen.previous",
    "picture.before_after": "full_screen.before_after",
    "picture.back": "full_screen.back",
    "compare.reuse_first": "compare.first",
    "compare.reuse_second": "compare.second",
}
"""Former ids of actions, which config files may still have; "" if the action is gone."""


def current_keymap(keymap: Mapping[str, str]) -> dict[str, str]:
    """Return a keymap with the present ids of actions, and Textual's names of keys."""
    renamed = {RENAMED.get(name, name): ",".join(_split(keys)) for name, keys in keymap.items()}
    return {name: keys for name, keys in renamed.items() if name}


def check_keymap(keymap: Mapping[str, str]) -> None:
    """Raise SettingsError, with the position, if the config file's `[keys]` names an unknown action
    or key, or binds one key to two actions of a scope."""
    known = {action.id for action in ACTIONS}
    for name, keys in keymap.items():
        origin = settings_origin("keys", name)
        if name not in known and name not in RENAMED:
            near = nearest(name, known)
            hint = f'Did you mean "{near}"?' if near else '"sdtui keys" lists them'
            raise SettingsError(f'{origin}: keys: there is no action "{name}"', hint)
        for key in _split(keys):
            if not _is_key(key):
                raise SettingsError(
                    f'{origin}: keys: {name}: there is no key "{key}"',
                    "Give a key such as ^g, f5, alt+up or K; commas part several",
                )
    _check_clashes(keymap)
    _check_reach(keymap)


def _check_reach(keymap: Mapping[str, str]) -> None:
    """Raise SettingsError if a letter is bound globally, so that it could no longer be typed, or a
    pane's action has no key left."""
    present = current_keymap(keymap)
    keys = {action.id: _split(present.get(action.id, action.keys)) for action in ACTIONS}
    everywhere = {key: each.id for each in actions_in("window") for key in keys[each.id]}
    for action in ACTIONS:
        letters = [key for key in keys[action.id] if len(key) == 1 or key == "space"]
        if action.scope in BEFORE_EDITORS and letters:
            raise SettingsError(
                f"{_origin(action.id, keymap)}: keys: {action.id}: {letters[0]} could no "
                "longer be written",
                "Give a key such as ^g or f5",
            )
        if action.scope in _PANES and all(key in everywhere for key in keys[action.id]):
            other = everywhere[keys[action.id][0]]
            changed = action.id if action.id in present else other
            raise SettingsError(
                f"{_origin(changed, keymap)}: keys: {other} leaves {action.id} without a "
                f"key: it takes {keys[action.id][0]} wherever the focus is",
                "Give one of them another",
            )


def _origin(name: str, keymap: Mapping[str, str]) -> str:
    """Return where the config file binds an action, by its present or a former id."""
    written = next((each for each in keymap if RENAMED.get(each, each) == name), name)
    return settings_origin("keys", written)


def _split(keys: str) -> list[str]:
    return [parsed_key(key.strip()) for key in keys.split(",")]


def _check_clashes(keymap: Mapping[str, str]) -> None:
    taken: dict[tuple[str, str], str] = {}
    present = current_keymap(keymap)
    for action in ACTIONS:
        place = "app" if action.scope == "window" else action.scope
        for key in _split(present.get(action.id, action.keys)):
            other = taken.setdefault((place, key), action.id)
            if other != action.id:
                changed = action.id if action.id in present else other
                raise SettingsError(
                    f"{_origin(changed, keymap)}: keys: {other} and {action.id} share the "
                    f"key {key}",
                    "Give one of them another",
                )


def _is_key(name: str) -> bool:
    from textual.keys import Keys, key_to_character  # only where keys were changed

    *modifiers, key = name.split("+")
    if not all(each in ("ctrl", "alt", "shift") for each in modifiers):
        return False
    return key in list(Keys) or key_to_character(key) is not None
