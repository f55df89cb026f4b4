"""Compare pictures of all families in stages with those of their pipelines' own calls.

    python -m tests.benchmarks.families [FAMILY ...]

Tiny models with random weights, in each number format and memory mode of this machine, in batches
of two. For each, the largest difference of a channel, 0 to 255: 0 is expected in float32 on a CPU.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from sdtui.core.enums import DType, MemoryMode
from sdtui.engine.call_defaults import call_defaults
from sdtui.engine.generator import generate
from sdtui.engine.library_setup import quiet_libraries
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from tests.support.images import difference
from tests.support.requests import make_request
from tests.support.tiny_families import FAMILIES, make_family, make_small

_VALUES: dict[str, Any] = {"num_inference_steps": 4, "width": 96, "height": 64}
_WITHOUT_NEGATIVE = ("flux", "flux2_klein")
_FORMATS = (DType.FLOAT32, DType.BFLOAT16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*", default=list(FAMILIES), help="all by default")
    names = parser.parse_args().families
    quiet_libraries()
    with tempfile.TemporaryDirectory() as folder, StableDiffusionEngine() as engine:
        for name in names:
            path = Path(folder) / name
            make_family(name).save_pretrained(path)
            for row in _rows(engine, name, path):
                sys.stdout.write(f"{name:12} {row}\n")


def values_of(name: str) -> dict[str, Any]:
    """Return the values of a request for two pictures of a family."""
    negative = {} if name in _WITHOUT_NEGATIVE else {"negative_prompt": "blurry"}
    return {**_VALUES, **negative, "num_images_per_prompt": 2}


def _rows(engine: StableDiffusionEngine, name: str, folder: Path) -> Iterator[str]:
    values = values_of(name)
    for dtype in _FORMATS:
        plain: list[Any] = []
        for mode in engine.modes:
            request = make_request(folder, dtype=dtype, memory_mode=mode, **values)
            make_small(engine.load(request.model, dtype, mode).pipeline)
            images = generate(engine, request).images
            if not plain:
                plain = own_pictures(engine, {**values, "prompt": request.prompt}, (7, 8))
            pairs = zip(images, plain, strict=True)
            yield f"{dtype:9} {mode:18} {max(difference(*pair) for pair in pairs)}"


def own_pictures(
    engine: StableDiffusionEngine, values: dict[str, Any], seeds: Sequence[int]
) -> list[Any]:
    """Return the pictures of the loaded pipeline's own call."""
    assert engine.loaded is not None
    assert engine.loaded.memory_mode is MemoryMode.FULL
    pipeline = engine.loaded.pipeline
    wanted = {
        **values,
        "use_resolution_binning": False,
        "clean_caption": False,
        "generator": [torch.Generator().manual_seed(seed) for seed in seeds],
    }
    taken = call_defaults(pipeline)
    images: list[Any] = pipeline(
        **{name: value for name, value in wanted.items() if name in taken}
    ).images
    return images


if __name__ == "__main__":
    main()
