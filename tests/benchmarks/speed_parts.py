"""Measure the gain of each part of the speed presets and its effect on the picture: the engine with
and without that part alternately (A B A B), and the ratio of each pair.

    python -m tests.benchmarks.speed_parts [MODEL] [--size 256] [--steps 20] [--pairs 5]

Gains can be measured with any weights; the picture difference is meaningful only for a trained
model.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial

from sdtui.bench.contenders import EngineContender
from sdtui.bench.measure import picture_difference
from sdtui.bench.plan import PROMPTS, Cell
from sdtui.core.enums import Speed
from sdtui.core.settings import Settings
from sdtui.engine.library_setup import quiet_libraries
from sdtui.engine.speed.presets import (
    PRESETS,
    Part,
    cached_features,
    channels_last,
    compiled_blocks,
    fused_projections,
    turn_on,
)
from sdtui.requests.request import GenerationRequest

_PARTS: Mapping[str, Sequence[Part]] = {
    "channels last": [channels_last],
    "fused projections": [fused_projections],
    "features for 2 steps": [partial(cached_features, interval=2, threshold=0.05)],
    "features for 3 steps": [partial(cached_features, interval=3, threshold=0.12)],
    "compiled blocks": [compiled_blocks],
    "fast": PRESETS[Speed.FAST],
    "max": PRESETS[Speed.MAX],
}


def main() -> None:
    """Print a line for each part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default="pocket")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--prompt", default=PROMPTS[1])
    options = parser.parse_args()
    quiet_libraries()
    cell = Cell(options.prompt, options.steps, options.size, options.size)
    request = GenerationRequest(prompt="-", model=options.model, seed=1)
    settings = Settings(previews=False)
    plain = EngineContender(settings, request)
    plain.generate(cell, _nothing)
    for name, parts in _PARTS.items():
        faster = EngineContender(settings, request)
        loaded = faster.load()
        loaded.speedups = turn_on(loaded.pipeline, parts, loaded.device)
        before = time.perf_counter()
        faster.generate(cell, _nothing)
        first = time.perf_counter() - before
        ratios = []
        for _ in range(options.pairs):
            native, theirs = faster.generate(cell, _nothing), plain.generate(cell, _nothing)
            ratios.append(native.measurement.seconds / theirs.measurement.seconds)
        sys.stdout.write(
            f"{name:22} {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})  "
            f"difference {picture_difference(native.images, theirs.images):.2f} of 255, "
            f"first run {first:.1f} s {' '.join(loaded.speedups.notices)}\n"
        )
        sys.stdout.flush()
        faster.close()


def _nothing() -> None:
    return None


if __name__ == "__main__":
    main()
