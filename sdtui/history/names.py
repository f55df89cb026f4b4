"""File names of pictures: `<pictures>/YYYY-MM-DD/<time>-<seed>-<words of the prompt>.png`."""

from __future__ import annotations

import itertools
import os
import sys
import unicodedata
from datetime import datetime
from pathlib import Path

from sdtui.core.errors import OutputError
from sdtui.core.text import encodable

TRASH = "trash"
"""The folder for trashed pictures, inside the pictures folder."""

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")

_FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
_SUFFIXES = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}
_MAX_WORDS = 8
_MAX_CHARACTERS = 48
_MAX_WORD_BYTES = 96  # a whole name and ".part" fit in the 143 bytes of encrypted folders

MAX_NAME_BYTES = 255
"""Of a file name, on most file systems."""

_SHORT = (MAX_NAME_BYTES - len(".json")) // 4
"""Characters, of up to four bytes each, that are never too long."""


def suffix_of(picture_format: str) -> str:
    """The file suffix of a format: "jpeg" → ".jpg"."""
    return _SUFFIXES[picture_format]


def format_of(file: Path) -> str:
    """The format of a file by its suffix. Raises OutputError for an unknown one."""
    picture_format = _FORMATS.get(file.suffix.lower())
    if picture_format is None:
        raise OutputError(
            f'"{file.name}" does not end in a format that pictures can be written in',
            f"Name it {', '.join(PICTURE_SUFFIXES[:-1])} or {PICTURE_SUFFIXES[-1]}",
        )
    return picture_format


def sidecar_path(picture: Path) -> Path:
    """The JSON file that belongs to a picture."""
    return picture.with_name(sidecar_name(picture.name))


def sidecar_name(picture: str, suffix: str = ".json") -> str:
    """The name of the JSON or text file that belongs to the picture of this name: with another
    suffix, cut if that is too long."""
    start = split(picture)[0]
    if len(start) > _SHORT:
        while len(os.fsencode(start)) + len(suffix) > MAX_NAME_BYTES:
            start = start[:-1]
    return f"{start}{suffix}"


def split(name: str) -> tuple[str, str]:
    """Stem and suffix of a file name, like pathlib but several times as fast.

    A rebuild of the index calls this for hundreds of thousands of files.
    """
    stem, dot, suffix = name.rpartition(".")
    return (stem, dot + suffix) if stem and suffix else (name, "")


def day_folder(moment: datetime) -> str:
    """The name of the folder for pictures saved at this local time."""
    return moment.date().isoformat()


def stem(moment: datetime, seed: int | None, prompt: str) -> str:
    """The file name without suffix of a picture saved at this local time."""
    words = words_of(prompt)
    parts = (f"{moment:%H%M%S}", "" if seed is None else str(seed), words)
    return "-".join(part for part in parts if part)


def words_of(prompt: str) -> str:
    """The first words of a prompt as part of a file name: letters and digits, joined by "-".

    Where the file system's encoding isn't UTF-8, they are the most similar that it has.
    """
    text = unicodedata.normalize("NFC", prompt[:1000]).lower()
    text = encodable(text, sys.getfilesystemencoding())
    letters = "".join(character if character.isalnum() else " " for character in text)
    chosen = ""
    for word in letters.split()[:_MAX_WORDS]:
        longer = f"{chosen}-{word}" if chosen else _start(word)
        if longer != _start(longer):
            break
        chosen = longer
    return chosen


def _start(text: str) -> str:
    """As much of a text as a name takes, in whole letters."""
    return text[:_MAX_CHARACTERS].encode()[:_MAX_WORD_BYTES].decode(errors="ignore")


def numbered(file: Path, index: int, count: int) -> Path:
    """The file name of the user for picture `index` of a run of `count`: with a number if there are
    several."""
    return file if count == 1 else file.with_stem(f"{file.stem}-{index + 1}")


def free_picture(picture: Path) -> Path:
    """`picture`, or the same name with "-2", "-3" … if it or its JSON exists."""
    candidates = (
        picture if number == 1 else picture.with_stem(f"{picture.stem}-{number}")
        for number in itertools.count(1)
    )
    return next(
        candidate
        for candidate in candidates
        if not (_exists(sidecar_path(candidate)) or _exists(candidate))
    )


def _exists(path: Path) -> bool:
    return path.exists() or path.is_symlink()
