"""Load single-file checkpoints of full size, without a network: random fp16 weights of the real
architectures, written in the original layout by one process and loaded by another.

    python -m tests.benchmarks.single_file sd1 sd2 sdxl --folder /somewhere/with/room

Needs, for SDXL, 7 GB of disk and 16 GB of memory.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import socket
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch

from sdtui.core.cancellation import Cancellation
from sdtui.engine.device import PeakMeter, choose_device
from sdtui.engine.load import load_pipeline
from sdtui.engine.quiet import quiet_libraries
from sdtui.models.description import CONFIGS, describe_model
from tests.ldm import write_single_file
from tests.singles import random_pipeline

FAMILIES = ("sd1", "sd2", "sdxl")


def main() -> None:
    """Write and load a checkpoint of each family, and print a line of JSON about it."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("families", nargs="*", default=["sd1"], choices=FAMILIES)
    arguments.add_argument("--folder", type=Path, help="where the files go for a while")
    asked = arguments.parse_args()
    for family in asked.families:
        with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
            file = Path(folder) / f"{family}.safetensors"
            written = _in_own_process(_write, family, file)
            told = _in_own_process(_load, file)
        same = told.pop("digests") == written
        sys.stdout.write(json.dumps({"same weights": same, **told}) + "\n")
        if not same or told["family"] != family:
            sys.exit(1)


def _in_own_process(work: Any, *arguments: Any) -> Any:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(work, *arguments).result()


def _write(family: str, file: Path) -> dict[str, str]:
    quiet_libraries()
    pipeline = random_pipeline(CONFIGS / family, torch.float16)
    write_single_file(pipeline, file)
    return _digests(pipeline)


def _load(file: Path) -> dict[str, Any]:
    quiet_libraries()
    socket.socket.connect = _refuse  # type: ignore[method-assign]
    socket.getaddrinfo = _refuse
    meter = PeakMeter(choose_device("cpu"))
    meter.start()
    before = meter.now()
    started = time.perf_counter()
    description = describe_model(file)
    pipeline, timings = load_pipeline(description, torch.float16, lambda *_: None, Cancellation())
    seconds = time.perf_counter() - started
    digests = _digests(pipeline)  # reads every weight: until then the file is only mapped
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


def _digests(pipeline: Any) -> dict[str, str]:
    """The SHA-256 of every component's weights."""
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
