"""The stage's text before there is a picture."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text

from sdtui.core.enums import POCKET

EXAMPLE = "a tiger on a blue background"
_KEYS = {
    "window.generate": "make the picture",
    "window.jump": "go to model, size, seed …",
    "window.models": "get a larger model",
    "app.help": "all keys that work here",
}
"""What to do first, by the action's id."""


def welcome(model: str, keys: Mapping[str, str], large: tuple[str, str] | None) -> Text:
    """Return the first steps, and a large model to get; it fits the smallest stage. `keys` are the
    keys to show for each action; `large` is the name of a model and how it fits the memory, None
    until that is known."""
    text = Text("Write what you want to see:\n")
    text.append(f"  {EXAMPLE}\n\n", "italic")
    shown = {keys[action]: label for action, label in _KEYS.items() if keys.get(action)}
    width = max(map(len, shown), default=0)
    for key, label in shown.items():
        text.append(f" {key:>{width}}", "bold").append(f"  {label}\n")
    if model == POCKET:
        text.append("\nThe pocket model makes small pictures of simple things.")
    if large is None:
        return text
    name, fits = large
    text.append(" For large ones:\n" if model == POCKET else "\nFor large pictures:\n")
    return text.append(f"  {name}\n", "bold").append(f"  {fits}\n", "dim")
