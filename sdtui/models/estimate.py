"""Estimate the peak memory of a run before anything is loaded.

The peak is the largest of three: encoding the prompt, one pass of the denoiser, decoding. Steps
don't change it. Weights are counted from the headers of the files, the rest was measured
(tests/benchmarks/calibrate_memory.py repeats that).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sdtui.core.enums import DType, MemoryMode, Quantize
from sdtui.models.description import ModelDescription
from sdtui.models.weights import BYTES, component_bytes

DENOISER_MAPS = 48
"""A denoiser pass needs about this many copies of its first block's feature map: the skip
connections and the widest layers (SD 1.5 at 512 px: 44 in bf16, 47 in fp32)."""

USUAL_TEXT_LENGTH = 512
"""Tokens of a prompt, for families whose calls don't say it."""

VAE_BYTES_PER_PIXEL = 2200
"""AutoencoderKL's decoder on a GPU, per byte of an element: InvokeAI's value
(backend/util/vae_working_memory.py)."""

VAE_BYTES_ON_CPU = {
    "AutoencoderDC": 1020,
    "AutoencoderKLHunyuanImage": 700,
    "AutoencoderKLQwenImage": 2200,
}
"""The same on a CPU, by class, as tests/benchmarks/calibrate_families.py measures them."""

USUAL_VAE_BYTES_ON_CPU = 1050
"""AutoencoderKL's and AutoencoderKLFlux2's."""

OVERFLOWING_VAE_BYTES_PER_PIXEL = 1600
"""The same in fp32 in an fp16 run, by what was measured: with the usual value SDXL, which fits
into 16 GiB, would be offloaded there."""

TINY_VAE_BYTES_PER_PIXEL = 320
"""AutoencoderTiny's decoder (64 channels at full size, a few maps at once)."""

LARGEST_LEAF = 120 * 2**20
"""Bytes on the device at once when weights are moved layer by layer."""

MARGIN = 1.1
"""Factor for the fragmentation of the allocator."""


@dataclass(frozen=True)
class Estimate:
    """Bytes that a run needs on the device at its peak."""

    weights: int
    """Of all components."""
    encode: int
    denoise: int
    decode: int
    """Of each stage, in addition to the weights."""
    peaks: dict[MemoryMode, int]
    """The peak in each memory mode."""


def estimate_run(
    description: ModelDescription,
    dtype: DType,
    width: int,
    height: int,
    batch_size: int = 1,
    *,
    guidance: bool = True,
    prompts: int = 1,
    references: int = 0,
    tile: int | None = None,
    added: int = 0,
    quantize: Quantize = Quantize.NONE,
    on_cpu: bool = False,
) -> Estimate:
    """Estimate the peak for pictures of `width` x `height` pixels, `batch_size` at once.

    `guidance` doubles the denoiser's batch; `prompts` is the number of parts of a prompt that are
    denoised apart, with an unconditional one; `references` that of pictures of about the native
    size that the denoiser sees besides. `tile` is the side of a VAE tile in pixels, if the
    VAE works in tiles. `added` = bytes of weights besides the denoiser's own, a ControlNet's for
    example. `quantize` is how weights are stored in fewer bits than those of `dtype`. `on_cpu` is
    for a run without a GPU.
    """
    size, vae_size = BYTES[dtype], BYTES[description.dtype_of("vae", dtype)]
    parts = {
        name: component_bytes(description, name, dtype, quantize) for name in description.parameters
    }
    weights = sum(parts.values()) + added
    encoders = [held for name, held in parts.items() if name.startswith("text_encoder")]
    denoiser = parts.get("unet", 0) + parts.get("transformer", 0) + added
    vae = parts.get("vae", 0)

    is_doubled = (guidance and description.traits.in_one_pass) or prompts > 1
    rows = batch_size * (prompts + 1 if is_doubled else 1)
    encode = sum(encoders) // 20
    denoise = int(_denoiser_values(description, width, height, references) * rows * size)
    pixels = min(width, tile or width) * min(height, tile or height)
    per_pixel = _vae_bytes_per_pixel(description, on_cpu=on_cpu, overflows=vae_size > size)
    decode = per_pixel * pixels * (1 if tile else batch_size) * vae_size

    largest = max(encode, denoise, decode)
    by_leaf = largest + min(LARGEST_LEAF, weights)
    one_at_a_time = max(max(encoders, default=0) + encode, denoiser + denoise, vae + decode)
    peaks = {
        MemoryMode.FULL: weights + largest,
        MemoryMode.MODEL_OFFLOAD: one_at_a_time,
        MemoryMode.GROUP_OFFLOAD: by_leaf,
        MemoryMode.SEQUENTIAL_OFFLOAD: by_leaf,
        MemoryMode.PARTS: max(sum(encoders) + encode, denoiser + denoise, vae + decode),
    }
    return Estimate(
        weights,
        encode,
        denoise,
        decode,
        {mode: int(peak * MARGIN) for mode, peak in peaks.items()},
    )


def _denoiser_values(
    description: ModelDescription, width: int, height: int, references: int
) -> float:
    """Return how many values a pass of the denoiser needs for a row, besides the weights."""
    if "transformer" not in description.components:
        factor = description.vae_factor
        latents = (width // factor) * (height // factor)
        return DENOISER_MAPS * description.denoiser_channels * latents
    side, traits = description.size_multiple, description.traits
    tokens = (width // side) * (height // side) + (traits.text_length or USUAL_TEXT_LENGTH)
    native = description.native
    tokens += references * ((native.width or width) // side) * ((native.height or height) // side)
    return traits.maps * description.denoiser_channels * tokens


def _vae_bytes_per_pixel(description: ModelDescription, *, on_cpu: bool, overflows: bool) -> int:
    """Return the bytes that decoding a pixel needs, per byte of an element."""
    if description.tiny_vae:
        return TINY_VAE_BYTES_PER_PIXEL
    if overflows:
        return OVERFLOWING_VAE_BYTES_PER_PIXEL
    if not on_cpu:
        return VAE_BYTES_PER_PIXEL
    _, name = description.components.get("vae", ("", ""))
    return VAE_BYTES_ON_CPU.get(name, USUAL_VAE_BYTES_ON_CPU)


def fastest_mode(
    estimate: Estimate, free: int, modes: Iterable[MemoryMode] = tuple(MemoryMode)
) -> MemoryMode:
    """The fastest of `modes` whose peak fits into `free` bytes, else the leanest."""
    allowed = [mode for mode in MemoryMode if mode in estimate.peaks and mode in set(modes)]
    leanest = min(allowed, key=lambda mode: (estimate.peaks[mode], -allowed.index(mode)))
    return next((mode for mode in allowed if estimate.peaks[mode] <= free), leanest)
