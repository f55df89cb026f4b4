"""What the preview pane says before there is a picture."""

from __future__ import annotations

from rich.text import Text

from sdtui.models.catalog import POCKET


def welcome(model: str, generate_key: str, models_key: str) -> Text:
    """What the model can do, the one key to press, and how to get a big one."""
    text = Text()
    text.append("Write what you want to see, then press ")
    text.append(generate_key, "bold").append(".\n\n")
    if model == POCKET:
        text.append("You have the pocket model: it comes with sdtui, needs no network and no GPU, ")
        text.append("and draws small pictures of simple things in seconds. Try\n\n")
        text.append("  a tiger on a blue background\n\n", "italic")
    text.append("For photographs and fine art press ").append(models_key, "bold")
    text.append(" and write the id of a model on the hub, for example\n\n")
    text.append("  stable-diffusion-v1-5/stable-diffusion-v1-5", "bold")
    text.append("\n    about 4 GiB of VRAM, 512 pixels\n", "dim")
    text.append("  stabilityai/stable-diffusion-xl-base-1.0", "bold")
    text.append("\n    about 8 GiB of VRAM, 1024 pixels\n", "dim")
    return text
