"""A picture and its JSON land together or not at all, and what a killed process left is mended.

The order is: the picture whole under a hidden name, its JSON under the final name, the picture's
rename. So a picture never shows without its JSON, and a process killed before the rename leaves
a whole picture that `hint` can finish: the JSON holds its SHA-256.

Both are called with the history's lock held, so what `hint` sees is nobody's work in progress.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from pathlib import Path

from sdtui.core.errors import OutputError
from sdtui.core.files import sync_folder, write_atomic
from sdtui.history.image_metadata import read_texts
from sdtui.history.infotext import own_record
from sdtui.history.names import PICTURE_SUFFIXES, TRASH, sidecar_path
from sdtui.history.sidecar import UnreadableError, parse_summary, read_bytes, to_json
from sdtui.requests.record import GenerationRecord

_PART = re.compile(
    r"\.(?:[0-9a-f]{16}|(?P<picture>.+(?:"
    + "|".join(map(re.escape, PICTURE_SUFFIXES))
    + r")))\.part",
    re.DOTALL,
)
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def is_leftover(name: str) -> bool:
    """Whether a file of this name is one that a save writes first and then renames."""
    return _PART.fullmatch(name) is not None


def place(picture: Path, data: bytes, json: bytes) -> None:
    """Write a picture and its JSON. What is there under these names is replaced.

    Raises OSError (no space, no permission); then nothing new is left behind.
    """
    part = picture.with_name(f".{picture.name}.part")
    sidecar = sidecar_path(picture)
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(handle)
        picture.unlink(missing_ok=True)  # an older one must not stand beside the new JSON
        write_atomic(sidecar, json)
        try:
            part.replace(picture)
        except BaseException:
            sidecar.unlink(missing_ok=True)
            raise
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_folder(picture.parent)


def hint(folder: Path, pictures: Path) -> None:
    """Finish or clear away what killed processes left in a folder inside `pictures`.

    Raises OSError.
    """
    for path in list(folder.iterdir()):
        match = _PART.fullmatch(path.name)
        if match is not None and not path.is_symlink() and path.is_file():
            name = match["picture"]
            if name is not None and _is_awaited(path, folder / name):
                path.replace(folder / name)
            else:
                path.unlink(missing_ok=True)
        elif path.suffix == ".json" and _was_trashed(path, pictures):
            path.unlink(missing_ok=True)
    sync_folder(folder)


def _is_awaited(part: Path, picture: Path) -> bool:
    """Whether the JSON for this picture stands already and means exactly these bytes."""
    if picture.exists() or picture.is_symlink():
        return False
    try:
        summary = parse_summary(read_bytes(sidecar_path(picture)))
    except (OSError, UnreadableError):
        return False
    return summary.images[0].sha256 == hash_file(part)


def _was_trashed(sidecar: Path, pictures: Path) -> bool:
    """Whether this JSON is what is left of a move to the trash: the picture is there already."""
    in_trash = pictures / TRASH / sidecar.relative_to(pictures)
    return not any(sidecar.with_suffix(suffix).exists() for suffix in PICTURE_SUFFIXES) and any(
        in_trash.with_suffix(suffix).exists() for suffix in PICTURE_SUFFIXES
    )


def restore_json(picture: Path) -> bool:
    """Write the JSON of one of our PNGs that has lost it, from the copy inside the picture;
    whether there was one. Called with the history's lock held.

    Raises ImageError if the picture can't be read, OSError if the JSON can't be written.
    """
    record = own_record(read_texts(picture))
    if record is None or sidecar_path(picture).exists():
        return False
    write_atomic(
        sidecar_path(picture), to_json(with_file(record, picture.name, hash_file(picture)))
    )
    return True


def with_file(record: GenerationRecord, path: str, sha256: str) -> GenerationRecord:
    """The record of one picture, with its file filled in."""
    image = record.images[0].model_copy(update={"path": path, "sha256": sha256})
    return record.model_copy(update={"images": (image,)})


def hash_file(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cannot_write(path: Path, error: OSError) -> OutputError:
    """The error that people see when a file can't be written."""
    if error.errno in _FULL:
        hint = "Free some space and save again: the picture is still in memory"
    else:
        hint = "Choose another folder, or mend this one, and save again"
    return OutputError(f"{path} can't be written: {error.strerror or error}", hint)
