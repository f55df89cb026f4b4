"""Pictures of a server's history in zip files here, and pictures from here in its history."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import TypeAdapter

from sdtui.core.errors import OutputError
from sdtui.history import Imported, Skipped
from sdtui.jobs.backends.remote.calls import Caller

_EXPORTED_AT_ONCE = 16
"""Pictures."""
_IMPORTED_AT_ONCE = 16 * 2**20
"""Bytes, less than a server takes at least."""
_PATIENCE = 600.0
_IMPORTED = TypeAdapter(Imported)


def export(caller: Caller, ids: Sequence[int], target: Path) -> int:
    """Write pictures of the server with their JSON into a zip file, as `Pictures.export` does."""
    part = target.with_name(f".{target.name}.part")
    count = 0
    try:
        with zipfile.ZipFile(part, "w", strict_timestamps=False) as archive:
            for first in range(0, len(ids), _EXPORTED_AT_ONCE):
                some = list(ids[first : first + _EXPORTED_AT_ONCE])
                count += _add(archive, _fetch(caller, some), len(some))
        part.replace(target)
    except OSError as error:
        raise OutputError(
            f"{target} can't be written: {error.strerror or error}", "Choose another folder"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return count


def _fetch(caller: Caller, ids: list[int]) -> bytes:
    answer = caller.requests.send(
        "POST",
        "/attach/export",
        json.dumps({"ids": ids}).encode(),
        {"Content-Type": "application/json"},
        patience=_PATIENCE,
    )
    caller.check(answer)
    return answer.data


def _add(archive: zipfile.ZipFile, data: bytes, pictures: int) -> int:
    with zipfile.ZipFile(io.BytesIO(data)) as fetched:
        for member in fetched.infolist():
            archive.writestr(member, fetched.read(member), member.compress_type)
    return pictures


def import_(caller: Caller, sources: Iterable[Path]) -> Imported:
    """Send pictures with what is beside them to the server, as `Pictures.import_` does."""
    pictures: tuple[Path, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    known = 0
    for data in _zips(sources):
        headers = {"Content-Type": "application/zip"}
        answer = caller.requests.send("POST", "/attach/import", data, headers, patience=_PATIENCE)
        caller.check(answer)
        found = _IMPORTED.validate_json(answer.data)
        pictures += found.pictures
        known += found.known
        skipped += found.skipped
    return Imported(pictures, known, skipped)


def _zips(sources: Iterable[Path]) -> Iterator[bytes]:
    """Yield zip files with all files of the sources. Files of one name but for the ending stay
    together. Raises OutputError for what can't be read."""
    buffer, size = io.BytesIO(), 0
    archive = zipfile.ZipFile(buffer, "w")
    last = ""
    for name, data in _files(sources):
        stem = name.rpartition(".")[0]
        if size > _IMPORTED_AT_ONCE and stem != last:
            archive.close()
            yield buffer.getvalue()
            buffer, size = io.BytesIO(), 0
            archive = zipfile.ZipFile(buffer, "w")
        archive.writestr(name, data)
        size += len(data)
        last = stem
    archive.close()
    if size:
        yield buffer.getvalue()


def _files(sources: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    """Yield the names and contents of all files."""
    for source in sources:
        try:
            if source.is_dir():
                for path in sorted(each for each in source.rglob("*") if each.is_file()):
                    yield path.relative_to(source).as_posix(), path.read_bytes()
            elif source.suffix.lower() == ".zip":
                with zipfile.ZipFile(source) as archive:
                    for member in sorted(archive.infolist(), key=lambda each: each.filename):
                        if not member.is_dir():
                            yield member.filename, archive.read(member)
            else:
                yield source.name, source.read_bytes()
                beside = source.with_suffix(".json")
                if beside.is_file():
                    yield beside.name, beside.read_bytes()
        except (OSError, zipfile.BadZipFile) as error:
            raise OutputError(f"{source} can't be read: {error}", "Check the path") from error
