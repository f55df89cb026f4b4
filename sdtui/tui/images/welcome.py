"""The preview's text before there is a picture."""

from __future__ import annotations

from rich.text import Text

from sdtui.core.enums import POCKET


def welcome(model: str, generate_key: str, models_key: str, large: tuple[str, str] | None) -> Text:
    """Return the text about the current model, the key to press, and how to get a large model.
    `large` is its name and how it fits the memory; None until that is known."""
    text = Text("Write what you want to see and press ")
    text.append(generate_key, "bold").append(".\n\n")
    if model == POCKET:
        text.append("The pocket model came with sdtui: small pictures of simple things, without ")
        text.append("a network or a GPU. Try\n\n")
        text.append("  a tiger on a blue background\n\n", "italic")
    text.append("For large ones press ").append(models_key, "bold")
    text.append(" and type a Hugging Face id")
    if large is None:
        return text.append(".")
    name, fits = large
    return text.append(":\n\n").append(f"{name}\n", "bold").append(f"  {fits}\n", "dim")
