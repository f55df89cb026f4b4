"""Load a component of a diffusers folder tensor by tensor, where its weights are quantized or
converted to another number format: it is never in memory in both."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from torch import nn

from sdtui.core.enums import Quantize
from sdtui.engine.quantized.filling import Filling, Stored
from sdtui.engine.quantized.weight_files import WeightFile
from sdtui.models.component_files import weight_files


def empty_module(cls: Any, library: str, place: Path, **changes: Any) -> nn.Module:
    """Return a module as the config in a folder describes it, with parameters on the meta device.
    `changes` are those of a config of diffusers."""
    with init_empty_weights():
        if library == "diffusers":
            config = cls.load_config(place, local_files_only=True)
            module: nn.Module = cls.from_config({**config, **changes})
        else:
            config = cls.config_class.from_pretrained(place, local_files_only=True)
            module = cls(config)
    return module


def load_by_tensor(
    cls: Any, library: str, place: Path, dtype: torch.dtype, quantize: Quantize
) -> nn.Module | None:
    """Return the component in a folder; None if there is nothing to convert, or if its tensors
    have to be put together from several, which the libraries do. Sets torch's default dtype."""
    files = [WeightFile(path) for path in weight_files(place)]
    if quantize is Quantize.NONE and not any(_is_converted(file, dtype) for file in files):
        return None
    torch.set_default_dtype(dtype)  # as the libraries do while they build a model
    module = empty_module(cls, library, place)
    names = usual_names(module, [name for file in files for name in file.tensors])
    if names is None:
        return None
    filling = Filling(module, dtype, quantize)
    for file in files:
        for name, tensor in file.tensors.items():
            if name in names:
                filling.fill(names[name], Stored(tensor))
                file.release()
    return None if filling.missing() else module


def _is_converted(file: WeightFile, dtype: torch.dtype) -> bool:
    return any(
        each.is_floating_point() and each.dtype is not dtype for each in file.tensors.values()
    )


def usual_names(module: Any, names: Iterable[str]) -> dict[str, str] | None:
    """Return the names in a file and those that the tensors have in a module, without those that
    it doesn't have; None if some have to be put together from several."""
    own = module.state_dict()
    renamed = {name: name for name in names}
    if hasattr(module, "base_model_prefix"):
        from transformers.conversion_mapping import get_model_conversion_mapping
        from transformers.core_model_loading import WeightConverter, rename_source_key

        changes = get_model_conversion_mapping(module)
        converters = [each for each in changes if isinstance(each, WeightConverter)]
        renamings: Any = [each for each in changes if not isinstance(each, WeightConverter)]
        for name in renamed:
            renamed[name], pattern = rename_source_key(
                name, renamings, converters, module.base_model_prefix, own
            )
            if pattern is not None:
                return None
    return {name: usual for name, usual in renamed.items() if usual in own}
