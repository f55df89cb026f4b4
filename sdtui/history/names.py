"""How pictures are named: `<pictures>/YYYY-MM-DD/<time>-<seed>-<words of the prompt>.png`."""

from __future__ import annotations

import itertools
import unicodedata
from datetime import datetime
from pathlib import Path

from sdtui.core.errors import OutputError

TRASH = "trash"
"""The folder inside the pictures folder that trashed pictures are moved to."""

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")

_FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
_SUFFIXES = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}
_MOST_WORDS = 8
_MOST_LETTERS = 48  # of at most four bytes each: file names end at 255 bytes


def suffix_of(picture_format: str) -> str:
    """The ending of a file of this format: "jpeg" → ".jpg"."""
    return _SUFFIXES[picture_format]


def format_of(file: Path) -> str:
    """The format that a file's ending stands for. Raises OutputError for an unknown ending."""
    found = _FORMATS.get(file.suffix.lower())
    if found is None:
        raise OutputError(
            f'"{file.name}" does not end in a format that pictures can be written in',
            f"Name it {', '.join(PICTURE_SUFFIXES[:-1])} or {PICTURE_SUFFIXES[-1]}",
        )
    return found


def sidecar_path(picture: Path) -> Path:
    """The JSON file that belongs to a picture."""
    return picture.with_suffix(".json")


def split(name: str) -> tuple[str, str]:
    """Stem and ending of a file name, as pathlib has them but several times as quick: a rebuild
    does this for hundreds of thousands."""
    stem, dot, ending = name.rpartition(".")
    return (stem, dot + ending) if stem and ending else (name, "")


def day_folder(moment: datetime) -> str:
    """The folder for pictures saved at this (local) time."""
    return moment.strftime("%Y-%m-%d")


def stem(moment: datetime, seed: int, prompt: str) -> str:
    """The file name, without its ending, of a picture saved at this (local) time."""
    words = words_of(prompt)
    return f"{moment:%H%M%S}-{seed}" + (f"-{words}" if words else "")


def words_of(prompt: str) -> str:
    """The first words of a prompt as part of a file name: letters and digits, joined by "-"."""
    letters = "".join(
        character if character.isalnum() else " "
        for character in unicodedata.normalize("NFC", prompt[:1000]).lower()
    )
    chosen = ""
    for word in letters.split()[:_MOST_WORDS]:
        longer = f"{chosen}-{word}" if chosen else word[:_MOST_LETTERS]
        if len(longer) > _MOST_LETTERS:
            break
        chosen = longer
    return chosen


def free_picture(picture: Path) -> Path:
    """`picture`, or the same name with "-2", "-3" … if it or its JSON is there already."""
    candidates = (
        picture if number == 1 else picture.with_stem(f"{picture.stem}-{number}")
        for number in itertools.count(1)
    )
    return next(
        candidate
        for candidate in candidates
        if not (_is_there(sidecar_path(candidate)) or _is_there(candidate))
    )


def _is_there(path: Path) -> bool:
    return path.exists() or path.is_symlink()
