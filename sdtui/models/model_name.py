"""What a model of this machine is called."""

from __future__ import annotations

from pathlib import Path

from sdtui import pocket
from sdtui.core.enums import POCKET


def model_name(path: Path) -> str:
    """Return the name of a model folder or file; in the hub's cache the hub id, not the
    revision."""
    if path == pocket.MODEL_FOLDER:
        return POCKET
    if path.parent.name == "snapshots":
        return path.parent.parent.name.removeprefix("models--").replace("--", "/")
    return path.stem if path.suffix in (".safetensors", ".gguf") else path.name
