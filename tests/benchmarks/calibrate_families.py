"""Find the memory of one pass of the transformers of today's families, and of one decode of their
VAEs, for the constants in sdtui/models/traits.py and estimate.py.

    python -m tests.benchmarks.calibrate_families [--family flux] [--size 1024] [--measured]

The layers have the sizes of the real models and random weights; there are only one or two of each
kind, since a pass needs the memory of one layer at a time. By default tensors are counted without
computing anything; libraries need about a fifth more. With --measured a pass is computed, and the
memory of the process is measured.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
from sdtui.models.traits import traits_of
from tests.benchmarks.calibrate_memory import peak_of

Inputs = Callable[["Pass"], dict[str, Any]]


@dataclass(frozen=True)
class Pass:
    """The size of a pass."""

    latent: int
    """Latents a side, of 8 pixels."""
    text: int
    """Tokens of the prompt."""
    rows: int
    dtype: torch.dtype

    @property
    def tokens(self) -> int:
        """Tokens of a picture, of 2 x 2 latents."""
        return (self.latent // 2) ** 2

    def noise(self, *shape: int) -> torch.Tensor:
        """Return random values with a row for each picture."""
        return torch.randn(self.rows, *shape, dtype=self.dtype)

    @property
    def time(self) -> torch.Tensor:
        """Return a time for each row."""
        return torch.full((self.rows,), 0.5, dtype=self.dtype)


def _packed(size: Pass, text: int, channels: int = 64, axes: int = 3) -> dict[str, Any]:
    return {
        "hidden_states": size.noise(size.tokens, channels),
        "encoder_hidden_states": size.noise(size.text, text),
        "timestep": size.time,
        "img_ids": torch.zeros(size.tokens, axes),
        "txt_ids": torch.zeros(size.text, axes),
    }


def _flux(size: Pass) -> dict[str, Any]:
    return {**_packed(size, 4096), "pooled_projections": size.noise(768), "guidance": size.time}


def _qwen(size: Pass) -> dict[str, Any]:
    return {
        "hidden_states": size.noise(size.tokens, 64),
        "encoder_hidden_states": size.noise(size.text, 3584),
        "encoder_hidden_states_mask": torch.ones(size.rows, size.text, dtype=torch.long),
        "timestep": size.time,
        "img_shapes": [[(1, size.latent // 2, size.latent // 2)]] * size.rows,
    }


def _z_image(size: Pass) -> dict[str, Any]:
    latents = [torch.randn(16, 1, size.latent, size.latent, dtype=size.dtype)] * size.rows
    captions = [torch.randn(size.text, 2560, dtype=size.dtype)] * size.rows
    return {"x": latents, "t": size.time, "cap_feats": captions}


def _krea2(size: Pass) -> dict[str, Any]:
    return {
        "hidden_states": size.noise(size.tokens, 64),
        "encoder_hidden_states": size.noise(size.text, 12, 2560),
        "timestep": size.time,
        "position_ids": torch.zeros(size.text + size.tokens, 3),
    }


def _image(size: Pass, text: int, channels: int = 16) -> dict[str, Any]:
    return {
        "hidden_states": size.noise(channels, size.latent, size.latent),
        "encoder_hidden_states": size.noise(size.text, text),
        "timestep": size.time,
    }


def _masked(size: Pass, text: int, channels: int, side: int) -> dict[str, Any]:
    return {
        "hidden_states": size.noise(channels, side, side),
        "encoder_hidden_states": size.noise(size.text, text),
        "timestep": size.time,
        "encoder_attention_mask": torch.ones(size.rows, size.text, dtype=torch.bool),
    }


def _cogview4(size: Pass) -> dict[str, Any]:
    sides = torch.tensor([[size.latent * 8.0] * 2] * size.rows, dtype=size.dtype)
    named = {"original_size": sides, "target_size": sides, "crop_coords": sides * 0}
    return {**_image(size, 4096), **named}


_LAYERS = {"num_layers": 1, "num_single_layers": 1}
_FAMILIES: Mapping[str, tuple[str, str, dict[str, Any], int, Inputs]] = {
    # Pipeline, transformer, its config, its width, its inputs.
    "flux": (
        "FluxPipeline",
        "FluxTransformer2DModel",
        {**_LAYERS, "guidance_embeds": True},
        3072,
        _flux,
    ),
    "klein": (
        "Flux2KleinPipeline",
        "Flux2Transformer2DModel",
        {
            **_LAYERS,
            "num_attention_heads": 24,
            "joint_attention_dim": 7680,
            "guidance_embeds": False,
        },
        3072,
        lambda size: _packed(size, 7680, 128, 4),
    ),
    "sd3": (
        "StableDiffusion3Pipeline",
        "SD3Transformer2DModel",
        {
            "num_layers": 2,
            "num_attention_heads": 38,
            "caption_projection_dim": 2432,
            "qk_norm": "rms_norm",
            "pos_embed_max_size": 192,
        },
        2432,
        lambda size: {**_image(size, 4096), "pooled_projections": size.noise(2048)},
    ),
    "qwen": ("QwenImagePipeline", "QwenImageTransformer2DModel", {"num_layers": 1}, 3072, _qwen),
    "z-image": (
        "ZImagePipeline",
        "ZImageTransformer2DModel",
        {"n_layers": 2, "n_refiner_layers": 1},
        3840,
        _z_image,
    ),
    "krea2": ("Krea2Pipeline", "Krea2Transformer2DModel", {"num_layers": 1}, 6144, _krea2),
    "chroma": (
        "ChromaPipeline",
        "ChromaTransformer2DModel",
        _LAYERS,
        3072,
        lambda size: _packed(size, 4096),
    ),
    "sana": (
        "SanaPipeline",
        "SanaTransformer2DModel",
        {"num_layers": 2},
        2240,
        lambda size: _masked(size, 2304, 32, size.latent // 4),
    ),
    "pixart": (
        "PixArtSigmaPipeline",
        "PixArtTransformer2DModel",
        {"num_layers": 2, "caption_channels": 4096, "use_additional_conditions": False},
        1152,
        lambda size: {
            **_masked(size, 4096, 4, size.latent),
            "added_cond_kwargs": {"resolution": None, "aspect_ratio": None},
        },
    ),
    "lumina2": (
        "Lumina2Pipeline",
        "Lumina2Transformer2DModel",
        {"num_layers": 2, "num_refiner_layers": 1, "cap_feat_dim": 2304},
        2304,
        lambda size: _masked(size, 2304, 16, size.latent),
    ),
    "cogview4": (
        "CogView4Pipeline",
        "CogView4Transformer2DModel",
        {
            "num_layers": 2,
            "attention_head_dim": 128,
            "num_attention_heads": 32,
            "rope_axes_dim": (256, 256),
        },
        4096,
        _cogview4,
    ),
    "auraflow": (
        "AuraFlowPipeline",
        "AuraFlowTransformer2DModel",
        {"num_mmdit_layers": 1, "num_single_dit_layers": 1, "pos_embed_max_size": 16384},
        3072,
        lambda size: _image(size, 2048, 4),
    ),
}


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
    parser.add_argument("--family", choices=[*_FAMILIES, *_VAES])
    parser.add_argument("--size", type=int, default=1024, help="pixels a side")
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="bfloat16")
    parser.add_argument("--measured", action="store_true")
    options = parser.parse_args()
    quiet_libraries()
    dtype = getattr(torch, options.dtype)
    torch.set_default_dtype(dtype)
    for name in [options.family] if options.family else [*_FAMILIES, *_VAES]:
        if name in _FAMILIES:
            _transformer(name, options.size, dtype, measured=options.measured)
        else:
            _vae(name, options.size, dtype, measured=options.measured)


def _transformer(name: str, side: int, dtype: torch.dtype, *, measured: bool) -> None:
    pipeline_class, model_class, config, width, inputs = _FAMILIES[name]
    traits = traits_of(pipeline_class)
    text = traits.text_length or USUAL_TEXT_LENGTH
    rows = 2 if traits.in_one_pass and not traits.embedded else 1
    size, small = Pass(side // 8, text, rows, dtype), Pass(16, 16, 1, dtype)

    def make() -> Any:
        return getattr(diffusers, model_class)(**config).eval()

    def run(model: Any, of: Pass) -> None:
        model(**inputs(of), return_dict=False)

    used = _used(make, lambda model: run(model, size), lambda model: run(model, small), measured)
    tokens = (size.latent // 4) ** 2 if name == "sana" else size.tokens
    values = used / (width * (tokens + text) * rows * dtype.itemsize)
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
