"""Check for memory leaks: models in turn A B A, then many jobs (some fail, some are cancelled)
through the queue; prints resident memory after each part relative to the first round.

    python -m tests.benchmarks.leaks [--jobs 100]
"""

from __future__ import annotations

import argparse
import gc
import tempfile
from pathlib import Path
from typing import Any

import psutil

from sdtui.core.cancellation import Cancellation
from sdtui.core.settings import Settings
from sdtui.engine.generator import RobustStableDiffusionGenerator
from sdtui.engine.library_setup import quiet_libraries
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.requests.events import Event
from sdtui.requests.request import GenerationRequest
from tests.support.tiny_models import make_sd1, make_sdxl


def main() -> None:
    """Print resident memory after each part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100)
    jobs = parser.parse_args().jobs
    quiet_libraries()
    with (
        tempfile.TemporaryDirectory() as name,
        StableDiffusionEngine(Settings(device="cpu")) as engine,
    ):
        one = make_sd1(Path(name) / "one", width=64)
        other = make_sdxl(Path(name) / "other")
        generator = RobustStableDiffusionGenerator(engine)
        for model in (one, other, one):
            _make(generator, model)
        first = _resident()
        _say("A B A, the first round", first, first)
        for _ in range(5):
            for model in (other, one):
                _make(generator, model)
        _say("A B A, five more rounds", _resident(), first)
        for number in range(jobs):
            _make(
                generator,
                Path("/no/such/model") if number % 10 == 3 else one,
                cancel=number % 10 == 7,
                prompt=f"picture {number}",
            )
        _say(f"{jobs} jobs, a tenth failing, a tenth cancelled", _resident(), first)


def _make(
    generator: RobustStableDiffusionGenerator,
    model: Path,
    *,
    cancel: bool = False,
    prompt: str = "a cat",
) -> None:
    cancellation = Cancellation()

    def report(event: Event) -> None:
        if cancel and event.kind == "step":
            cancellation.stop_now()

    values: dict[str, Any] = {"prompt": prompt, "model": str(model), "num_inference_steps": 2}
    generator.generate_with_fallback(
        GenerationRequest.parse(values), report=report, cancellation=cancellation
    )


def _resident() -> int:
    gc.collect()
    return psutil.Process().memory_info().rss


def _say(part: str, resident: int, first: int) -> None:
    print(f"{part:46} {resident / 2**20:7.0f} MiB  {resident / first:.3f}")  # noqa: T201


if __name__ == "__main__":
    main()
