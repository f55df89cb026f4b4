"""Load a transformer from a file of its own: GGUF, or .safetensors in fp8, bf16, fp16 or fp32."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from diffusers import GGUFQuantizationConfig
from diffusers.loaders import single_file_model
from diffusers.models.model_loading_utils import load_gguf_checkpoint
from safetensors.torch import load_file
from torch import nn

from sdtui.engine.quantized.formats import OF_FILES, Packed
from sdtui.engine.quantized.layers import can_hold, quantize_layer
from sdtui.models import ModelDescription
from sdtui.models.transformer_file import GGUF, TRANSFORMER
from sdtui.models.transformer_kinds import without_prefix

_SCALE = re.compile(r"\.(scale_weight|weight_scale)$")
"""Tensors with the scale of a weight in fp8, as ComfyUI names them."""
_WITH_FLOAT8 = re.compile(r"\.(scale_input|input_scale|comfy_quant)$|(^|\.)scaled_fp8$")
"""Others that go with such weights: what activations would be scaled with, and the format's
name."""

Tensors = dict[str, torch.Tensor]


def _goes_with_float8(name: str) -> bool:
    """True for a tensor that goes with a weight in fp8."""
    return bool(_SCALE.search(name) or _WITH_FLOAT8.search(name))


def load_transformer(
    cls: Any, description: ModelDescription, folder: Path, dtype: torch.dtype
) -> tuple[nn.Module, Collection[str]]:
    """Return the transformer in the file of a model, and the names of tensors that are missing
    there. `folder` has its config. Weights in GGUF's formats and in fp8 stay in these, and are
    computed with in `dtype`."""
    path = description.path
    with init_empty_weights():
        empty: nn.Module = cls.from_config(cls.load_config(folder, subfolder=TRANSFORMER))
    names = empty.state_dict().keys()
    if path.suffix.lower() == GGUF:
        tensors = without_prefix(load_gguf_checkpoint(str(path)))
        _check_names(names, tensors)
        quantization = GGUFQuantizationConfig(compute_dtype=dtype)
        module = _from_tensors(cls, tensors, folder, dtype, quantization_config=quantization)
        _unpack_outside_of_layers(module, dtype)
    else:
        tensors = without_prefix(load_file(path))
        _check_names(names, tensors)
        if any(each.dtype in OF_FILES for each in tensors.values()):
            return empty, _fill_with_float8(empty, tensors, dtype)
        module = _from_tensors(cls, tensors, folder, dtype)
    return module, [name for name, tensor in module.state_dict().items() if tensor.is_meta]


def _check_names(wanted: Collection[str], tensors: Tensors) -> None:
    """Raise ValueError for a file with diffusers' names that lacks some: its conversion from other
    names would fail."""
    missing = [name for name in wanted if name not in tensors]
    if missing and all(name in wanted or _goes_with_float8(name) for name in tensors):
        raise ValueError(f"the transformer lacks {len(missing)} tensors, {missing[0]} among them")


def _from_tensors(
    cls: Any, tensors: Tensors, folder: Path, dtype: torch.dtype, **options: Any
) -> nn.Module:
    try:
        module: nn.Module = cls.from_single_file(
            tensors,
            config=str(folder),
            subfolder=TRANSFORMER,
            dtype=dtype,
            local_files_only=True,
            **options,
        )
    except NotImplementedError as error:
        # Missing tensors are on the meta device and can't be moved.
        raise ValueError("the transformer lacks tensors") from error
    return module


def _unpack_outside_of_layers(module: nn.Module, dtype: torch.dtype) -> None:
    """Give what isn't a linear layer ordinary tensors: in GGUF files some norms are in bf16, which
    diffusers takes for a packed format."""
    from diffusers.quantizers.gguf.utils import (
        GGUFLinear,
        GGUFParameter,
        dequantize_gguf_tensor,
    )

    for each in module.modules():
        for name, parameter in each.named_parameters(recurse=False):
            is_weight = isinstance(each, GGUFLinear) and name == "weight"
            if isinstance(parameter, GGUFParameter) and not is_weight:
                plain = dequantize_gguf_tensor(parameter).to(dtype)
                each.register_parameter(name, nn.Parameter(plain, requires_grad=False))


def _fill_with_float8(module: nn.Module, tensors: Tensors, dtype: torch.dtype) -> list[str]:
    """Fill an empty transformer, whose layers keep weights in fp8; returns the names of missing
    tensors.

    The conversion to diffusers' names only cuts and renames, so it is done twice: with the weights,
    and with the scale of each of their values, as views that take no memory.
    """
    scales = {
        _SCALE.sub(".weight", name): tensor
        for name, tensor in tensors.items()
        if _SCALE.search(name)
    }
    plain = {name: tensor for name, tensor in tensors.items() if not _goes_with_float8(name)}
    spread = {
        name: _spread(scales.get(name, torch.ones(())), tensor) for name, tensor in plain.items()
    }
    weights, factors = _converted(module, plain), _converted(module, spread)
    missing = []
    for name in module.state_dict():
        layer, _, attribute = name.rpartition(".")
        if name not in weights:
            missing.append(name)
            continue
        _fill(module.get_submodule(layer), attribute, weights[name], factors[name], dtype)
    return missing


def _spread(scale: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return a scale for each value of a weight, from one for all or one for each row."""
    scale = scale.float().flatten()
    return scale.reshape(-1, *[1] * (weight.ndim - 1)).expand(weight.shape)


def _converted(module: Any, tensors: Tensors) -> Tensors:
    """Return tensors by the names that they have in diffusers' class."""
    if module.state_dict().keys() == tensors.keys():
        return tensors
    kind = single_file_model._get_single_file_loadable_mapping_class(type(module))
    functions: Any = single_file_model.SINGLE_FILE_LOADABLE_CLASSES[kind]
    converted: Tensors = functions["checkpoint_mapping_fn"](
        config=dict(module.config), checkpoint=dict(tensors)
    )
    return converted


def _fill(
    layer: nn.Module,
    attribute: str,
    weight: torch.Tensor,
    factors: torch.Tensor,
    dtype: torch.dtype,
) -> None:
    """Give a layer a tensor: packed if it is in fp8 and the layer can compute with that."""
    shape = getattr(layer, attribute).shape
    if weight.shape != shape:
        raise ValueError(f"a tensor has the shape {tuple(weight.shape)} instead of {tuple(shape)}")
    if weight.dtype in OF_FILES and attribute == "weight" and can_hold(layer):
        values = weight.contiguous().flatten(1).view(torch.uint8)
        rows = factors.flatten(1)[:, 0].contiguous()
        quantize_layer(layer, OF_FILES[weight.dtype], Packed(values, rows), dtype)
        return
    plain = weight.to(dtype) * factors.to(dtype) if weight.dtype in OF_FILES else weight.to(dtype)
    if attribute in layer._buffers:
        layer._buffers[attribute] = plain
    else:
        layer.register_parameter(attribute, nn.Parameter(plain, requires_grad=False))
