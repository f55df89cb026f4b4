"""Print the error of each number format: how far the output of a small Flux transformer is from
that in full precision, relative to its norm, with what it should be.

    python -m tests.benchmarks.quantized_errors

The exit code is 1 if an error is more than a third away from that.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch

from sdtui.core.enums import Quantize
from sdtui.core.settings import Settings
from sdtui.engine.library_setup import quiet_libraries
from sdtui.engine.quantized.layers import quantize_model
from sdtui.engine.stages.load import load_component
from sdtui.models import describe_model
from tests.support.flux_transformer import flux_output, make_flux_transformer
from tests.support.tiny_other_families import make_flux
from tests.support.transformer_files import tensors_of, write_float8, write_gguf

EXPECTED = {
    # GGUF: diffusers' own loader with the same weights; fp8: its layerwise casting, which
    # converts weights alone, as such files do.
    **{"GGUF BF16": 0.0015, "GGUF Q8_0": 0.004, "GGUF Q4_0": 0.07},
    **{"fp8 file": 0.03, "fp8 file with scales": 0.03},
    # Of the repeated blocks alone.
    **{"--quantize int8": 0.0003, "--quantize fp8": 0.002, "--quantize nf4": 0.007},
}
TOLERANCE = 1 / 3


def main() -> int:
    """Print a line for each format."""
    quiet_libraries()
    is_right = True
    with tempfile.TemporaryDirectory() as folder:
        for name, error in _errors(Path(folder)):
            expected = EXPECTED[name]
            fits = abs(error / expected - 1) <= TOLERANCE
            is_right &= fits
            sys.stdout.write(
                f"{name:22} {error:8.3%}  expected {expected:.2%}{'' if fits else '  MISSED'}\n"
            )
    return 0 if is_right else 1


def _errors(folder: Path) -> Iterator[tuple[str, float]]:
    base = make_flux(folder / "base")
    model = make_flux_transformer()
    model.save_pretrained(base / "transformer")
    exact, tensors = flux_output(model), tensors_of(base)

    def error_of(other: Any) -> float:
        return float((flux_output(other) - exact).norm() / exact.norm())

    def of_file(path: Path) -> float:
        description = describe_model(path, Settings(base_models=(base,)))
        return error_of(load_component(description, "transformer", torch.float32))

    for kind in ("BF16", "Q8_0", "Q4_0"):
        yield f"GGUF {kind}", of_file(write_gguf(folder / f"{kind}.gguf", tensors, kind))
    for name, scaled in (("fp8 file", False), ("fp8 file with scales", True)):
        yield name, of_file(write_float8(folder / "8.safetensors", tensors, scaled=scaled))
    for quantize in (Quantize.INT8, Quantize.FP8, Quantize.NF4):
        other = deepcopy(model)
        quantize_model(other, quantize)
        yield f"--quantize {quantize}", error_of(other)


if __name__ == "__main__":
    sys.exit(main())
