"""Files and folders whose headers and configs are those of a Flux model, with weights of zeros."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path

from tests.support.model_files import safetensors

Shapes = Mapping[str, tuple[int, ...]]

FLUX: Shapes = {
    "double_blocks.0.img_attn.norm.key_norm.scale": (128,),
    "double_blocks.0.img_mod.lin.weight": (64, 32),
    "single_blocks.0.linear1.weight": (64, 32),
    "img_in.weight": (32, 64),
    "txt_in.weight": (32, 96),
    "guidance_in.in_layer.weight": (32, 32),
}
CONFIG = {
    "num_layers": 1,
    "num_single_layers": 1,
    "in_channels": 64,
    "joint_attention_dim": 96,
    "guidance_embeds": True,
}


def gguf(path: Path, shapes: Shapes, number: int = 8, version: int = 3) -> Path:
    """Write a GGUF file of zeros, whose matrices have the format of this number (8 = Q8_0)."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    head = b"GGUF" + struct.pack("<IQQ", version, len(shapes), 3)
    head += text("general.architecture") + struct.pack("<I", 8) + text("flux")
    head += text("some.list") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("b")
    head += text("some.number") + struct.pack("<If", 6, 1.5)
    offset = 0
    for name, shape in shapes.items():
        is_matrix = len(shape) > 1
        head += text(name) + struct.pack("<I", len(shape))
        head += struct.pack(f"<{len(shape)}Q", *shape[::-1])
        head += struct.pack("<IQ", number if is_matrix else 0, offset)
        count = shape[0] * (shape[1] if is_matrix else 1)
        offset += count // 32 * 34 if is_matrix else 4 * count
    path.write_bytes(head + bytes(-len(head) % 32) + bytes(offset))
    return path


def flux_folder(folder: Path, config: Mapping[str, object] | None = None, **index: object) -> Path:
    """A Flux model whose transformer has only a config."""
    components = {
        "text_encoder": ["transformers", "CLIPTextModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "transformer": ["diffusers", "FluxTransformer2DModel"],
    }
    for name in components:
        (folder / name).mkdir(parents=True)
        file = "tokenizer_config.json" if name == "tokenizer" else "config.json"
        (folder / name / file).write_text("{}")
    for name in ("text_encoder", "vae"):
        safetensors(folder / name / "model.safetensors", {"a.weight": (4, 4)})
    (folder / "transformer" / "config.json").write_text(json.dumps(CONFIG | dict(config or {})))
    whole = {"_class_name": "FluxPipeline", **components, **index}
    (folder / "model_index.json").write_text(json.dumps(whole))
    return folder
