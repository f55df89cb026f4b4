"""Run in a child process: an upscaler that really runs out of memory.

Usage: python -m tests.support.starved_upscaler FOLDER MEGABYTES. FOLDER holds 4x.safetensors.
Prints the size of the picture, or the error, and the notices, as JSON.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import psutil
from PIL import Image

from sdtui.core.settings import Settings
from sdtui.engine.device import choose_device
from sdtui.engine.upscaling.upscaler import UpscalingContext
from sdtui.engine.upscaling.upscalers import Upscalers


def main(folder: str, megabytes: str) -> None:
    """Upscale a small picture, which loads everything, then a larger one in limited memory."""
    upscaler = Upscalers(Settings(upscaler_folders=(Path(folder),))).find("4x")
    notices: list[str] = []
    context = UpscalingContext(choose_device("cpu"), notice=notices.append)
    upscaler.upscale(Image.new("RGB", (16, 16)), 64, 64, context)
    limit = psutil.Process().memory_info().vms + int(megabytes) * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        result = upscaler.upscale(Image.new("RGB", (240, 240)), 960, 960, context)
    except MemoryError as error:
        print(json.dumps({"error": str(error), "notices": notices}))  # noqa: T201
    else:
        print(json.dumps({"size": result.size, "notices": notices}))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
