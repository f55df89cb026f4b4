"""Measure the memory of a model that is loaded in parts, against that of the whole model: random
weights of the real architecture, one picture of 256 px in one step on the CPU. Flux and Qwen-Image
have only a few of the real layers.

    python -m tests.benchmarks.loading_in_parts flux [--dtype bfloat16] [--folder /with/space]

The peak is resident memory beyond that of the process before it loads the model. It is compared
with the weights of the largest part.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from sdtui.core.enums import DType, MemoryMode
from sdtui.engine.device import TORCH_DTYPES, PeakMeter, choose_device
from sdtui.engine.generator import generate
from sdtui.engine.library_setup import quiet_libraries
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.models import describe_model
from sdtui.models.component_files import CONFIGS
from sdtui.models.weights import component_bytes
from sdtui.requests.request import GenerationRequest
from tests.benchmarks.random_model import FAMILIES
from tests.benchmarks.wide_models import WIDE, make_wide
from tests.support.single_files import random_pipeline


def main() -> None:
    """Write a model, run it in both ways, and print a line of JSON."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("family", nargs="?", default="sd1", choices=[*FAMILIES, *WIDE])
    arguments.add_argument("--dtype", type=DType, choices=list(TORCH_DTYPES), default=DType.FLOAT32)
    arguments.add_argument("--folder", type=Path, help="where the files go for a while")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        _in_own_process(_write, options.family, options.dtype, Path(folder))
        found = {
            mode: _in_own_process(_run, Path(folder), options.dtype, mode)
            for mode in (MemoryMode.FULL, MemoryMode.PARTS)
        }
    parts, whole = found[MemoryMode.PARTS], found[MemoryMode.FULL]
    sys.stdout.write(
        json.dumps(
            {
                "largest part GB": round(parts["largest"] / 1e9, 2),
                "peak in parts GB": round(parts["peak"] / 1e9, 2),
                "peak of the whole GB": round(whole["peak"] / 1e9, 2),
                "peak over the largest part": round(parts["peak"] / parts["largest"], 3),
                "same picture": parts["picture"] == whole["picture"],
                "seconds": [round(whole["seconds"], 1), round(parts["seconds"], 1)],
            }
        )
        + "\n"
    )


def _in_own_process(work: Any, *arguments: Any) -> Any:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def _write(family: str, dtype: DType, folder: Path) -> None:
    quiet_libraries()
    if family in WIDE:
        pipeline = make_wide(family, TORCH_DTYPES[dtype])
    else:
        pipeline = random_pipeline(CONFIGS / family, TORCH_DTYPES[dtype])
    pipeline.save_pretrained(folder)


def _run(folder: Path, dtype: DType, mode: MemoryMode) -> dict[str, Any]:
    quiet_libraries()
    description = describe_model(folder)
    largest = max(component_bytes(description, name, dtype) for name in description.parameters)
    values = {"prompt": "a cat", "model": str(folder), "seed": 1, "num_inference_steps": 1}
    size = {"width": 256, "height": 256, "dtype": dtype, "memory_mode": mode}
    meter = PeakMeter(choose_device("cpu"))
    with StableDiffusionEngine() as engine:
        before = meter.now()
        result = generate(engine, GenerationRequest.parse({**values, **size}))
    peak = result.record.memory.peak if result.record.memory else None
    picture = hashlib.sha256(result.images[0].tobytes()).hexdigest()
    return {
        "largest": largest,
        "peak": (peak or 0) - before,
        "picture": picture,
        "seconds": result.record.generation_time,
    }


if __name__ == "__main__":
    main()
