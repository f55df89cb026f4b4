"""The stage's text before there is a picture."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text

from sdtui.core.enums import POCKET

EXAMPLE = "a tiger on a blue background"
_FIRST_STEPS = {
    "make the picture": (("prompt.generate", ""), ("window.generate", "")),
    "size, seed …": (("window.jump", ""),),
    "a larger model": (("window.jump", " m"), ("window.models", "")),
    "the keys here": (("window.jump", " ?"), ("app.help", "")),
}
"""What to do first, and the actions that do it, each with what is pressed after its key: the first
that has a key is shown."""


def welcome(model: str, keys: Mapping[str, str], large: tuple[str, str] | None) -> Text:
    """Return the first steps, and a large model to get; it fits the smallest stage. `keys` are the
    keys to show for each action; `large` is the name of a model and how it fits the memory, None
    until that is known."""
    text = Text("Write what you want to see:\n")
    text.append(f"  {EXAMPLE}\n\n", "italic")
    steps = {
        label: key
        for label, actions in _FIRST_STEPS.items()
        if (key := next((keys[each] + then for each, then in actions if keys.get(each)), ""))
    }
    width = max(map(len, steps.values()), default=0)
    for label, key in steps.items():
        text.append(f" {key:>{width}}", "bold").append(f"  {label}\n")
    if model == POCKET:
        text.append("\nThe pocket model makes small pictures of simple things.")
    if large is None:
        return text
    name, fits = large
    text.append(" For large ones:\n" if model == POCKET else "\nFor large pictures:\n")
    return text.append(f"  {name}\n", "bold").append(f"  {fits}\n", "dim")
