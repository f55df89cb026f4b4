"""Write, move and delete pictures together with their JSON, safely against crashes.

Writing: the complete picture under a hidden name, its JSON under the final name, then the rename
of the picture. So a picture is never visible without its JSON, and a process killed before the
rename leaves a complete picture for `repair_folder`, which knows it by the SHA-256 in the JSON.

Moving: the JSON is copied first and deleted last. A process killed in between leaves a second
JSON, which `repair_folder` deletes.

The functions are called with the history's lock held, so a leftover is never work in progress.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from pathlib import Path

from sdtui.core.errors import OutputError
from sdtui.core.files import sync_folder, write_atomic
from sdtui.history.attachments import move_attachments
from sdtui.history.image_metadata import read_texts
from sdtui.history.infotext import own_record
from sdtui.history.names import (
    MAX_NAME_BYTES,
    PICTURE_SUFFIXES,
    TRASH,
    free_picture,
    sidecar_path,
)
from sdtui.history.sidecar import UnreadableError, parse_summary, read_bytes, to_json
from sdtui.requests.record import GenerationRecord

_PART = re.compile(
    r"\.(?:[0-9a-f]{16}|(?P<picture>.+(?:"
    + "|".join(map(re.escape, PICTURE_SUFFIXES))
    + r")))\.part",
    re.DOTALL,
)
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def is_leftover(name: str) -> bool:
    """True for the name of a file that a save writes first and then renames."""
    return _PART.fullmatch(name) is not None


def write_picture(picture: Path, data: bytes, json: bytes) -> None:
    """Write a picture and its JSON, replacing older files of these names.

    Raises OSError (no space, no permission) and then leaves no new file.
    """
    part = _part_of(picture)
    sidecar = sidecar_path(picture)
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(handle)
        picture.unlink(missing_ok=True)  # an older one doesn't belong to the new JSON
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


def _part_of(picture: Path) -> Path:
    """The hidden file that is renamed to the picture; it tells the picture's name, if that isn't
    too long."""
    name = f".{picture.name}.part"
    if len(os.fsencode(name)) > MAX_NAME_BYTES:
        name = f".{os.urandom(8).hex()}.part"
    return picture.with_name(name)


def repair_folder(folder: Path, pictures: Path) -> None:
    """Complete or delete what killed processes left in a folder inside `pictures`.

    Raises OSError.
    """
    for path in list(folder.iterdir()):
        match = _PART.fullmatch(path.name)
        if match is not None and not path.is_symlink() and path.is_file():
            name = match["picture"]
            if name is not None and _completes(path, folder / name):
                path.replace(folder / name)
            else:
                path.unlink(missing_ok=True)
        elif path.suffix == ".json" and _was_trashed(path, pictures):
            path.unlink(missing_ok=True)
    sync_folder(folder)


def _completes(part: Path, picture: Path) -> bool:
    """True if the picture is missing and its JSON has the SHA-256 of the part."""
    if picture.exists() or picture.is_symlink():
        return False
    try:
        summary = parse_summary(read_bytes(sidecar_path(picture)))
    except (OSError, UnreadableError):
        return False
    return summary.images[0].sha256 == hash_file(part)


def _was_trashed(sidecar: Path, pictures: Path) -> bool:
    """True if this JSON is left from a move to the trash: its picture is there already."""
    in_trash = pictures / TRASH / sidecar.relative_to(pictures)
    return not any(sidecar.with_suffix(suffix).exists() for suffix in PICTURE_SUFFIXES) and any(
        in_trash.with_suffix(suffix).exists() for suffix in PICTURE_SUFFIXES
    )


def move_picture(picture: Path, target: Path) -> Path:
    """Move a picture and its JSON to `target`, or to a free name like it; returns the new path.

    Raises OSError, or UnreadableError if the JSON can't be read.
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
    move_attachments(picture, target)
    sidecar_path(picture).unlink(missing_ok=True)
    return target


def restore_json(picture: Path) -> bool:
    """Write the missing JSON of a picture from the record inside it; False if it has none.

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
    """The record of one picture with the path and hash of its file."""
    image = record.images[0].model_copy(update={"path": path, "sha256": sha256})
    return record.model_copy(update={"images": (image,)})


def hash_file(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_error(path: Path, error: OSError) -> OutputError:
    """The error for users when a file can't be written."""
    if error.errno in _DISK_FULL:
        hint = "Free some space and save again: the picture is still in memory"
    else:
        hint = "Choose another folder, or repair this one, and save again"
    return OutputError(f"{path} can't be written: {error.strerror or error}", hint)
