"""The trash: pictures with their JSON below the pictures folder, under the names that they had.

The functions are called with the history's lock held where they change something.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from sdtui.history.attachments import delete_attachments
from sdtui.history.entry import Entry, TrashedPicture
from sdtui.history.ids import local_time
from sdtui.history.names import PICTURE_SUFFIXES, sidecar_path
from sdtui.history.sidecar import Summary, UnreadableError, parse_summary, read_bytes


def trashed_pictures(trash: Path) -> Iterator[Path]:
    """The pictures in the trash that have their JSON, newest folder and name first."""
    if trash.is_symlink():
        return
    for path in sorted(trash.rglob("*"), reverse=True):
        is_picture = path.suffix.lower() in PICTURE_SUFFIXES and not path.is_symlink()
        if is_picture and sidecar_path(path).is_file():
            yield path


def list_trash(trash: Path) -> tuple[TrashedPicture, ...]:
    """The pictures in the trash, latest first; those with an unreadable JSON are left out. Raises
    OSError."""
    found = []
    for picture in trashed_pictures(trash):
        with suppress(UnreadableError, FileNotFoundError):
            found.append(_trashed(picture))
    return tuple(sorted(found, key=lambda each: each.time, reverse=True))


def _trashed(picture: Path) -> TrashedPicture:
    sidecar = sidecar_path(picture)
    summary = parse_summary(read_bytes(sidecar))
    # The move writes the JSON anew, and leaves the picture's own times.
    moved = datetime.fromtimestamp(sidecar.stat().st_mtime, UTC)
    return TrashedPicture(_entry(picture, summary), local_time(moved), picture.stat().st_size)


def _entry(picture: Path, summary: Summary) -> Entry:
    image, settings = summary.images[0], summary.settings
    return Entry(
        id=0,
        path=picture,
        time=local_time(summary.timestamp),
        prompt=summary.prompt,
        negative_prompt=summary.negative_prompt,
        model=summary.shown_model,
        sampler=summary.shown_sampler,
        seed=summary.seed,
        width=image.width,
        height=image.height,
        steps=settings.num_inference_steps if settings else None,
        guidance=settings.guidance_scale if settings else None,
        starred=summary.starred,
        tags=summary.tags,
        problem="",
        owner=summary.owner,
    )


def delete_trashed(trash: Path, paths: Iterable[Path]) -> int:
    """Delete pictures in the trash with their JSON; returns the number of pictures. Paths outside
    of the trash are left alone. Raises OSError."""
    deleted = 0
    for path in paths:
        if path.parent.resolve().is_relative_to(trash.resolve()) and not trash.is_symlink():
            deleted += path.is_file()
            path.unlink(missing_ok=True)  # before its JSON
            delete_attachments(path)
            sidecar_path(path).unlink(missing_ok=True)
            if path.parent != trash:
                with suppress(OSError):  # other pictures are in it
                    path.parent.rmdir()
    return deleted


def empty_trash(trash: Path) -> int:
    """Delete everything in the trash; returns the number of pictures. Raises OSError."""
    pictures = list(trashed_pictures(trash))
    for picture in pictures:  # before their JSON
        picture.unlink(missing_ok=True)
    if trash.is_dir() and not trash.is_symlink():
        shutil.rmtree(trash)
    return len(pictures)
