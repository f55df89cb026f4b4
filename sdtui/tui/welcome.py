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
    text.append(" and write an id of the hub:\n\n")
    name, fits = best_large_model(room)
    text.append(f"{name}\n", "bold").append(f"  {fits}\n", "dim")
    return text


def best_large_model(room: MemoryRoom | None) -> tuple[str, str]:
    """The largest model to download that fits, on a GPU whole or in parts; and how it fits. The
    smallest where none does, where there is no GPU, and until the memory is known."""
    needs = {
        name: None if room is None else need_of(description, room, room.total)
        for name, description in LARGE_MODELS.items()
    }
    smallest = next(reversed(needs))
    fitting = [name for name, need in needs.items() if room and room.on_gpu and need and need.fits]
    name = fitting[0] if fitting else smallest
    size = f"{LARGE_MODELS[name].native.width} pixels"
    need = needs[name]
    if room is None or need is None:
        return name, size
    kind = "VRAM" if room.on_gpu else "RAM"
    memory = f"{size}; {data_size(need.bytes)} of {data_size(room.total)} {kind}"
    if not need.fits:
        return name, f"{memory}: too little, but it can be tried"
    if not room.on_gpu:
        return name, f"{memory}; minutes a picture"
    return name, memory if need.mode is MemoryMode.FULL else f"{memory}, in parts"
