"""The names that other programs have for the layers of diffusers' denoisers.

Stability AI's for UNets (SGM: SD 1.x, 2.x and XL in single files), Black Forest Labs' for Flux,
Flux 2 and Chroma, and those of SD 3, Lumina 2 and Z-Image in their single files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_IN_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_OUTSIDE_BLOCKS = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_MODULE = re.compile(r"(?:down|up)_blocks\.\d+\.(resnets|attentions|downsamplers|upsamplers)\.\d+")
_SGM_BLOCK = re.compile(r"(?:input|output)_blocks\.\d+|middle_block")
_MIDDLE = re.compile(r"mid_block\.(resnets|attentions)\.(\d+)\.(.+)")
_PROJECTIONS = {"q": 0, "k": 1, "v": 2}

_IN_TRANSFORMERS = (
    # Path in diffusers, name elsewhere; a group `part` makes it one of several in one matrix.
    # Flux and Chroma.
    (r"transformer_blocks\.(\d+)\.attn\.to_(?P<part>[qkv])", r"double_blocks.\1.img_attn.qkv"),
    (
        r"transformer_blocks\.(\d+)\.attn\.add_(?P<part>[qkv])_proj",
        r"double_blocks.\1.txt_attn.qkv",
    ),
    (r"transformer_blocks\.(\d+)\.attn\.to_out\.0", r"double_blocks.\1.img_attn.proj"),
    (r"transformer_blocks\.(\d+)\.attn\.to_add_out", r"double_blocks.\1.txt_attn.proj"),
    (r"transformer_blocks\.(\d+)\.ff\.net\.0\.proj", r"double_blocks.\1.img_mlp.0"),
    (r"transformer_blocks\.(\d+)\.ff\.net\.2", r"double_blocks.\1.img_mlp.2"),
    (r"transformer_blocks\.(\d+)\.ff_context\.net\.0\.proj", r"double_blocks.\1.txt_mlp.0"),
    (r"transformer_blocks\.(\d+)\.ff_context\.net\.2", r"double_blocks.\1.txt_mlp.2"),
    (r"transformer_blocks\.(\d+)\.norm1\.linear", r"double_blocks.\1.img_mod.lin"),
    (r"transformer_blocks\.(\d+)\.norm1_context\.linear", r"double_blocks.\1.txt_mod.lin"),
    (
        r"single_transformer_blocks\.(\d+)\.(?:attn\.to_(?P<part>[qkv])|proj_mlp)",
        r"single_blocks.\1.linear1",
    ),
    (r"single_transformer_blocks\.(\d+)\.proj_out", r"single_blocks.\1.linear2"),
    (r"single_transformer_blocks\.(\d+)\.norm\.linear", r"single_blocks.\1.modulation.lin"),
    (r"x_embedder", r"img_in"),
    (r"context_embedder", r"txt_in"),
    (r"time_text_embed\.timestep_embedder\.linear_1", r"time_in.in_layer"),
    (r"time_text_embed\.timestep_embedder\.linear_2", r"time_in.out_layer"),
    (r"time_text_embed\.text_embedder\.linear_1", r"vector_in.in_layer"),
    (r"time_text_embed\.text_embedder\.linear_2", r"vector_in.out_layer"),
    (r"time_text_embed\.guidance_embedder\.linear_1", r"guidance_in.in_layer"),
    (r"time_text_embed\.guidance_embedder\.linear_2", r"guidance_in.out_layer"),
    (r"proj_out", r"final_layer.linear"),
    (r"norm_out\.linear", r"final_layer.adaLN_modulation.1"),
    # Flux 2.
    (r"transformer_blocks\.(\d+)\.ff\.linear_in", r"double_blocks.\1.img_mlp.0"),
    (r"transformer_blocks\.(\d+)\.ff\.linear_out", r"double_blocks.\1.img_mlp.2"),
    (r"transformer_blocks\.(\d+)\.ff_context\.linear_in", r"double_blocks.\1.txt_mlp.0"),
    (r"transformer_blocks\.(\d+)\.ff_context\.linear_out", r"double_blocks.\1.txt_mlp.2"),
    (r"single_transformer_blocks\.(\d+)\.attn\.to_qkv_mlp_proj", r"single_blocks.\1.linear1"),
    (r"single_transformer_blocks\.(\d+)\.attn\.to_out", r"single_blocks.\1.linear2"),
    (
        r"(double_stream_modulation_img|double_stream_modulation_txt|single_stream_modulation)"
        r"\.linear",
        r"\1.lin",
    ),
    (r"time_guidance_embed\.timestep_embedder\.linear_1", r"time_in.in_layer"),
    (r"time_guidance_embed\.timestep_embedder\.linear_2", r"time_in.out_layer"),
    (r"time_guidance_embed\.guidance_embedder\.linear_1", r"guidance_in.in_layer"),
    (r"time_guidance_embed\.guidance_embedder\.linear_2", r"guidance_in.out_layer"),
    # SD 3.
    (r"transformer_blocks\.(\d+)\.attn\.to_(?P<part>[qkv])", r"joint_blocks.\1.x_block.attn.qkv"),
    (
        r"transformer_blocks\.(\d+)\.attn\.add_(?P<part>[qkv])_proj",
        r"joint_blocks.\1.context_block.attn.qkv",
    ),
    (r"transformer_blocks\.(\d+)\.attn2\.to_(?P<part>[qkv])", r"joint_blocks.\1.x_block.attn2.qkv"),
    (r"transformer_blocks\.(\d+)\.attn\.to_out\.0", r"joint_blocks.\1.x_block.attn.proj"),
    (r"transformer_blocks\.(\d+)\.attn2\.to_out\.0", r"joint_blocks.\1.x_block.attn2.proj"),
    (r"transformer_blocks\.(\d+)\.attn\.to_add_out", r"joint_blocks.\1.context_block.attn.proj"),
    (r"transformer_blocks\.(\d+)\.ff\.net\.0\.proj", r"joint_blocks.\1.x_block.mlp.fc1"),
    (r"transformer_blocks\.(\d+)\.ff\.net\.2", r"joint_blocks.\1.x_block.mlp.fc2"),
    (
        r"transformer_blocks\.(\d+)\.ff_context\.net\.0\.proj",
        r"joint_blocks.\1.context_block.mlp.fc1",
    ),
    (r"transformer_blocks\.(\d+)\.ff_context\.net\.2", r"joint_blocks.\1.context_block.mlp.fc2"),
    (r"transformer_blocks\.(\d+)\.norm1\.linear", r"joint_blocks.\1.x_block.adaLN_modulation.1"),
    (
        r"transformer_blocks\.(\d+)\.norm1_context\.linear",
        r"joint_blocks.\1.context_block.adaLN_modulation.1",
    ),
    (r"pos_embed\.proj", r"x_embedder.proj"),
    (r"time_text_embed\.timestep_embedder\.linear_1", r"t_embedder.mlp.0"),
    (r"time_text_embed\.timestep_embedder\.linear_2", r"t_embedder.mlp.2"),
    (r"time_text_embed\.text_embedder\.linear_1", r"y_embedder.mlp.0"),
    (r"time_text_embed\.text_embedder\.linear_2", r"y_embedder.mlp.2"),
    # Z-Image and Lumina 2.
    (r"all_(final_layer|x_embedder)\.2-1(\..+)?", r"\1\2"),
    (
        r"(.*layers|.*refiner)\.(\d+)\.(?:attention|attn)\.to_(?P<part>[qkv])",
        r"\1.\2.attention.qkv",
    ),
    (r"(.*layers|.*refiner)\.(\d+)\.(?:attention|attn)\.to_out\.0", r"\1.\2.attention.out"),
)


def names_in_transformers(paths: Iterable[str]) -> Mapping[str, list[str]]:
    """Return the paths of layers by the names that other programs have for them; several paths make
    up one matrix, in their order."""
    found: dict[str, list[tuple[int, str]]] = {}
    for path in paths:
        for pattern, name in _IN_TRANSFORMERS:
            match = re.fullmatch(pattern, path)
            if match is not None:
                part = match.groupdict().get("part")
                order = _PROJECTIONS[part] if part else len(_PROJECTIONS)
                found.setdefault(match.expand(name), []).append((order, path))
    return {name: [path for _, path in sorted(parts)] for name, parts in found.items()}


def names_in_unets(paths: Iterable[str]) -> Mapping[str, list[str]]:
    """Return the paths of a UNet's layers by their names in Stability AI's code."""
    paths = list(paths)
    modules = _sgm_modules(paths)
    return {name: [path] for path in paths if (name := _sgm_name(path, modules)) is not None}


def sgm_blocks(paths: Iterable[str]) -> Mapping[str, str]:
    """Return the block of each layer of a UNet, such as "input_blocks.4" or "middle_block", without
    the layers outside of blocks."""
    named = ((paths[0], _SGM_BLOCK.match(name)) for name, paths in names_in_unets(paths).items())
    return {path: match[0] for path, match in named if match is not None}


def _sgm_modules(paths: Iterable[str]) -> Mapping[str, str]:
    """Return the names of resnets, attentions and samplers by their paths.

    Each resnet and each downsampler is a block of its own there; attentions and upsamplers belong
    to the block of the resnet before.
    """
    found = {match[0] for path in paths if (match := _MODULE.match(path))}
    names: dict[str, str] = {}
    for side, direction, first in (("input", "down", 1), ("output", "up", 0)):
        block, number = 0, first
        while f"{direction}_blocks.{block}.resnets.0" in found:
            prefix = f"{direction}_blocks.{block}"
            layer = 0
            while f"{prefix}.resnets.{layer}" in found:
                names[f"{prefix}.resnets.{layer}"] = f"{side}_blocks.{number}.0"
                names[f"{prefix}.attentions.{layer}"] = f"{side}_blocks.{number}.1"
                layer, number = layer + 1, number + 1
            if f"{prefix}.downsamplers.0" in found:
                names[f"{prefix}.downsamplers.0"] = f"{side}_blocks.{number}.0"
                number += 1
            after = 2 if f"{prefix}.attentions.{layer - 1}" in found else 1
            names[f"{prefix}.upsamplers.0"] = f"{side}_blocks.{number - 1}.{after}"
            block += 1
    return names


def _sgm_name(path: str, modules: Mapping[str, str]) -> str | None:
    if path in _OUTSIDE_BLOCKS:
        return _OUTSIDE_BLOCKS[path]
    middle = _MIDDLE.fullmatch(path)
    if middle is not None:
        is_resnet = middle[1] == "resnets"
        inside = _IN_RESNET.get(middle[3], middle[3]) if is_resnet else middle[3]
        return f"middle_block.{2 * int(middle[2]) + (not is_resnet)}.{inside}"
    match = _MODULE.match(path)
    if match is None or match[0] not in modules:
        return None
    inside = path[match.end() + 1 :]
    if match[1] == "resnets":
        inside = _IN_RESNET.get(inside, inside)
    elif match[1] == "downsamplers":
        inside = "op"
    return f"{modules[match[0]]}.{inside}".rstrip(".")
