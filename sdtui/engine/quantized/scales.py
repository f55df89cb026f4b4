"""The scales that go with weights in fp8, as ComfyUI names them."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch

Tensors = dict[str, torch.Tensor]

_SCALE = re.compile(r"\.(scale_weight|weight_scale)$")
"""Tensors with the scale of a weight: one for all of it, or one for each row."""
_WITH_FLOAT8 = re.compile(r"\.(scale_input|input_scale|comfy_quant)$|(^|\.)scaled_fp8$")
"""Others that go with such weights: what activations would be scaled with, and the format's
name."""


def goes_with_float8(name: str) -> bool:
    """True for a tensor that goes with a weight in fp8."""
    return bool(_SCALE.search(name) or _WITH_FLOAT8.search(name))


def without_scales(tensors: Mapping[str, torch.Tensor]) -> Tensors:
    """Return the tensors that don't go with others."""
    return {name: tensor for name, tensor in tensors.items() if not goes_with_float8(name)}


def scales_of(tensors: Mapping[str, torch.Tensor]) -> Tensors:
    """Return the scales, by the names of their weights."""
    return {
        _SCALE.sub(".weight", name): tensor.float().flatten()
        for name, tensor in tensors.items()
        if _SCALE.search(name)
    }
