"""Run in a child process: runs that really run out of memory.

Usage: python -m tests.support.starved MODEL VALUES MEGABYTES... Prints the record of a run with
each of the limits as a line of JSON, up to the first that recovered. VALUES are JSON: what the
request has besides the values of a small picture.
"""

from __future__ import annotations

import json
import resource
import sys

import psutil

from sdtui.core.enums import DType
from sdtui.core.settings import Settings
from sdtui.engine.generator import RobustStableDiffusionGenerator
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.execution import Execution


def main(model: str, values: str, *megabytes: str) -> None:
    """Generate a small picture, which loads everything, then large ones in limited memory."""
    request = GenerationRequest(
        prompt="a red cat",
        model=model,
        num_inference_steps=1,
        seed=1,
        width=64,
        height=64,
        execution=Execution(dtype=DType.FLOAT32),
    )
    wanted = request.changed(**json.loads(values))
    with StableDiffusionEngine(Settings(device="cpu")) as engine:
        generator = RobustStableDiffusionGenerator(engine)
        generator.generate_with_fallback(request)
        for each in megabytes:
            limit = psutil.Process().memory_info().vms + int(each) * 2**20
            resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
            result = generator.generate_with_fallback(wanted)
            print(result.record.model_dump_json())  # noqa: T201
            if result.record.success and len(result.record.attempts) > 1:
                break


if __name__ == "__main__":
    main(*sys.argv[1:])
