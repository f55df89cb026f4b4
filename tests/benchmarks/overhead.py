"""Measure the overhead of the engine over plain diffusers: the same pictures alternately (A B A B),
with previews off and at every step, and the ratio of each pair. `sdtui bench --against diffusers`
measures the same without previews, for any model.

    python -m tests.benchmarks.overhead [--pairs 9] [--steps 20]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from sdtui.bench.measure import Bench
from sdtui.bench.plan import BenchPlan
from sdtui.core.enums import DType
from sdtui.core.settings import Settings
from sdtui.engine.library_setup import quiet_libraries
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.execution import Execution
from tests.support.tiny_models import make_sd1

_SIZE = 256


def main() -> None:
    """Print a line for previews off and on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    quiet_libraries()
    requested = frozenset({"prompts", "steps", "sizes", "runs"})
    plan = BenchPlan(
        ("a red cat",), (options.steps,), ((_SIZE, _SIZE),), options.pairs, requested=requested
    )
    with tempfile.TemporaryDirectory() as name:
        # Large enough for steps of at least 50 ms.
        model = make_sd1(Path(name), width=96)
        execution = Execution(dtype=DType.FLOAT32)
        request = GenerationRequest(prompt="-", model=str(model), execution=execution, seed=1)
        for previews in (False, True):
            settings = Settings(device="cpu", previews=previews)
            bench = Bench(
                settings, request, plan, seconds=3600, against="diffusers", on_advance=_nothing
            )
            bench.run()
            (cell,) = bench.report().cells
            ratios = cell.ratios
            step = statistics.median(sample.seconds for sample in cell.against) / options.steps
            sys.stdout.write(
                f"previews {'on every step' if previews else 'off':14} "
                f"ratio median {statistics.median(ratios):.3f} (min {min(ratios):.3f}, "
                f"max {max(ratios):.3f}); a step of diffusers {step * 1000:.0f} ms\n"
            )


def _nothing(*_: object) -> None:
    return None


if __name__ == "__main__":
    main()
