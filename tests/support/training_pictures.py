"""Folders of pictures to learn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image


@dataclass(frozen=True)
class AddPicture:
    """Writes pictures below a folder."""

    folder: Path

    def __call__(
        self, name: str, caption: str | None = None, size: tuple[int, int] = (64, 64)
    ) -> Path:
        """Write a picture, with its caption if there is one; return its path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        colour = (len(name) * 37 % 256, len(name) * 11 % 256, 90)
        Image.new("RGB", size, colour).save(path)
        if caption is not None:
            path.with_suffix(".txt").write_text(caption, "utf-8")
        return path
