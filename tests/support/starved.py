"""Run in a child process: runs and an upscaler that really run out of memory.

Usage: python -m tests.support.starved MODEL UPSCALERS. UPSCALERS is a folder with 4x.safetensors,
or "". Prints a line of JSON for each: records, then the upscaler's size and notices.
"""

from __future__ import annotations

import contextlib
import json
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import psutil
from PIL import Image

from sdtui.core.enums import DType, MemoryMode
from sdtui.core.settings import Settings
from sdtui.engine.device import choose_device
from sdtui.engine.generator import RobustStableDiffusionGenerator
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.engine.upscaling.upscaler import UpscalingContext
from sdtui.engine.upscaling.upscalers import Upscalers
from sdtui.requests.record import GenerationRecord
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.execution import Execution

_T = TypeVar("_T")

_TRIES = 8
_LARGE = {"width": 512, "height": 512, "policy": "strict"}
_SECOND_PASS = {
    "hires_scale": 8,
    "hires_upscaler": "Lanczos",
    "width": 128,
    "height": 64,
    "policy": "strict",
}


@contextlib.contextmanager
def _limited(megabytes: int) -> Iterator[None]:
    """Let this process use no more than `megabytes` on top of what it has."""
    limit = psutil.Process().memory_info().vms + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def _search(run: Callable[[], _T], lacking: Callable[[_T], int], first: int) -> _T:
    """Return the result of the run in so little memory that it has to recover, and can.

    The limit depends on the machine, so it is searched by halving, from `first` megabytes on.
    `lacking` returns 1 for a result that needs more memory, -1 for one that had too much, and 0
    for the wanted one. The last result is returned if none is wanted.
    """
    low, high, megabytes = 0, 4 * first, first
    for _ in range(_TRIES):
        with _limited(megabytes):
            result = run()
        lack = lacking(result)
        if lack == 0:
            break
        low, high = (megabytes, high) if lack > 0 else (low, megabytes)
        megabytes = (low + high) // 2
    return result


def _lacks_memory(record: GenerationRecord) -> int:
    if not record.success:
        return 1
    return 0 if record.attempts[-1].rung == "VAE tiling" else -1


def _starve_runs(model: str) -> None:
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
    with StableDiffusionEngine(Settings(device="cpu")) as engine:
        engine.modes = (MemoryMode.FULL,)  # in parts it would be loaded again, which needs more
        generator = RobustStableDiffusionGenerator(engine)

        def run(**values: object) -> GenerationRecord:
            return generator.generate_with_fallback(request.changed(**values)).record

        run()
        _print(_search(lambda: run(**_LARGE), _lacks_memory, 38).model_dump_json())
        _print(_search(lambda: run(**_SECOND_PASS), _lacks_memory, 56).model_dump_json())
        with _limited(5):
            _print(run(**_LARGE).model_dump_json())


def _starve_upscaler(folder: Path) -> None:
    """Upscale a small picture, which loads everything, then a larger one in limited memory."""
    upscaler = Upscalers(Settings(upscaler_folders=(folder,))).find("4x")

    def upscale(size: int) -> tuple[list[int] | None, list[str]]:
        notices: list[str] = []
        context = UpscalingContext(choose_device("cpu"), notice=notices.append)
        picture = Image.new("RGB", (size, size))
        try:
            return list(upscaler.upscale(picture, size * 4, size * 4, context).size), notices
        except MemoryError:
            return None, notices

    def lacks_memory(result: tuple[list[int] | None, list[str]]) -> int:
        size, notices = result
        if size is None:
            return 1
        return 0 if notices else -1

    upscale(16)
    size, notices = _search(lambda: upscale(240), lacks_memory, 80)
    _print(json.dumps({"size": size, "notices": notices}))


def _print(line: str) -> None:
    print(line)  # noqa: T201


def main(model: str, upscalers: str) -> None:
    """Print what the runs and, if it can be loaded, the upscaler do."""
    _starve_runs(model)
    if upscalers:
        _starve_upscaler(Path(upscalers))


if __name__ == "__main__":
    main(*sys.argv[1:])
