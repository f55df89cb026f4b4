"""Load a text encoder or VAE from a file of its own: GGUF, or .safetensors in any precision."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers.loaders import single_file_utils
from torch import nn

from sdtui.core.enums import Quantize
from sdtui.engine.quantized.filling import Filling, Stored, as_stored
from sdtui.engine.quantized.folder_parts import empty_module
from sdtui.engine.quantized.gguf_formats import gguf_format
from sdtui.engine.quantized.scales import Tensors, scales_of, without_scales
from sdtui.engine.quantized.weight_files import WeightFile
from sdtui.models.part_kinds import VISION, architecture_of, usual_part_name

_PREFIXES = ("model.language_model.", "language_model.", "model.", "text_model.", "")
"""What the names of a language model's or CLIP's tensors begin with, by class."""

_VAE_CONVERSIONS: Mapping[str, Callable[..., Tensors]] = {
    "AutoencoderKL": single_file_utils.convert_ldm_vae_checkpoint,
    "AutoencoderKLFlux2": single_file_utils.convert_ldm_vae_checkpoint,
    "AutoencoderKLQwenImage": single_file_utils.convert_wan_vae_to_diffusers,
    "AutoencoderKLWan": single_file_utils.convert_wan_vae_to_diffusers,
}
"""From the names of their authors, by class."""


def load_part(
    cls: Any,
    library: str,
    path: Path,
    place: Path,
    dtype: torch.dtype,
    quantize: Quantize = Quantize.NONE,
) -> tuple[nn.Module, Collection[str]]:
    """Return the component in a file, and the names of tensors that are missing there. `place` is
    the folder of its config. Weights of layers in GGUF's formats and in fp8 stay in these, and are
    computed with in `dtype`; others are quantized."""
    torch.set_default_dtype(dtype)  # as the libraries do while they build a model
    module = empty_module(cls, library, place)
    file = WeightFile(path)
    filling = Filling(module, dtype, quantize)
    tensors = _of_vae(module, file) if library == "diffusers" else _of_text_encoder(module, file)
    for name, stored in tensors:
        filling.fill(name, stored)
        file.release()
    missing = filling.missing()
    if library == "transformers":
        missing = _without_unused(module, missing)
    return module, missing


def _of_vae(module: Any, file: WeightFile) -> Iterator[tuple[str, Stored]]:
    own = module.state_dict()
    tensors = {usual_part_name(name): tensor for name, tensor in file.tensors.items()}
    if not own.keys() <= tensors.keys():
        convert = _VAE_CONVERSIONS[type(module).__name__]
        # Its own names stay for what isn't converted: the normalization of FLUX.2's latents.
        tensors |= convert(checkpoint=dict(tensors), config=dict(module.config))
    yield from ((name, as_stored(tensors[name])) for name in own if name in tensors)


def _of_text_encoder(module: Any, file: WeightFile) -> Iterator[tuple[str, Stored]]:
    own = module.state_dict()
    architecture = architecture_of(file.header)
    scales = scales_of(file.tensors)
    for name, tensor in without_scales(file.tensors).items():
        usual = usual_part_name(name, architecture)
        place = _place(usual, own)
        if place is None:
            continue
        label = file.packed_format(name)
        if label is not None:
            stored = Stored(tensor, gguf_format(label), shape=file.header.tensors[name].shape)
        else:
            stored = as_stored(tensor, scales.get(name))
        yield place, _as_in_transformers(stored, usual, architecture, module.config)


def _place(name: str, own: Collection[str]) -> str | None:
    """Return the name in a module for the usual one; None if it has no such tensor."""
    stem = name
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            stem = name.removeprefix(prefix)
            break
    return next((each + stem for each in ("", *_PREFIXES) if each + stem in own), None)


def _as_in_transformers(stored: Stored, name: str, architecture: str, config: Any) -> Stored:
    """Undo what llama.cpp changes in the weights of an architecture (convert_hf_to_gguf.py)."""
    if architecture.startswith("gemma") and name.endswith("norm.weight"):
        return Stored(stored.plain(torch.float32) - 1)
    if architecture in ("llama", "mistral3"):
        text = getattr(config, "text_config", config)
        if name.endswith(("q_proj.weight", "q_proj.bias")):
            return _rows_in_halves(stored, text.num_attention_heads)
        if name.endswith(("k_proj.weight", "k_proj.bias")):
            return _rows_in_halves(stored, text.num_key_value_heads)
    return stored


def _rows_in_halves(stored: Stored, heads: int) -> Stored:
    """Return a matrix whose rows are in the order of transformers' rotary embedding, which turns
    the halves of a head, from llama.cpp's, which turns pairs of neighbours."""
    shape = stored.shape or tuple(stored.values.shape)
    rows = stored.values.reshape(heads, shape[0] // heads // 2, 2, -1).transpose(1, 2)
    return Stored(
        rows.reshape(stored.values.shape), stored.stored_format, stored.scales, stored.shape
    )


def _without_unused(module: Any, missing: list[str]) -> list[str]:
    """Return what a text encoder lacks, without what no prompt needs: the part that sees pictures,
    if it lacks that as a whole, and the layer behind the last, whose place the embeddings take."""
    lacking = set(missing)
    parents = {"", *_PREFIXES}
    for parent in parents:
        for name in VISION:
            start = f"{parent}{name}."
            of_it = {each for each in module.state_dict() if each.startswith(start)}
            if of_it and of_it <= lacking:
                owner = module.get_submodule(parent.rstrip("."))
                setattr(owner, name, nn.Identity())
                lacking -= of_it
    if "lm_head.weight" in lacking:
        module.lm_head.weight = module.get_input_embeddings().weight
        lacking.remove("lm_head.weight")
    return sorted(lacking)
