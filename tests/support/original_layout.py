"""Write a diffusers pipeline as a checkpoint in the original layout of its family.

That is CompVis' for SD 1.x and Stability's for SD 2.x and XL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

Tensors = dict[str, torch.Tensor]


def write_single_file(
    pipeline: Any,
    path: Path,
    *,
    extra: Mapping[str, torch.Tensor] | None = None,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Save the weights of a pipeline and `extra` tensors to `path`."""
    tensors = {**original_tensors(pipeline), **(extra or {})}
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata)
    return path


def original_tensors(pipeline: Any) -> Tensors:
    """The weights of a pipeline with the names and shapes of the original layout."""
    return {
        **_under("model.diffusion_model.", unet_tensors(pipeline.unet)),
        **_under("first_stage_model.", vae_tensors(pipeline.vae)),
        **_text_encoders(pipeline),
    }


def controlnet_tensors(net: Any) -> Tensors:
    """The weights of a ControlNet with the names of the original layout."""

    def rename(name: str) -> str:
        name = re.sub(r"^controlnet_down_blocks\.(\d+)", r"zero_convs.\1.0", name)
        name = re.sub(r"^controlnet_mid_block", "middle_block_out.0", name)
        hint = "controlnet_cond_embedding."
        name = name.replace(f"{hint}conv_in", "input_hint_block.0")
        name = name.replace(f"{hint}conv_out", "input_hint_block.14")
        return re.sub(
            r"^controlnet_cond_embedding\.blocks\.(\d+)",
            lambda found: f"input_hint_block.{2 * int(found[1]) + 2}",
            name,
        )

    tensors = {rename(name): tensor.contiguous() for name, tensor in unet_tensors(net).items()}
    return _under("control_model.", tensors)


def _text_encoders(pipeline: Any) -> Tensors:
    first = pipeline.text_encoder
    second = getattr(pipeline, "text_encoder_2", None)
    if first is None:  # SDXL's refiner
        return _under("conditioner.embedders.0.model.", _open_clip(second))
    if second is not None:
        return {
            **_under("conditioner.embedders.0.transformer.text_model.", _clip(first)),
            **_under("conditioner.embedders.1.model.", _open_clip(second)),
        }
    if first.config.hidden_act == "gelu":  # OpenCLIP's; CLIP has quick_gelu
        return _under("cond_stage_model.model.", _open_clip(first))
    return _under("cond_stage_model.transformer.text_model.", _clip(first))


def _under(prefix: str, tensors: Tensors) -> Tensors:
    return {prefix + name: tensor for name, tensor in tensors.items()}


_UNET_ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
}
_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}


def unet_tensors(unet: Any) -> Tensors:
    depth = unet.config.layers_per_block + 1
    kinds = unet.config.get("up_block_types", ())  # ControlNets have none
    with_attention = ["CrossAttn" in kind for kind in kinds]

    def place(found: re.Match[str]) -> str:
        side, block, part, layer = found[1], int(found[2]), found[3], int(found[4])
        if side == "down":
            if part == "downsamplers":
                return f"input_blocks.{(block + 1) * depth}.0.op"
            number = 1 + block * depth + layer
            return f"input_blocks.{number}.{0 if part == 'resnets' else 1}"
        if part == "upsamplers":
            last = block * depth + depth - 1
            return f"output_blocks.{last}.{2 if with_attention[block] else 1}.conv"
        return f"output_blocks.{block * depth + layer}.{0 if part == 'resnets' else 1}"

    def rename(name: str) -> str:
        for native, theirs in _UNET_ENDS.items():
            if name.startswith(f"{native}."):
                name = theirs + name.removeprefix(native)
        name = re.sub(r"^(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)(\.conv(?=\.))?", place, name)
        head, _, tail = name.rpartition(".")
        start, _, last = head.rpartition(".")
        in_resnet = last in _RESNET and "transformer_blocks" not in name
        return f"{start}.{_RESNET[last]}.{tail}" if in_resnet else name

    return {rename(name): tensor for name, tensor in unet.state_dict().items()}


_VAE_NAMES = (
    (r"mid_block\.resnets\.(\d)", lambda found: f"mid.block_{int(found[1]) + 1}"),
    (r"down_blocks\.(\d+)\.resnets", r"down.\1.block"),
    (r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample"),
    (r"conv_shortcut", "nin_shortcut"),
    (r"conv_norm_out", "norm_out"),
    (r"mid_block\.attentions\.0\.group_norm", "mid.attn_1.norm"),
    (r"mid_block\.attentions\.0\.to_out\.0", "mid.attn_1.proj_out"),
    (r"mid_block\.attentions\.0\.to_([qkv])", r"mid.attn_1.\1"),
)


def vae_tensors(vae: Any) -> Tensors:
    top = len(vae.config.block_out_channels) - 1
    tensors = {}
    for native, tensor in vae.state_dict().items():
        name = re.sub(
            r"up_blocks\.(\d+)\.(resnets|upsamplers\.0)",
            lambda found: (
                f"up.{top - int(found[1])}." + ("block" if found[2] == "resnets" else "upsample")
            ),
            native,
        )
        for pattern, replacement in _VAE_NAMES:
            name = re.sub(pattern, replacement, name)
        is_projection = "mid.attn_1" in name and tensor.ndim == 2
        tensors[name] = tensor[:, :, None, None] if is_projection else tensor
    return tensors


def _text_model(encoder: Any) -> Iterator[tuple[str, torch.Tensor]]:
    for name, tensor in encoder.state_dict().items():
        yield name.removeprefix("text_model."), tensor


def _clip(encoder: Any) -> Tensors:
    tensors = dict(_text_model(encoder))
    positions = tensors["embeddings.position_embedding.weight"].shape[0]
    # Files saved with older versions of transformers have this buffer too.
    tensors["embeddings.position_ids"] = torch.arange(positions)[None]
    return tensors


_OPEN_CLIP_NAMES = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm": "ln_final",
    "encoder.layers": "transformer.resblocks",
    "layer_norm": "ln_",
    "self_attn": "attn",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}


def _open_clip(encoder: Any) -> Tensors:
    native = dict(_text_model(encoder))
    tensors: Tensors = {"logit_scale": torch.tensor(4.6)}
    projection = native.pop("text_projection.weight", None)
    if projection is not None:
        tensors["text_projection"] = projection.T
    for name, tensor in native.items():
        found = re.search(r"[qkv]_proj\.(weight|bias)$", name)
        if found is None:
            tensors[_open_clip_name(name)] = tensor
            continue
        start, end = name[: found.start()], found[1]
        joined = torch.cat([native[f"{start}{kind}_proj.{end}"] for kind in "qkv"])
        tensors[_open_clip_name(f"{start}in_proj_{end}")] = joined
    return tensors


def _open_clip_name(name: str) -> str:
    for old, new in _OPEN_CLIP_NAMES.items():
        name = name.replace(old, new)
    return name
