"""How much time the engine adds to plain diffusers: the same pictures in turn (A B A B), previews
off and on at every step, and the ratio pair by pair.

python -m tests.benchmarks.overhead [--pairs 9] [--steps 20]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline

from sdtui.core.request import DType, GenerationRequest
from sdtui.core.settings import Settings
from sdtui.engine.engine import StableDiffusionEngine
from sdtui.engine.quiet import quiet_libraries
from tests.tiny import make_sd1

_SIZE = 256


def main() -> None:
    """Print a line for each of both settings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    quiet_libraries()
    with tempfile.TemporaryDirectory() as name:
        # Wide enough for steps of at least 50 ms.
        folder = make_sd1(Path(name), width=96)
        plain = _plain(folder, options.steps)
        for previews in (False, True):
            with StableDiffusionEngine(Settings(device="cpu", previews=previews)) as engine:
                request = GenerationRequest(
                    prompt="a red cat",
                    model=str(folder),
                    dtype=DType.FLOAT32,
                    num_inference_steps=options.steps,
                    width=_SIZE,
                    height=_SIZE,
                    seed=1,
                )
                events: list[Any] = []
                ours = _timed(lambda: engine.generate(request, report=events.append))  # noqa: B023
                _report("on every step" if previews else "off", plain, ours, options)


def _plain(folder: Path, steps: int) -> Callable[[], float]:
    pipeline: Any = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(
        pipeline.scheduler.config, use_karras_sigmas=True
    )
    pipeline.set_progress_bar_config(disable=True)
    return _timed(
        lambda: pipeline(
            "a red cat",
            num_inference_steps=steps,
            width=_SIZE,
            height=_SIZE,
            generator=torch.Generator("cpu").manual_seed(1),
        )
    )


def _timed(make: Callable[[], object]) -> Callable[[], float]:
    def run() -> float:
        before = time.perf_counter()
        make()
        return time.perf_counter() - before

    return run


def _report(
    previews: str,
    plain: Callable[[], float],
    ours: Callable[[], float],
    options: argparse.Namespace,
) -> None:
    plain(), ours()  # warm-up
    pairs = [(ours(), plain()) for _ in range(options.pairs)]
    ratios = sorted(one / other for one, other in pairs)
    step = statistics.median(other for _, other in pairs) / options.steps
    print(  # noqa: T201
        f"previews {previews:14} ratio median {statistics.median(ratios):.3f} "
        f"(min {ratios[0]:.3f}, max {ratios[-1]:.3f}); a step of diffusers {step * 1000:.0f} ms"
    )


if __name__ == "__main__":
    main()
