"""Textual's bindings, made from the list of actions."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from sdtui.tui.actions import actions_in

GLOBAL = ("app", "window")
"""Places whose keys work wherever the focus is."""


def bindings_in(scope: str) -> list[BindingType]:
    """The bindings of one place. Those that work everywhere come before a text editor's own."""
    return [
        Binding(
            action.keys,
            action.name,
            action.label,
            show=action.shown,
            tooltip=action.help,
            priority=scope in GLOBAL,
            id=action.id,
        )
        for action in actions_in(scope)
    ]
