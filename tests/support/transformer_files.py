"""Files of a transformer alone, as people have them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

PREFIX = "model.diffusion_model."


def tensors_of(folder: Path) -> dict[str, torch.Tensor]:
    """The tensors of the transformer in a diffusers folder."""
    return load_file(folder / "transformer" / "diffusion_pytorch_model.safetensors")


def write_gguf(
    path: Path, tensors: Mapping[str, torch.Tensor], kind: str, *, convolutions: bool = False
) -> Path:
    """Write a GGUF file whose matrices are in a format such as "Q8_0", where it divides their
    rows; and convolutions too, in rows of a block, as city96's ComfyUI-GGUF writes them."""
    import gguf

    number = gguf.GGMLQuantizationType[kind]
    block, _ = gguf.GGML_QUANT_SIZES[number]
    writer = gguf.GGUFWriter(path, "flux")
    for name, tensor in tensors.items():
        values = tensor.float().numpy()
        if convolutions and values.ndim == 4 and values.size % block == 0:
            writer.add_array(f"comfy.gguf.orig_shape.{name}", list(map(int, values.shape)))
            values = values.reshape(-1, block)
        if values.ndim == 2 and values.shape[1] % block == 0:
            packed = gguf.quants.quantize(values, number)
            writer.add_tensor(name, packed, raw_dtype=number)
        else:
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_float8(
    path: Path,
    tensors: Mapping[str, torch.Tensor],
    *,
    scaled: bool = False,
    dtype: torch.dtype = torch.float8_e4m3fn,
) -> Path:
    """Write matrices in fp8, by ComfyUI's names of tensors, with a scale for each if `scaled`."""
    written: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        if not name.endswith(".weight") or tensor.ndim != 2:
            written[PREFIX + name] = tensor.bfloat16()
            continue
        scale = tensor.float().abs().amax() / 448 if scaled else torch.ones(())
        written[PREFIX + name] = (tensor.float() / scale).to(dtype)
        if scaled:
            written[PREFIX + name.replace(".weight", ".scale_weight")] = scale
            written[PREFIX + name.replace(".weight", ".scale_input")] = torch.ones(())
    if scaled:
        written["scaled_fp8"] = torch.empty(2, dtype=dtype)
    save_file({name: tensor.contiguous() for name, tensor in written.items()}, path)
    return path


def with_z_image_names(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of a Z-Image transformer by the names of its authors, who have one matrix for
    query, key and value."""
    renamed = {
        "all_final_layer.2-1.": "final_layer.",
        "all_x_embedder.2-1.": "x_embedder.",
        ".attention.to_out.0.": ".attention.out.",
        ".attention.norm_k.": ".attention.k_norm.",
        ".attention.norm_q.": ".attention.q_norm.",
    }
    found: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        if re.search(r"\.attention\.to_[kv]\.", name):
            continue
        if ".attention.to_q." in name:
            parts = [tensors[name.replace("to_q", f"to_{part}")] for part in "qkv"]
            found[name.replace("to_q", "qkv")] = torch.cat(parts)
            continue
        own_name = name
        for diffusers, own in renamed.items():
            own_name = own_name.replace(diffusers, own)
        found[own_name] = tensor
    return found
