"""The hash by which a model is known: SHA-256 of its file, or of its denoiser's weights."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from pathlib import Path

from pydantic import TypeAdapter

from sdtui.core import paths
from sdtui.core.files import write_atomic
from sdtui.models.description import weight_files

_CHUNK = 1 << 22
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HASHES = TypeAdapter(dict[str, str])


def model_hash(path: Path) -> str | None:
    """SHA-256 (hex) of a single file, or of the denoiser's weights in a folder; several files
    count as the hash of their hashes. None if there are no weights.

    Hashes are remembered by path, size and time of change.
    """
    if path.is_dir():
        files = weight_files(path / "unet") or weight_files(path / "transformer")
    else:
        files = [path]
    hashes = [file_hash(file) for file in files]
    if len(hashes) <= 1:
        return hashes[0] if hashes else None
    return hashlib.sha256("".join(hashes).encode()).hexdigest()


def file_hash(file: Path) -> str:
    """SHA-256 (hex) of a weights file, remembered between runs."""
    real = file.resolve()
    if _SHA256.fullmatch(real.name):
        return real.name  # the hub's cache names its files by their hash
    status = real.stat()
    key = f"{real}|{status.st_size}|{status.st_mtime_ns}"
    known = _remembered()
    if key not in known:
        known[key] = hash_bytes_of(real)
        _remember(known)
    return known[key]


def hash_bytes_of(file: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    digest = hashlib.sha256()
    with file.open("rb") as handle:
        while chunk := handle.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _store() -> Path:
    return paths.cache_folder() / "hashes.json"


def _remembered() -> dict[str, str]:
    try:
        return _HASHES.validate_json(_store().read_bytes())
    except (OSError, ValueError):
        return {}


def _remember(known: dict[str, str]) -> None:
    with contextlib.suppress(OSError):  # hashing again is slow, but no harm
        write_atomic(_store(), json.dumps(known, indent=1).encode())
