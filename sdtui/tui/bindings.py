"""Textual's bindings, derived from the list of actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.binding import Binding, BindingType

from sdtui.tui.actions import ACTIONS, BEFORE_EDITORS, Action, actions_in

if TYPE_CHECKING:
    from textual.screen import Screen


def bindings_in(scope: str) -> list[BindingType]:
    """Return the bindings of a scope."""
    return [_binding(action) for action in actions_in(scope)]


def bindings_of(*names: str) -> list[BindingType]:
    """Return bindings for action ids."""
    return [_binding(action) for action in ACTIONS if action.id in names]


def bindings_that_work(window: Screen[Any]) -> list[Binding]:
    """Return the bindings that work in the window now; under another screen, that screen's and the
    global ones."""
    above = window.app.screen
    here = [active.binding for active in window.active_bindings.values()]
    if above is window:
        return here
    everywhere = [each for each in here if (each.id or "").startswith("app.")]
    return [*(active.binding for active in above.active_bindings.values()), *everywhere]


def _binding(action: Action) -> Binding:
    return Binding(
        action.keys,
        action.name,
        action.label,
        show=action.shown,
        tooltip=action.help,
        priority=action.scope in BEFORE_EDITORS,
        id=action.id,
    )
