"""Textual's bindings, derived from the list of actions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from textual.binding import ActiveBinding, Binding, BindingType

from sdtui.tui.actions import ACTIONS, BEFORE_EDITORS, Action, actions_in
from sdtui.tui.key_names import key_names, typed_character
from sdtui.tui.keymap import current_keymap

if TYPE_CHECKING:
    from textual.screen import Screen


def bindings_in(scope: str) -> list[BindingType]:
    """Return the bindings of a scope."""
    return [_binding(action) for action in actions_in(scope)]


def bindings_of(*names: str) -> list[BindingType]:
    """Return bindings for action ids."""
    return [_binding(action) for action in ACTIONS if action.id in names]


def written_key(name: str, keymap: Mapping[str, str]) -> str:
    """Return how the first key of an action is written, with the keys of the config file."""
    default = next(action.keys for action in ACTIONS if action.id == name)
    return key_names(current_keymap(keymap).get(name, default))[0]


def bindings_that_work(window: Screen[Any]) -> list[ActiveBinding]:
    """Return the bindings that work in the window now; under another screen, that screen's and the
    global ones. Keys that the focused editor takes as text are left out."""
    above = window.app.screen
    here = _active(window)
    if above is window:
        return here
    of_above = _active(above)
    known = {each.binding.id for each in of_above}
    everywhere = [each for each in here if (each.binding.id or "").startswith("app.")]
    return [*of_above, *(each for each in everywhere if each.binding.id not in known)]


@runtime_checkable
class NamesKeys(Protocol):
    """A widget or screen of which some keys do something else at times."""

    def key_label(self, action: str) -> str:
        """Return what an action does now, for the footer; "" if its label says so."""
        ...


def label_now(active: ActiveBinding) -> str:
    """Return what a key that works now does, for the footer."""
    node, binding = active.node, active.binding
    now = node.key_label(binding.action) if isinstance(node, NamesKeys) else ""
    return now or binding.description


def _active(screen: Screen[Any]) -> list[ActiveBinding]:
    focused = screen.focused
    return [
        active
        for key, active in screen.active_bindings.items()
        if active.enabled
        and (
            active.binding.priority
            or focused is None
            or not focused.check_consume_key(key, typed_character(key))
        )
    ]


def _binding(action: Action) -> Binding:
    return Binding(
        action.keys,
        action.call,
        action.label,
        show=action.shown,
        tooltip=action.help,
        priority=action.scope in BEFORE_EDITORS,
        id=action.id,
    )
