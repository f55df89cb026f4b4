"""Measure the loading of full-size models without a network: random fp16 weights of the real
architectures, written by one process as a single file in the original layout or as a diffusers
folder, and loaded by two others: one with a cold and one with a warm file cache. The seconds
include reading every weight once.

    python -m tests.benchmarks.loading sd1 sd2 sdxl [--layout folder] [--folder /with/space]

SDXL needs 7 GB of disk and 16 GB of memory.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import mmap
import multiprocessing
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch

from sdtui.core.cancellation import Cancellation
from sdtui.core.enums import DType
from sdtui.engine.device import PeakMeter, choose_device
from sdtui.engine.library_setup import quiet_libraries
from sdtui.engine.stages.load import load_pipeline
from sdtui.models import describe_model
from sdtui.models.component_files import CONFIGS
from tests.benchmarks.random_model import FAMILIES
from tests.support.original_layout import write_single_file
from tests.support.single_files import random_pipeline


def main() -> None:
    """Write and load a model of each family and print a line of JSON about it."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("families", nargs="*", default=["sd1"], choices=FAMILIES)
    arguments.add_argument("--folder", type=Path, help="where the files go for a while")
    arguments.add_argument("--layout", default="file", choices=_WRITERS)
    options = arguments.parse_args()
    for family in options.families:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            ending = ".safetensors" if options.layout == "file" else ""
            place = Path(folder) / f"{family}{ending}"
            written = _in_own_process(_write, family, options.layout, place)
            _drop_from_file_cache(place)
            first = _in_own_process(_load, place)
            loaded = _in_own_process(_load, place)
        loaded = {
            "first start s": first["seconds"],
            "second start s": loaded.pop("seconds"),
            **loaded,
        }
        same = loaded.pop("digests") == first["digests"] == written
        sys.stdout.write(json.dumps({"same weights": same, **loaded}) + "\n")
        if not same or loaded["family"] != family:
            sys.exit(1)


def _in_own_process(work: Any, *arguments: Any) -> Any:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(work, *arguments).result()


def _write(family: str, layout: str, place: Path) -> dict[str, str]:
    quiet_libraries()
    pipeline = random_pipeline(CONFIGS / family, torch.float16)
    _WRITERS[layout](pipeline, place)
    return _digests(pipeline)


def _write_folder(pipeline: Any, place: Path) -> None:
    pipeline.save_pretrained(place)


_WRITERS: Mapping[str, Callable[[Any, Path], object]] = {
    "file": write_single_file,
    "folder": _write_folder,
}


def _drop_from_file_cache(place: Path) -> None:
    for file in [place] if place.is_file() else place.rglob("*.safetensors"):
        with file.open("rb") as handle:
            os.fsync(handle.fileno())
            os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _load(place: Path) -> dict[str, Any]:
    quiet_libraries()
    socket.socket.connect = _refuse  # type: ignore[method-assign]
    socket.getaddrinfo = _refuse
    meter = PeakMeter(choose_device("cpu"))
    meter.start()
    before = meter.now()
    started = time.perf_counter()
    description = describe_model(place)
    pipeline, timings = load_pipeline(description, DType.FLOAT16, lambda *_: None, Cancellation())
    _touch(pipeline)
    seconds = time.perf_counter() - started
    digests = _digests(pipeline)
    peak = meter.peak() - before
    weights = 2 * sum(description.parameters.values())
    return {
        "family": description.family,
        "pipeline": type(pipeline).__name__,
        "seconds": round(seconds, 1),
        "by component": {name: round(taken, 1) for name, taken in timings.items()},
        "weights GiB": round(weights / 2**30, 2),
        "peak GiB": round(peak / 2**30, 2),
        "peak over weights": round(peak / weights, 2),
        "digests": digests,
    }


def _refuse(*_: Any, **__: Any) -> Any:
    raise OSError("loading a model that is on disk went online")


def _touch(pipeline: Any) -> None:
    """Read a byte of every page of every weight: until then the file is only mapped."""
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            for tensor in part.state_dict().values():
                tensor.contiguous().view(-1).view(torch.uint8)[:: mmap.PAGESIZE].sum()


def _digests(pipeline: Any) -> dict[str, str]:
    """Return the SHA-256 of every component's weights."""
    digests = {}
    for name, part in pipeline.components.items():
        if isinstance(part, torch.nn.Module):
            digest = hashlib.sha256()
            for key, tensor in sorted(part.state_dict().items()):
                digest.update(key.encode())
                digest.update(tensor.contiguous().view(torch.uint8).numpy())
            digests[name] = digest.hexdigest()
    return digests


if __name__ == "__main__":
    main()
