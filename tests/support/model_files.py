"""Model files with valid headers whose weights are holes in the file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SIZES = {"F16": 2, "F32": 4}


def safetensors(
    path: Path,
    shapes: Mapping[str, tuple[int, ...]],
    metadata: Mapping[str, str] | None = None,
    dtype: str = "F16",
) -> Path:
    """A sparse safetensors file with tensors of these shapes."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name, shape in shapes.items():
        start, end = end, end + math.prod(shape) * SIZES[dtype]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
    return path


_WIDTHS = {"sd1": 768, "sd2": 1024, "sdxl": 2048}
_UNET = "model.diffusion_model."


def checkpoint(family: str, channels: int = 4) -> dict[str, tuple[int, ...]]:
    """Tensor shapes of a checkpoint, including those that identify its family."""
    block = 4 if family == "sdxl" else 1
    attention = f"{_UNET}input_blocks.{block}.1.transformer_blocks.0.attn2.to_k.weight"
    encoder = "conditioner.embedders.0.x" if family == "sdxl" else "cond_stage_model.x"
    return {
        f"{_UNET}input_blocks.0.0.weight": (320, channels, 3, 3),
        attention: (320, _WIDTHS[family]),
        "first_stage_model.encoder.conv_in.weight": (128, 3, 3, 3),
        encoder: (10,),
    }


def folder(place: Path, index: Mapping[str, Any], files: Mapping[str, Any]) -> Path:
    """Create a model folder from its index and files by name; objects become JSON."""
    for name, content in {"model_index.json": index, **files}.items():
        file = place / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content))
    return place


INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "safety_checker": [None, None],
}
VAE = {"_class_name": "AutoencoderKL", "block_out_channels": [1, 2, 3, 4]}
TINY_VAE = {"_class_name": "AutoencoderTiny", "encoder_block_out_channels": [64, 64, 64]}


def sd1_folder(place: Path, *, unet: Any = None, vae: Any = None, **more: Any) -> Path:
    """A folder of an SD 1.x model whose weights are empty; `more` changes its index."""
    path = folder(
        place,
        {**INDEX, **more},
        {
            "unet/config.json": unet or {"sample_size": 64, "cross_attention_dim": 768},
            "vae/config.json": vae or VAE,
            "tokenizer/vocab.json": {},
        },
    )
    safetensors(path / "unet/diffusion_pytorch_model.safetensors", {"a": (10, 3)})
    safetensors(path / "vae/diffusion_pytorch_model.safetensors", {"a": (7,)})
    return path
