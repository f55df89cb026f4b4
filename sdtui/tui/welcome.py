"""What the preview pane says before there is a picture."""

from __future__ import annotations

from rich.text import Text

from sdtui.models.catalog import POCKET

_LARGER = (
    ("stable-diffusion-v1-5/stable-diffusion-v1-5", "512 pixels, 4 GiB of VRAM"),
    ("stabilityai/stable-diffusion-xl-base-1.0", "1024 pixels, 8 GiB of VRAM"),
)


def welcome(model: str, generate_key: str, models_key: str) -> Text:
    """What the model can do, the one key to press, and how to get a big one."""
    text = Text("Write what you want to see and press ")
    text.append(generate_key, "bold").append(".\n\n")
    if model == POCKET:
        text.append("The pocket model came with sdtui: small pictures of simple things, without ")
        text.append("a network or a GPU. Try\n\n")
        text.append("  a tiger on a blue background\n\n", "italic")
    text.append("For large ones press ").append(models_key, "bold")
    text.append(" and write a model's id:\n\n")
    for name, needs in _LARGER:
        text.append(f"{name}\n", "bold").append(f"  {needs}\n", "dim")
    return text
