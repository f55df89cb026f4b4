"""Load a transformer or U-Net from a file of its own: GGUF, or .safetensors in fp8, bf16, fp16 or
fp32."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers.loaders import single_file_model
from torch import nn

from sdtui.core.enums import Quantize
from sdtui.core.text import counted
from sdtui.engine.quantized.filling import Filling, Stored, as_stored
from sdtui.engine.quantized.folder_parts import empty_module
from sdtui.engine.quantized.gguf_formats import gguf_format, values_in
from sdtui.engine.quantized.scales import Tensors, goes_with_float8, scales_of, without_scales
from sdtui.engine.quantized.weight_files import WeightFile
from sdtui.models.transformer_kinds import PREFIX, without_prefix

_UNET = "UNet2DConditionModel"
"""The class whose conversion takes names with the prefix alone."""


def load_transformer(
    cls: Any, path: Path, place: Path, dtype: torch.dtype, quantize: Quantize, **changes: Any
) -> tuple[nn.Module, Collection[str]]:
    """Return the transformer in a file, and the names of tensors that are missing there. `place` is
    the folder of its config, with `changes`. Weights in GGUF's formats and in fp8 stay in these,
    and are computed with in `dtype`; others are quantized."""
    torch.set_default_dtype(dtype)  # as diffusers does while it builds a model
    module = empty_module(cls, "diffusers", place, **changes)
    file = WeightFile(path)
    tensors = without_prefix(file.tensors)
    labels = without_prefix({name: file.packed_format(name) for name in file.tensors})
    own = module.state_dict()
    _check_names(own.keys(), tensors)
    plain = without_scales(tensors)
    weights = _converted(module, plain)
    # The conversion to diffusers' names only cuts and renames, so it is done again with what goes
    # with each value, as views that take no memory.
    scales, formats = scales_of(tensors), _Formats(labels)
    one = torch.ones(1)
    scale_of = _spread(module, plain, {name: scales.get(name, one) for name in plain}, scales)
    format_of = _spread(module, plain, formats.numbers(plain), formats.known)
    filling = Filling(module, dtype, quantize)
    for name in own.keys() & weights.keys():
        weight = weights.pop(name)
        if (label := formats.label(format_of.get(name))) is not None:
            stored = _packed(name, weight, label, own[name].shape)
        else:
            stored = as_stored(weight, _rows(scale_of.get(name)))
        filling.fill(name, stored)
        file.release()
    return module, filling.missing()


def _check_names(wanted: Collection[str], tensors: Tensors) -> None:
    """Raise ValueError for a file with diffusers' names that lacks some: its conversion from other
    names would fail."""
    missing = [name for name in wanted if name not in tensors]
    if missing and all(name in wanted or goes_with_float8(name) for name in tensors):
        lacking = counted(len(missing), "tensor")
        raise ValueError(f"the transformer lacks {lacking}, {missing[0]} among them")


def _converted(module: Any, tensors: Tensors) -> Tensors:
    """Return tensors by the names that they have in diffusers' class."""
    if module.state_dict().keys() <= tensors.keys():
        return dict(tensors)
    kind = single_file_model._get_single_file_loadable_mapping_class(type(module))
    functions: Any = single_file_model.SINGLE_FILE_LOADABLE_CLASSES[kind]
    prefix = PREFIX if kind == _UNET else ""
    converted: Tensors = functions["checkpoint_mapping_fn"](
        config=dict(module.config),
        checkpoint={f"{prefix}{name}": tensor for name, tensor in tensors.items()},
    )
    return converted


def _spread(
    module: Any, tensors: Tensors, values: Tensors, known: Collection[str]
) -> Mapping[str, torch.Tensor]:
    """Return one of `values`, or one for each row, for each value of the tensors, by the names that
    they have in diffusers' class; nothing if none is `known`."""
    if not known:
        return {}
    return _converted(
        module,
        {
            name: values[name].reshape(-1, *[1] * (each.ndim - 1)).expand(each.shape)
            for name, each in tensors.items()
        },
    )


def _rows(spread: torch.Tensor | None) -> torch.Tensor | None:
    """Return what was spread over a matrix, for each row."""
    return spread.flatten(1)[:, 0] if spread is not None and spread.ndim > 1 else None


class _Formats:
    """The packed formats of GGUF in a file, as numbers that can be spread over tensors."""

    def __init__(self, labels: Mapping[str, str | None]) -> None:
        self._labels = labels
        self.known = sorted({each for each in labels.values() if each is not None})

    def numbers(self, names: Collection[str]) -> Tensors:
        """Return the number of each tensor's format; 0 = it isn't packed."""
        numbers = {label: number for number, label in enumerate(self.known, start=1)}
        return {name: torch.tensor(numbers.get(self._labels[name] or "", 0)) for name in names}

    def label(self, spread: torch.Tensor | None) -> str | None:
        """Return the format of a tensor; None if it isn't packed. Raises ValueError for one that
        was put together from tensors of several."""
        if spread is None or spread.numel() == 0:
            return None
        first = spread.flatten()[0]
        if not (spread == first).all():
            raise ValueError("tensors that belong together are in different formats")
        return self.known[int(first) - 1] if first else None


def _packed(name: str, blocks: torch.Tensor, label: str, shape: torch.Size) -> Stored:
    if values_in(blocks.nbytes, label) != shape.numel():
        raise ValueError(f"{name} doesn't have {shape.numel()} values")
    return Stored(blocks.contiguous(), gguf_format(label), shape=tuple(shape))
