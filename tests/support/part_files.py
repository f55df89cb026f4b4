"""Small text encoders, and files of them as people have them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import (
    Gemma2Config,
    Gemma2Model,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    T5Config,
    T5EncoderModel,
)

_SIZES: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 100,
    "head_dim": 16,
}


def make_encoder(kind: str) -> Any:
    """A text encoder of a kind, by the name of its architecture in GGUF files."""
    torch.manual_seed(0)
    t5: dict[str, Any] = {"d_model": 64, "d_kv": 16, "num_heads": 4, "d_ff": 96, "num_layers": 2}
    makers: dict[str, Callable[[], Any]] = {
        "t5encoder": lambda: T5EncoderModel(
            T5Config(vocab_size=100, feed_forward_proj="gated-gelu", **t5)
        ),
        "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**_SIZES, tie_word_embeddings=True)),
        "gemma2": lambda: Gemma2Model(Gemma2Config(**_SIZES)),
        "llama": lambda: LlamaForCausalLM(LlamaConfig(**_SIZES)),
    }
    return makers[kind]().eval()


def encoded(model: Any) -> torch.Tensor:
    """What a text encoder makes of some tokens."""
    with torch.no_grad():
        states = model(input_ids=torch.arange(12)[None], output_hidden_states=True).hidden_states
    last: torch.Tensor = states[-1]
    return last


def encoder_tensors(model: Any) -> dict[str, torch.Tensor]:
    """The weights of a text encoder as its authors name them; none twice."""
    start = "model." if type(model) is Gemma2Model else ""
    twice = set(model.all_tied_weights_keys)
    return {
        f"{start}{name}": tensor.clone()
        for name, tensor in model.state_dict().items()
        if name not in twice
    }


def write_llama_cpp(path: Path, model: Any, kind: str, packed: str = "Q8_0") -> Path:
    """Write a text encoder as llama.cpp's convert_hf_to_gguf.py does, with its matrices in a
    format."""
    import gguf
    from gguf.tensor_mapping import get_tensor_name_map

    architecture = next(each for each, name in gguf.MODEL_ARCH_NAMES.items() if name == kind)
    names, number = get_tensor_name_map(architecture, 2), gguf.GGMLQuantizationType[packed]
    writer = gguf.GGUFWriter(path, kind)
    for name, tensor in encoder_tensors(model).items():
        layer, _, attribute = name.rpartition(".")
        values = _as_in_llama_cpp(kind, name, tensor, model.config).contiguous().numpy()
        packs = values.ndim == 2 and values.shape[1] % 32 == 0
        writer.add_tensor(
            f"{names.get_name(layer)}.{attribute}",
            gguf.quants.quantize(values, number) if packs else values,
            raw_dtype=number if packs else None,
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _as_in_llama_cpp(kind: str, name: str, tensor: torch.Tensor, config: Any) -> torch.Tensor:
    if kind == "gemma2" and name.endswith("norm.weight"):
        return tensor + 1
    if kind == "llama" and name.endswith(("q_proj.weight", "k_proj.weight")):
        is_key = "k_proj" in name
        heads = config.num_key_value_heads if is_key else config.num_attention_heads
        halves = tensor.reshape(heads, 2, len(tensor) // heads // 2, *tensor.shape[1:])
        return halves.swapaxes(1, 2).reshape(tensor.shape)
    return tensor
