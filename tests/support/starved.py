"""Run in a child process: runs whose decoder really runs out of memory.

Usage: python -m tests.support.starved MODEL POLICY MEGABYTES... Prints the record of a run with
each of the limits as a line of JSON, up to the first that recovered.
"""

from __future__ import annotations

import resource
import sys

import psutil

from sdtui.core.enums import DType, Policy
from sdtui.core.settings import Settings
from sdtui.engine.generator import RobustStableDiffusionGenerator
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.execution import Execution


def main(model: str, policy: str, *megabytes: str) -> None:
    """Generate a small picture, which loads everything, then large ones in limited memory."""
    request = GenerationRequest(
        prompt="a red cat",
        model=model,
        num_inference_steps=1,
        seed=1,
        width=64,
        height=64,
        execution=Execution(dtype=DType.FLOAT32, policy=Policy(policy)),
    )
    with StableDiffusionEngine(Settings(device="cpu")) as engine:
        generator = RobustStableDiffusionGenerator(engine)
        generator.generate_with_fallback(request)
        for each in megabytes:
            limit = psutil.Process().memory_info().vms + int(each) * 2**20
            resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
            result = generator.generate_with_fallback(request.changed(width=1024, height=512))
            print(result.record.model_dump_json())  # noqa: T201
            if result.record.success and len(result.record.attempts) > 1:
                break


if __name__ == "__main__":
    main(*sys.argv[1:])
