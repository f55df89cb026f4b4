"""Pictures that are kept beside a finished one, such as the control maps that it was made with:
`NAME.control1.png` beside `NAME.png`. They have no JSON of their own and aren't listed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from sdtui.core.files import write_atomic
from sdtui.history.names import MAX_NAME_BYTES, sidecar_name
from sdtui.requests.record import Attachment, GenerationRecord

_SUFFIX = re.compile(r"\.control\d{1,2}\.png")
_NAME = re.compile(rf".+{_SUFFIX.pattern}", re.DOTALL)


def is_attachment(name: str) -> bool:
    """True for the name of a file that belongs to a picture."""
    return _NAME.fullmatch(name) is not None


def attachments_of(picture: Path) -> list[Path]:
    """Return the files that belong to a picture, in their order. Raises OSError."""
    stem = sidecar_name(picture.name, "")
    if not picture.parent.is_dir():
        return []
    return sorted(
        path
        for path in picture.parent.iterdir()
        if path.name.startswith(stem) and _SUFFIX.fullmatch(path.name[len(stem) :])
    )


def write_attachments(
    picture: Path, record: GenerationRecord, pngs: Mapping[str, bytes]
) -> GenerationRecord:
    """Write the pictures that belong to one, and remove those of an older one of this name; returns
    its record with them. Raises OSError."""
    delete_attachments(picture)
    written = []
    for name, png in pngs.items():
        file = picture.with_name(sidecar_name(picture.name, f".{name}.png"))
        if len(file.name.encode()) <= MAX_NAME_BYTES:
            write_atomic(file, png)
            sha256 = hashlib.sha256(png).hexdigest()
            written.append(Attachment(name=name, file=file.name, sha256=sha256))
    if not written:
        return record
    image = record.images[0].model_copy(update={"attachments": tuple(written)})
    return record.model_copy(update={"images": (image,)})


def move_attachments(picture: Path, target: Path) -> None:
    """Move what belongs to a picture along with it. Raises OSError."""
    stem = sidecar_name(picture.name, "")
    for path in attachments_of(picture):
        path.replace(target.with_name(sidecar_name(target.name, path.name[len(stem) :])))


def delete_attachments(picture: Path) -> None:
    """Delete what belongs to a picture. Raises OSError."""
    for path in attachments_of(picture):
        path.unlink(missing_ok=True)
