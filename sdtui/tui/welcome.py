"""What the preview pane says before there is a picture."""

from __future__ import annotations

from rich.text import Text

from sdtui.core.request import MemoryMode
from sdtui.models.catalog import POCKET
from sdtui.tui.room import LARGE_MODELS, MemoryRoom, need_of
from sdtui.tui.story import data_size


def welcome(model: str, room: MemoryRoom | None, generate_key: str, models_key: str) -> Text:
    """What the model can do, the one key to press, and how to get a big one for the memory that
    is there (None until that is known)."""
    text = Text("Write what you want to see and press ")
    text.append(generate_key, "bold").append(".\n\n")
    if model == POCKET:
        text.append("The pocket model came with sdtui: small pictures of simple things, without ")
        text.append("a network or a GPU. Try\n\n")
        text.append("  a tiger on a blue background\n\n", "italic")
    text.append("For large ones press ").append(models_key, "bold")
    text.append(" and write a model's id:\n\n")
    for name, fits in large_models(room):
        text.append(f"{name}\n", "bold").append(f"  {fits}\n", "dim")
    return text


def large_models(room: MemoryRoom | None) -> list[tuple[str, str]]:
    """Models to download, the one that suits the memory best first, and how each fits."""
    fitting, others = [], []
    for name, description in LARGE_MODELS.items():
        size = f"{description.native.width} pixels"
        if room is None:
            others.append((name, size))
            continue
        need = need_of(description, room, room.total)
        memory = f"{data_size(need.bytes)} of {data_size(room.total)}"
        memory += " of VRAM" if room.on_gpu else " of RAM"
        if not need.fits:
            others.append((name, f"{size}; too large here: {memory}"))
        elif not room.on_gpu:
            others.insert(0, (name, f"{size}; {memory}, but minutes a picture without a GPU"))
        elif need.mode is MemoryMode.FULL:
            fitting.append((name, f"{size}; fits whole: {memory}"))
        else:
            fitting.append((name, f"{size}; fits in parts, slower: {memory}"))
    return fitting + others
