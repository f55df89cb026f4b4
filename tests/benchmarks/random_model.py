"""Write a full-size model with random weights, for measuring speed and memory without a network.

    python -m tests.benchmarks.random_model sd1 FOLDER [--dtype float32]

fp32 as in the model's own repository; its pictures are meaningless.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sdtui.core.enums import DType
from sdtui.engine.device import TORCH_DTYPES
from sdtui.engine.library_setup import quiet_libraries
from sdtui.models.component_files import CONFIGS
from tests.support.single_files import random_pipeline

FAMILIES = ("sd1", "sd2", "sdxl")


def main() -> None:
    """Write the model as a diffusers folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", choices=FAMILIES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dtype", type=DType, choices=list(TORCH_DTYPES), default=DType.FLOAT32)
    options = parser.parse_args()
    quiet_libraries()
    pipeline = random_pipeline(CONFIGS / options.family, TORCH_DTYPES[options.dtype])
    pipeline.save_pretrained(options.folder)


if __name__ == "__main__":
    main()
