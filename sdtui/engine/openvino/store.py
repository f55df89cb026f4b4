"""Converted models on disk."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from sdtui.core.paths import cache_folder

_log = logging.getLogger(__name__)

LIMIT = 20 * 10**9
"""Bytes that are kept; those that weren't used for longest are deleted first."""


def folder() -> Path:
    """Return the folder of converted models."""
    return cache_folder() / "openvino"


def read(key: str) -> Any | None:
    """Return the model that was kept under a key, its weights mapped from disk; None if there is
    none."""
    import openvino

    place = folder() / key
    file = place / "model.xml"
    if not file.is_file():
        return None
    try:
        model = openvino.Core().read_model(file)
        os.utime(place)
    except (RuntimeError, OSError) as error:
        _log.warning("%s can't be read, and is converted again", place, exc_info=error)
        shutil.rmtree(place, ignore_errors=True)
        return None
    return model


def write(key: str, model: Any, size: int) -> None:
    """Keep a model of about `size` bytes under a key, completely or not at all. A disk that is full
    is no error: it is converted again next time."""
    import openvino

    place = folder() / key
    try:
        folder().mkdir(parents=True, exist_ok=True)
        _delete_oldest(size)
        if shutil.disk_usage(folder()).free < 2 * size:
            _log.warning("%s has no room for a converted model of %d bytes", folder(), size)
            return
        with tempfile.TemporaryDirectory(dir=folder(), prefix=".") as name:
            openvino.save_model(model, Path(name) / "model.xml", compress_to_fp16=False)
            whole = Path(name) / "whole"
            whole.mkdir()
            for file in ("model.bin", "model.xml"):
                (Path(name) / file).rename(whole / file)
            whole.rename(place)
    except (RuntimeError, OSError) as error:
        _log.warning("%s can't be kept", place, exc_info=error)


def _delete_oldest(size: int) -> None:
    """Delete models until there is room for another one."""
    kept = sorted(folder().glob("[!.]*"), key=lambda each: each.stat().st_mtime)
    sizes = [sum(file.stat().st_size for file in each.iterdir()) for each in kept]
    total = sum(sizes) + size
    for place, of_place in zip(kept, sizes, strict=True):
        if total <= LIMIT:
            return
        shutil.rmtree(place, ignore_errors=True)
        total -= of_place
