"""The hash that identifies a model: SHA-256 of its file, or of the weights of its denoiser."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

from pydantic import TypeAdapter

from sdtui.core import paths
from sdtui.core.files import write_atomic
from sdtui.models.component_files import weight_files

_CHUNK = 1 << 22
_LENGTH = 8
"""Bytes before the header of a .safetensors file, which hold its length."""
_DENOISERS = ("unet", "transformer")
"""The folders with a denoiser's weights."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HASHES = TypeAdapter(dict[str, str])


def model_hash(path: Path) -> str | None:
    """The SHA-256 (hex) of a single file or of a folder's denoiser weights, None without weights.

    Several files give the hash of their hashes. Hashes are cached by path, size and modification
    time.
    """
    return _combined([file_hash(file) for file in _hashed_files(path)])


def find_hashed(name: str, start: str) -> Path | None:
    """The model of this file or folder name whose hash begins with `start`, of those that were
    hashed on this machine and have not changed since; None if there is none."""
    known = _read_cache()
    files = [Path(key.rsplit("|", 2)[0]) for key in reversed(known)]
    models = dict.fromkeys(each for file in files for each in (file, *file.parents[1:2]))
    for model in models:
        if name not in (model.name, model.stem):
            continue
        try:
            hashes = [known[_cache_key(file)] for file in _hashed_files(model)]
        except (OSError, KeyError):  # deleted or changed
            continue
        if (_combined(hashes) or "").startswith(start):
            return model
    return None


def _hashed_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return next((found for name in _DENOISERS if (found := weight_files(path / name))), [])


def _combined(hashes: list[str]) -> str | None:
    if len(hashes) <= 1:
        return hashes[0] if hashes else None
    return hashlib.sha256("".join(hashes).encode()).hexdigest()


def file_hash(file: Path) -> str:
    """The SHA-256 (hex) of a weights file, cached on disk."""
    real = file.resolve()
    if _SHA256.fullmatch(real.name):
        return real.name  # the hub's cache names files by their hash
    return _cached(_cache_key(real), lambda: hash_content(real))


def tensors_hash(file: Path) -> str:
    """The SHA-256 (hex) of a .safetensors file behind its header, cached on disk."""
    real = file.resolve()
    with real.open("rb") as handle:
        length = int.from_bytes(handle.read(_LENGTH), "little")
    return _cached(f"{_cache_key(real)}|tensors", lambda: hash_content(real, _LENGTH + length))


def _cached(key: str, calculate: Callable[[], str]) -> str:
    known = _read_cache()
    if key not in known:
        known[key] = calculate()
        _write_cache(known)
    return known[key]


def hash_content(file: Path, start: int = 0) -> str:
    """The SHA-256 (hex) of the content of a file from byte `start` on."""
    digest = hashlib.sha256()
    with file.open("rb") as handle:
        handle.seek(start)
        while chunk := handle.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _cache_key(file: Path) -> str:
    """Raises OSError if the file can't be found."""
    real = file.resolve()
    status = real.stat()
    return f"{real}|{status.st_size}|{status.st_mtime_ns}"


def _cache_file() -> Path:
    return paths.cache_folder() / "hashes.json"


def _read_cache() -> dict[str, str]:
    try:
        return _HASHES.validate_json(_cache_file().read_bytes())
    except (OSError, ValueError):
        return {}


def _write_cache(known: dict[str, str]) -> None:
    with contextlib.suppress(OSError):  # without the cache it is hashed again next time
        write_atomic(_cache_file(), json.dumps(known, indent=1).encode())
