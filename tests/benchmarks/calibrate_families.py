"""Find the memory of one pass of the transformers of today's families, and of one decode of their
VAEs, for the constants in sdtui/models/pipeline_traits.py and estimate.py.

    python -m tests.benchmarks.calibrate_families [--family flux] [--size 1024] [--measured]

The layers have the sizes of the real models and random weights; there are only one or two of each
kind, since a pass needs the memory of one layer at a time. By default tensors are counted without
computing anything; libraries need about a fifth more. With --measured a pass is computed, and the
memory of the process is measured.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

import diffusers
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker

from sdtui.engine.library_setup import quiet_libraries
from sdtui.models.estimate import (
    MARGIN,
    USUAL_TEXT_LENGTH,
    USUAL_VAE_BYTES_ON_CPU,
    VAE_BYTES_ON_CPU,
)
from sdtui.models.pipeline_traits import traits_of
from tests.benchmarks.calibrate_memory import peak_of
from tests.benchmarks.transformer_passes import FAMILIES, TEXT_LENGTHS, VAE_FACTORS, Pass

_BLOCKS = {"layers_per_block": 2, "use_quant_conv": False, "use_post_quant_conv": False}
_DEEP = ["ResBlock"] * 3 + ["EfficientViTBlock"] * 3
_VAES: Mapping[str, tuple[str, dict[str, Any], Callable[[int], tuple[int, ...]]]] = {
    # Class, its config, and the shape of latents for a side in pixels.
    "kl": (
        "AutoencoderKL",
        {
            **_BLOCKS,
            "block_out_channels": [128, 256, 512, 512],
            "down_block_types": ["DownEncoderBlock2D"] * 4,
            "up_block_types": ["UpDecoderBlock2D"] * 4,
            "latent_channels": 16,
        },
        lambda side: (1, 16, side // 8, side // 8),
    ),
    "qwen": ("AutoencoderKLQwenImage", {}, lambda side: (1, 16, 1, side // 8, side // 8)),
    "flux2": ("AutoencoderKLFlux2", {}, lambda side: (1, 32, side // 8, side // 8)),
    "dc": (
        "AutoencoderDC",
        {
            "encoder_block_types": _DEEP,
            "decoder_block_types": _DEEP,
            "upsample_block_type": "interpolate",
            "downsample_block_type": "Conv",
        },
        lambda side: (1, 32, side // 32, side // 32),
    ),
}


def main() -> None:
    """Print the bytes that were found, and those that are assumed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", choices=[*FAMILIES, *_VAES], action="append")
    parser.add_argument("--size", type=int, default=1024, help="pixels a side")
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="bfloat16")
    parser.add_argument("--measured", action="store_true")
    options = parser.parse_args()
    quiet_libraries()
    dtype = getattr(torch, options.dtype)
    torch.set_default_dtype(dtype)
    for name in options.family or [*FAMILIES, *_VAES]:
        if name in FAMILIES:
            _transformer(name, options.size, dtype, measured=options.measured)
        else:
            _vae(name, options.size, dtype, measured=options.measured)


def _transformer(name: str, side: int, dtype: torch.dtype, *, measured: bool) -> None:
    pipeline_class, model_class, config, width, inputs = FAMILIES[name]
    traits = traits_of(pipeline_class)
    text = TEXT_LENGTHS.get(name) or traits.text_length or USUAL_TEXT_LENGTH
    rows = 2 if traits.in_one_pass and not traits.embedded else 1
    size, small = Pass(side // 8, text, rows, dtype), Pass(16, 16, 1, dtype)

    def make() -> Any:
        return getattr(diffusers, model_class)(**config).eval()

    def run(model: Any, of: Pass) -> None:
        model(**inputs(of), return_dict=False)

    used = _used(make, lambda model: run(model, size), lambda model: run(model, small), measured)
    # As they are counted in estimate.py.
    tokens = (side // (VAE_FACTORS.get(name, 8) * traits.patch)) ** 2
    counted = tokens + (traits.text_length or USUAL_TEXT_LENGTH)
    values = used / (width * counted * rows * dtype.itemsize)
    _say(f"{name}, {side} px", used, values, traits.maps * MARGIN)


def _vae(name: str, side: int, dtype: torch.dtype, *, measured: bool) -> None:
    model_class, config, shape = _VAES[name]

    def make() -> Any:
        return getattr(diffusers, model_class)(**config).eval()

    def run(model: Any, of: int) -> None:
        model.decode(torch.randn(shape(of), dtype=dtype))

    used = _used(make, lambda model: run(model, side), lambda model: run(model, 64), measured)
    assumed = VAE_BYTES_ON_CPU.get(model_class, USUAL_VAE_BYTES_ON_CPU)
    _say(f"{model_class}, {side} px", used, used / (side**2 * dtype.itemsize), assumed * MARGIN)


def _used(
    make: Callable[[], Any], run: Callable[[Any], None], warm: Callable[[Any], None], measured: bool
) -> int:
    """Return the bytes that a pass of a model needs besides its weights."""
    if measured:
        model = make()
        with torch.no_grad():  # libraries that the first pass loads would count
            warm(model)
        return peak_of(lambda: run(model))
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        model, tracker = make(), MemTracker()
        with tracker:
            run(model)
    held = sum(each.nbytes for each in (*model.parameters(), *model.buffers()))
    peak = tracker.get_tracker_snapshot("peak")
    return int(sum(each["Total"] for each in peak.values()) - held)


def _say(what: str, used: int, values: float, assumed: float) -> None:
    print(f"{what:24} {used / 2**20:7.0f} MiB = {values:6.1f} (assumed: {assumed:.1f})")  # noqa: T201


if __name__ == "__main__":
    main()
