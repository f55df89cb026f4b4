"""Export pictures into zip files, and import pictures of sdtui and other tools."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from PIL import Image

from sdtui.core.enums import UNKNOWN_MODEL
from sdtui.core.errors import HistoryError, ImageError, OutputError
from sdtui.core.text import one_line
from sdtui.history.attachments import attachments_of, is_attachment
from sdtui.history.conditions import is_fact
from sdtui.history.entry import Entry, Skipped
from sdtui.history.image_metadata import open_ordinary, read_texts
from sdtui.history.importers import ImportedSettings, read_picture_settings
from sdtui.history.importers.text_files import TEXT_SUFFIXES
from sdtui.history.infotext import own_record
from sdtui.history.names import PICTURE_SUFFIXES, sidecar_name, sidecar_path, split
from sdtui.history.picture_errors import UNREADABLE
from sdtui.history.sidecar import MAX_BYTES, UnreadableError, parse_summary, read_bytes, read_record
from sdtui.history.tags import is_tag
from sdtui.requests.lora_uses import all_lora_uses
from sdtui.requests.record import (
    GenerationRecord,
    ImageRecord,
    ImageSettings,
    LoraRecord,
    ModelRecord,
)
from sdtui.requests.request import GenerationRequest

MAX_PICTURE_BYTES = 256 * 1024 * 1024
"""Largest size of an imported picture, in bytes."""

MAX_MEMBERS = 1_000_000
"""Most files read from an archive."""

_OTHER_SUFFIXES = (".avif", ".jxl", ".heic", ".gif", ".bmp", ".tif", ".tiff")
"""Of pictures that can't be read; they are reported."""

_BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError)


@dataclass(frozen=True)
class IncomingPicture:
    """A picture to import."""

    data: bytes
    sha256: str
    """The hash of `data`, in hexadecimal."""
    record: GenerationRecord
    starred: bool = False
    tags: tuple[str, ...] = ()
    owns_json: bool = True
    """False if the JSON of its name is another picture's or another tool's, and must stay."""


def export(entries: Iterable[Entry], pictures: Path, target: Path) -> int:
    """Write pictures with their JSON into a zip file; returns the number of pictures.

    Names are relative to the folder `pictures`. Pictures that aren't there any more are left out.
    An older file is replaced once the new one is complete. Raises OutputError if it can't be
    written.
    """
    part = target.with_name(f".{target.name}.part")
    count = 0
    try:
        with zipfile.ZipFile(part, "w", strict_timestamps=False) as archive:  # times end at 2107
            for entry in entries:
                if not (entry.path.exists() and sidecar_path(entry.path).exists()):
                    continue
                beside = [(path, zipfile.ZIP_STORED) for path in attachments_of(entry.path)]
                for path, method in (
                    (sidecar_path(entry.path), zipfile.ZIP_DEFLATED),
                    (entry.path, zipfile.ZIP_STORED),
                    *beside,
                ):
                    archive.write(path, path.relative_to(pictures).as_posix(), method)
                count += 1
        part.replace(target)
    except OSError as error:
        raise OutputError(
            f"{target} can't be written: {error.strerror or error}", "Choose another folder"
        ) from error
    finally:
        with suppress(OSError):  # such as that of a file system that can only be read
            part.unlink(missing_ok=True)
    return count


def find_pictures(sources: Iterable[Path], skipped: list[Skipped]) -> Iterator[tuple[Path, Path]]:
    """Yield (display name, path) of every picture in picture files, folders and zips.

    The path is valid until the next picture is requested. Unreadable files go to `skipped`.
    """
    for source in sources:
        if source.is_dir():
            for path in sorted(source.rglob("*")):
                is_picture = path.suffix.lower() in (*PICTURE_SUFFIXES, *_OTHER_SUFFIXES)
                is_own = is_picture and not is_attachment(path.name)
                if is_own and not path.is_symlink():
                    yield path, path
        elif source.suffix.lower() == ".zip":
            yield from _unpacked(source, skipped)
        else:
            yield source, source


def read_incoming(path: Path) -> IncomingPicture:
    """Read a picture for import.

    Its record comes from the JSON next to it, the record inside it, or another tool's settings.
    Raises ImageError if the picture can't be read or has no settings.
    """
    data = _read_picture(path)
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        summary = parse_summary(read_bytes(sidecar_path(path)))
        record = read_record(sidecar_path(path))
    except (OSError, UnreadableError, HistoryError):
        record = None
    if record is not None and _belongs(record, path, sha256):
        tags = tuple(filter(is_tag, summary.tags))  # others could never be found or removed
        return IncomingPicture(data, sha256, record, summary.starred, tags)
    own = own_record(read_texts(path))
    found = own or _foreign_record(path, read_picture_settings(path))
    return IncomingPicture(data, sha256, found, owns_json=not os.path.lexists(sidecar_path(path)))


def _belongs(record: GenerationRecord, path: Path, sha256: str) -> bool:
    """True if the JSON beside a picture is its own: if it has its hash or, where the picture was
    changed since, what the picture itself says. Another picture may have the same name but for
    its ending."""
    (image, *_) = record.images or (None,)
    if image is None or image.sha256 in (None, sha256):
        return True
    try:
        found = read_picture_settings(path)
    except ImageError:
        return PurePosixPath(image.path or path.name).suffix.lower() == path.suffix.lower()
    said = {**found.values, **found.stated}
    return (said.get("prompt", ""), said.get("seed")) == (record.prompt, image.seed)


def _read_picture(path: Path) -> bytes:
    try:
        with open_ordinary(path) as file:
            data = file.read(MAX_PICTURE_BYTES + 1)
    except OSError as error:
        raise ImageError(f"{path} can't be read: {error.strerror or error}") from error
    if len(data) > MAX_PICTURE_BYTES:
        raise ImageError(f"{path} can't be read: it is larger than {MAX_PICTURE_BYTES:,} bytes")
    return data


def _lora_files(request: GenerationRequest, hashes: Mapping[str, str]) -> tuple[LoraRecord, ...]:
    """The LoRAs of another tool's picture whose hashes it says: AutoV3, as A1111 writes them."""
    return tuple(
        LoraRecord(name=use.name, autov2="", autov3=hashes[use.name], te=use.te, unet=use.unet)
        for use in all_lora_uses(request)
        if use.name in hashes
    )


def _foreign_record(path: Path, found: ImportedSettings) -> GenerationRecord:
    """A record from another tool's settings. What is unknown is None or empty."""
    width, height = _size(path)
    request = GenerationRequest.parse(
        {"prompt": "", "model": UNKNOWN_MODEL, **found.values}, prompt_needed=False
    )
    not_carried = tuple(f"not carried over: {each}" for each in found.not_carried)
    stated = found.stated
    settings = ImageSettings(
        sampler=stated.get("sampler"),
        num_inference_steps=stated.get("num_inference_steps"),
        guidance_scale=stated.get("guidance_scale"),
        width=width,
        height=height,
        batch_size=None,
        vae_slicing=None,
        vae_tiling=None,
        lora_files=_lora_files(request, found.lora_hashes),
        **{name: value for name, value in stated.items() if is_fact(name)},
    )
    seed = stated.get("seed")
    return GenerationRecord(
        prompt=stated.get("prompt", ""),
        negative_prompt=stated.get("negative_prompt", ""),
        timestamp=_file_time(path),
        success=True,
        seed=seed,
        request=request,
        settings=settings,
        model=ModelRecord(name=request.model, source="", family=""),
        notices=(f"imported from {found.source}", *not_carried),
        images=(ImageRecord(index=0, seed=seed, width=width, height=height),),
    )


def _file_time(path: Path) -> datetime:
    """The time of a file in UTC; now if the calendar doesn't have it."""
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.now(UTC)


def _size(path: Path) -> tuple[int, int]:
    """Width and height in pixels, from the header alone. Raises ImageError."""
    try:
        with Image.open(path) as image:
            return image.size
    except UNREADABLE as error:
        raise ImageError(f"{path} can't be read: {error}") from error


def _unpacked(source: Path, skipped: list[Skipped]) -> Iterator[tuple[Path, Path]]:
    """Unpack the pictures of a zip one by one, each with its texts, into a temporary folder.

    No name from the archive is used as a path.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            members = {info.filename: info for info in archive.infolist()[:MAX_MEMBERS]}
            for name, info in members.items():
                place, slash, own_name = name.rpartition("/")
                ending = split(own_name)[1]
                if ending.lower() in _OTHER_SUFFIXES:
                    skipped.append(Skipped(source / name, "it is not a PNG, JPEG or WebP picture"))
                if ending.lower() not in PICTURE_SUFFIXES:
                    continue
                with tempfile.TemporaryDirectory() as folder:
                    picture = Path(folder) / f"picture{ending.lower()}"
                    fits = _unpack(archive, info, picture, MAX_PICTURE_BYTES)
                    for suffix in TEXT_SUFFIXES:
                        beside = members.get(f"{place}{slash}{sidecar_name(own_name, suffix)}")
                        if beside is not None:
                            target = picture.with_suffix(suffix)
                            fits = _unpack(archive, beside, target, MAX_BYTES) and fits
                    if fits:
                        yield source / PurePosixPath(name).name, picture
                    else:
                        skipped.append(Skipped(source / name, "it is too large"))
    except (*_BROKEN_ZIP, OSError) as error:
        skipped.append(Skipped(source, one_line(f"the archive can't be read: {error}")))


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, limit: int) -> bool:
    """Write one file of an archive to `target`, with its time; False if it is larger than `limit`
    bytes."""
    with archive.open(info) as packed:
        target.write_bytes(packed.read(limit))
        fits = not packed.read(1)
    with suppress(ValueError, OverflowError, OSError):  # a date that doesn't exist
        changed = datetime(*info.date_time).timestamp()  # local time
        os.utime(target, (changed, changed))
    return fits
