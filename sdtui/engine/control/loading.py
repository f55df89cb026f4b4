"""Load ControlNets of diffusers' layout and of the original one, without a network."""

from __future__ import annotations

import inspect
import logging
import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import torch
from diffusers import ControlNetModel, ControlNetUnionModel
from diffusers.loaders.single_file_utils import convert_controlnet_checkpoint
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from sdtui.core.errors import ModelDamagedError
from sdtui.models.component_files import read_json
from sdtui.models.controlnets import LDM_PREFIX, UNION, ControlNet

_log = logging.getLogger(__name__)

_DOWNSAMPLER = re.compile(r"input_blocks\.(\d+)\.0\.op\.weight")
_LABELS = {"label_emb.0.0.": "add_embedding.linear_1.", "label_emb.0.2.": "add_embedding.linear_2."}
"""Names of SDXL's size embedding, which diffusers doesn't convert in ControlNets."""
_BLOCK_LAYER = re.compile(
    r"down_blocks\.(\d+)\.attentions\.\d+\.transformer_blocks\.(\d+)\.norm1\.weight"
)
_MID_LAYER = re.compile(r"mid_block\.attentions\.0\.transformer_blocks\.(\d+)\.norm1\.weight")
_PROJECTION = re.compile(r"\.attentions\.\d+\.proj_in\.weight$")
_POOLED = "shuffle"
"""In the names of nets whose output is averaged; nothing in their files says so."""


def load_net(net: ControlNet, unet: Any, dtype: torch.dtype) -> nn.Module:
    """Load a net for a UNet into main memory. Raises ModelDamagedError."""
    try:
        tensors = {name: each for file in net.files for name, each in load_file(file).items()}
    except (OSError, SafetensorError) as error:
        raise ModelDamagedError(f"{net.path} can't be read: {error}", "Copy it again") from error
    tensors = _in_diffusers_layout(tensors)
    cls: Any = ControlNetUnionModel if UNION in tensors else ControlNetModel
    known = inspect.signature(cls.__init__).parameters
    config = {name: each for name, each in _config(net, unet, tensors).items() if name in known}
    with torch.device("meta"):
        module: nn.Module = cls(**config)
    _check(net, module, tensors)
    module.load_state_dict({name: each.to(dtype) for name, each in tensors.items()}, assign=True)
    return module.eval().requires_grad_(False)


def _in_diffusers_layout(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors by diffusers' names."""
    plain = {name.removeprefix(LDM_PREFIX): tensor for name, tensor in tensors.items()}
    if "time_embed.0.weight" not in plain:
        return plain
    numbers = [int(found[1]) for name in plain if (found := _DOWNSAMPLER.fullmatch(name))]
    layers = min(numbers, default=3) - 1
    converted = convert_controlnet_checkpoint(dict(plain), {"layers_per_block": layers})
    for name, tensor in plain.items():
        for theirs, ours in _LABELS.items():
            if name.startswith(theirs):
                converted[name.replace(theirs, ours)] = tensor
    return {name: tensor for name, tensor in converted.items() if tensor is not None}


def _config(net: ControlNet, unet: Any, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return a net's config: that of its folder, else the UNet's with what the shapes show."""
    if net.path.is_dir():
        return read_json(net.path / "config.json")
    channels, count = _hint_channels(tensors), len(unet.config.block_out_channels)
    return {
        **unet.config,
        "in_channels": tensors["conv_in.weight"].shape[1],
        "encoder_hid_dim": None,
        "encoder_hid_dim_type": None,
        "conditioning_channels": tensors["controlnet_cond_embedding.conv_in.weight"].shape[1],
        "conditioning_embedding_out_channels": channels,
        "global_pool_conditions": _POOLED in net.path.stem.lower(),
        "use_linear_projection": _is_linear(tensors, unet),
        **_blocks(tensors, count, unet),
        **_union(tensors),
    }


def _hint_channels(tensors: Mapping[str, Tensor]) -> tuple[int, ...]:
    """Return the channels of the layers that read the control picture."""
    prefix = "controlnet_cond_embedding."
    channels = [tensors[f"{prefix}conv_in.weight"].shape[0]]
    number = 1
    while f"{prefix}blocks.{number}.weight" in tensors:
        channels.append(tensors[f"{prefix}blocks.{number}.weight"].shape[0])
        number += 2
    return tuple(channels)


def _is_linear(tensors: Mapping[str, Tensor], unet: Any) -> bool:
    dimensions = (each.ndim for name, each in tensors.items() if _PROJECTION.search(name))
    return bool(next((each == 2 for each in dimensions), unet.config.use_linear_projection))


def _blocks(tensors: Mapping[str, Tensor], count: int, unet: Any) -> dict[str, Any]:
    """Return which blocks have attention, and how many layers of it."""
    layers: dict[int, int] = defaultdict(int)
    middle = 0
    for name in tensors:
        if found := _BLOCK_LAYER.fullmatch(name):
            layers[int(found[1])] = max(layers[int(found[1])], int(found[2]) + 1)
        elif found := _MID_LAYER.fullmatch(name):
            middle = max(middle, int(found[1]) + 1)
    depths = [layers[block] or 1 for block in range(count)]
    depths[-1] = layers[count - 1] or middle or 1
    kinds = ["CrossAttnDownBlock2D" if layers[block] else "DownBlock2D" for block in range(count)]
    return {
        "down_block_types": tuple(kinds),
        "transformer_layers_per_block": depths,
        "mid_block_type": unet.config.mid_block_type if middle else "UNetMidBlock2D",
    }


def _union(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    if UNION not in tensors:
        return {}
    types, width = tensors[UNION].shape
    layers = {name.split(".")[1] for name in tensors if name.startswith("transformer_layes.")}
    return {
        "num_control_type": types,
        "num_trans_channel": width,
        "num_trans_layer": len(layers),
        "num_proj_channel": tensors["spatial_ch_projs.weight"].shape[0],
    }


def _check(net: ControlNet, module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Raise ModelDamagedError if the tensors aren't those of the module."""
    wanted = {name: tuple(each.shape) for name, each in module.state_dict().items()}
    missing = sorted(wanted.keys() - tensors.keys())
    unknown = sorted(tensors.keys() - wanted.keys())
    if missing or unknown:
        which = f"lacks {missing[0]}" if missing else f"has {unknown[0]}, which is unknown"
        raise ModelDamagedError(
            f"the ControlNet {net.name} can't be used: it {which}", "Use another ControlNet"
        )
    wrong = next((name for name in wanted if wanted[name] != tuple(tensors[name].shape)), None)
    if wrong is not None:
        raise ModelDamagedError(
            f"the ControlNet {net.name} doesn't fit this model: {wrong} is "
            f"{_shape(tensors[wrong].shape)} and should be {_shape(wanted[wrong])}",
            "Use another ControlNet, or another model",
        )


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
