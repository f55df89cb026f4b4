"""Moving a picture with its JSON: into the trash, and back.

The JSON is copied first and removed last, so that a picture has its JSON at every moment; what a
killed process leaves is a second JSON, which `hint` clears away.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from sdtui.core.files import write_atomic
from sdtui.history.names import PICTURE_SUFFIXES, free_picture, sidecar_path
from sdtui.history.sidecar import read_bytes


def move(picture: Path, target: Path) -> Path:
    """Move a picture and its JSON to `target`, or to a free name like it; where it is then.
    Called with the history's lock held.

    Raises OSError, or UnreadableError if the JSON is none that can be read.
    """
    json = read_bytes(sidecar_path(picture))
    target.parent.mkdir(parents=True, exist_ok=True)
    target = free_picture(target)
    write_atomic(sidecar_path(target), json)
    try:
        picture.replace(target)
    except BaseException:
        sidecar_path(target).unlink(missing_ok=True)
        raise
    sidecar_path(picture).unlink(missing_ok=True)
    return target


def pictures_in(trash: Path) -> Iterator[Path]:
    """Every picture in the trash that has its JSON, newest folder and name first."""
    if trash.is_symlink():
        return
    for path in sorted(trash.rglob("*"), reverse=True):
        is_picture = path.suffix.lower() in PICTURE_SUFFIXES and not path.is_symlink()
        if is_picture and sidecar_path(path).is_file():
            yield path


def empty(trash: Path) -> int:
    """Delete everything in the trash; how many pictures that were. Raises OSError."""
    pictures = list(pictures_in(trash))
    for picture in pictures:  # before their JSON
        picture.unlink(missing_ok=True)
    if trash.is_dir() and not trash.is_symlink():
        shutil.rmtree(trash)
    return len(pictures)
