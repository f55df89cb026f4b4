"""A store of pictures without a disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from sdtui.core.errors import OutputError
from sdtui.requests.record import GenerationRecord


@dataclass(frozen=True)
class _File:
    path: Path
    record: GenerationRecord


@dataclass
class PictureStore:
    """Stores pictures in a list; with `full` the disk is full."""

    saved: list[Image.Image | bytes] = field(default_factory=list)
    full: bool = False

    def save(
        self, image: Image.Image | bytes, record: GenerationRecord, index: int, **_: Any
    ) -> _File:
        if self.full:
            raise OutputError("no space left", "Make room")
        self.saved.append(image)
        path = f"/pictures/{record.seed}.png"
        images = tuple(one.model_copy(update={"path": path}) for one in record.images)
        return _File(Path(path), record.model_copy(update={"images": images}))

    def record_of_file(self, path: Path) -> GenerationRecord | None:
        del path
        return None

    def save_sheets(self, *_: Any) -> list[_File]:
        return []
