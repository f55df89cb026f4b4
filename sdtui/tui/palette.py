"""The commands of the command palette."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from textual.app import SystemCommand

from sdtui.docs import TOPICS
from sdtui.tui.actions import ACTIONS
from sdtui.tui.context import AppContext
from sdtui.tui.keymap import current_keymap
from sdtui.tui.panes.pane import Pane
from sdtui.tui.screens.main import MainScreen

_LEFT_OUT = ("app.command_palette", "reading.help")
"""Actions that make no sense there or are listed by Textual."""


def palette_commands(context: AppContext, main: MainScreen) -> Iterable[SystemCommand]:
    """Yield every action: those that work where the focus is, and those of other panes, which are
    focused first; then the pages of the manual."""
    active = {each.binding.id: each for each in main.active_bindings.values()}
    keymap = current_keymap(context.settings.keys)
    commands: dict[str, SystemCommand] = {}
    for action in ACTIONS:
        if action.id in _LEFT_OUT:
            continue
        found, pane = active.get(action.id), main.panes.by_scope(action.scope)
        if found is not None:
            run = partial(main.app.run_action, action.call, found.node)
        elif action.scope == "picture":
            run = partial(main.app.run_action, action.call, main)
        elif pane is not None:
            run = partial(_run_in_pane, main, action.call, pane)
        else:
            continue
        place = "Picture: " if action.scope == "picture" else f"{pane.title}: " if pane else ""
        name = f"{action.label} · {action.help}"
        keys = keymap.get(action.id, action.keys)
        if before := commands.get(name):  # the same, with other keys where no text is typed
            commands[name] = before._replace(help=f"{before.help},{keys}")
        else:
            commands[name] = SystemCommand(f"{place}{name}", keys, run)
    yield from commands.values()
    for topic, about in TOPICS.items():
        yield SystemCommand(f"Manual: {topic} · {about}", "", partial(_open_manual, context, topic))


def _open_manual(context: AppContext, topic: str) -> None:
    from sdtui.tui.screens.manual import ManualScreen

    context.push_screen(ManualScreen(topic))


async def _run_in_pane(main: MainScreen, action: str, pane: Pane) -> bool:
    main.window.show_pane(pane)
    return await main.app.run_action(action, pane)
