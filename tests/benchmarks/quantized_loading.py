"""Measure the memory that loading a Flux transformer takes at its peak, over what it holds then:
layers of the real sizes, but fewer of them, whose weights are zeros, on the CPU.

    python -m tests.benchmarks.quantized_loading [--blocks 3] [--folder /with/space]

One line for each way: from a folder or a file in a number format, to that of the run, and
quantized or not. Held and peak are resident memory beyond that before the loading; the bytes of
the largest layer in fp32 are printed first.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from sdtui.core.enums import DType, Quantize
from sdtui.core.settings import Settings
from sdtui.engine.device import TORCH_DTYPES, PeakMeter, choose_device
from sdtui.engine.library_setup import quiet_libraries
from sdtui.models import describe_model

_CASES = (
    # Format of the weights, of the run, and quantized or not.
    (DType.BFLOAT16, DType.BFLOAT16, Quantize.NONE),
    (DType.FLOAT16, DType.FLOAT32, Quantize.NONE),
    (DType.BFLOAT16, DType.BFLOAT16, Quantize.INT8),
    (DType.BFLOAT16, DType.BFLOAT16, Quantize.FP8),
    (DType.BFLOAT16, DType.BFLOAT16, Quantize.NF4),
)


def main() -> None:
    """Write the weights and load them in each way, in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=3, help="of each kind")
    parser.add_argument("--folder", type=Path, help="where the files go for a while")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        for stored in (DType.BFLOAT16, DType.FLOAT16):
            base = Path(name) / stored
            _in_own_process(_write, base, options.blocks, stored)
            file = shutil.copy(
                base / "transformer" / "diffusion_pytorch_model.safetensors",
                Path(name) / f"{stored}.safetensors",
            )
            for case in (each for each in _CASES if each[0] is stored):
                for path in (base, Path(file)):
                    held, peak = _in_own_process(_load, path, base, *case[1:])
                    sys.stdout.write(
                        f"{stored} {'folder' if path is base else 'file'} in {case[1]}, quantize "
                        f"{case[2]}: held {held / 1e9:.2f} GB, peak {peak / 1e9:.2f}, "
                        f"{peak / held:.3f} times that\n"
                    )


def _in_own_process(work: Any, *arguments: Any) -> Any:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def _write(base: Path, blocks: int, stored: DType) -> None:
    import torch
    from diffusers import FluxTransformer2DModel

    from tests.support.tiny_other_families import make_flux

    quiet_libraries()
    make_flux(base)
    with torch.device("meta"):
        model: Any = FluxTransformer2DModel(num_layers=blocks, num_single_layers=blocks)
    model = model.to(TORCH_DTYPES[stored]).to_empty(device="cpu")
    for each in model.parameters():
        each.data.zero_()
    largest = max(each.numel() for each in model.parameters())
    sys.stdout.write(f"largest layer: {largest * 4 / 1e9:.2f} GB\n")
    model.save_pretrained(base / "transformer", max_shard_size="100GB")


def _load(path: Path, base: Path, dtype: DType, quantize: Quantize) -> tuple[int, int]:
    from sdtui.engine.stages.load import load_component

    quiet_libraries()
    description = describe_model(path, Settings(base_models=(base,)))
    load_component(description, "text_encoder", TORCH_DTYPES[dtype])  # imports what is needed
    meter = PeakMeter(choose_device("cpu"))
    before = meter.now()
    meter.start()
    module = load_component(description, "transformer", TORCH_DTYPES[dtype], quantize=quantize)
    peak = meter.peak()
    # Weights of the file's own format are read when they are first used.
    held = sum(each.nbytes for each in module.parameters())
    return held, max(peak - before, held)


if __name__ == "__main__":
    main()
