"""Text encoders and VAEs as single files: how the names of their tensors tell what they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sdtui.models.headers import Header, TensorInfo

_Tensor = TypeVar("_Tensor")

TEXT_ENCODER = "text encoder"
VAE = "VAE"


@dataclass(frozen=True)
class PartKind:
    """A kind of text encoder or VAE."""

    name: str
    """What people call it."""
    part: str
    """What part of a model it is."""
    types: tuple[str, ...]
    """What configs of this kind have as `model_type` (transformers) or `_class_name`
    (diffusers)."""
    markers: tuple[str, ...]
    """Names of tensors; all are needed."""
    without: tuple[str, ...] = ()
    """Names of tensors that others have."""
    blocks: Mapping[str, str] = field(default_factory=dict)
    """Number in the config → what the names of the blocks that it counts begin with."""
    sizes: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """Number in the config → a tensor and the dimension that has this size."""

    def values(self, tensors: Mapping[str, TensorInfo]) -> dict[str, int]:
        """Return what the config has to say about a file with these tensors."""
        found: dict[str, int] = {}
        for key, start in self.blocks.items():
            pattern = re.compile(rf"{re.escape(start)}(\d+)\.")
            found[key] = len({each[1] for name in tensors if (each := pattern.match(name))})
        for key, (name, dimension) in self.sizes.items():
            if name in tensors and len(tensors[name].shape) > dimension:
                found[key] = tensors[name].shape[dimension]
        return found

    def fits(self, config: Mapping[str, Any], values: Mapping[str, int]) -> bool:
        """True if a file with these values has the weights of the part with a config."""
        if (config.get("model_type") or config.get("_class_name")) not in self.types:
            return False
        text = config.get("text_config")
        inner: Mapping[str, Any] = text if isinstance(text, dict) else {}
        return all(value in (config.get(key), inner.get(key)) for key, value in values.items())


_Q_PROJ = "model.layers.0.self_attn.q_proj.weight"
_Q_BIAS = "model.layers.0.self_attn.q_proj.bias"
_Q_NORM = "model.layers.0.self_attn.q_norm.weight"
_BEFORE_FEED_FORWARD = "model.layers.0.pre_feedforward_layernorm.weight"
_T5_Q = "encoder.block.0.layer.0.SelfAttention.q.weight"
_T5_SECOND_BIAS = "encoder.block.1.layer.0.SelfAttention.relative_attention_bias.weight"


def _language_model(
    name: str, types: tuple[str, ...], *markers: str, without: tuple[str, ...] = ()
) -> PartKind:
    return PartKind(
        name,
        TEXT_ENCODER,
        types,
        (_Q_PROJ, *markers),
        without,
        {"num_hidden_layers": "model.layers."},
        {"hidden_size": ("model.embed_tokens.weight", 1)},
    )


def _t5(name: str, *markers: str, without: tuple[str, ...] = ()) -> PartKind:
    return PartKind(
        name,
        TEXT_ENCODER,
        (name.lower(),),
        (_T5_Q, *markers),
        without,
        {"num_layers": "encoder.block."},
        {"d_model": ("shared.weight", 1), "vocab_size": ("shared.weight", 0)},
    )


_CONV_IN = "decoder.conv_in.weight"
_NORMALIZED = "bn.running_mean"

KINDS = (
    _t5("UMT5", _T5_SECOND_BIAS),
    _t5("T5", without=(_T5_SECOND_BIAS,)),
    PartKind(
        "CLIP",
        TEXT_ENCODER,
        ("clip_text_model",),
        ("text_model.encoder.layers.0.self_attn.q_proj.weight",),
        (),
        {"num_hidden_layers": "text_model.encoder.layers."},
        {"hidden_size": ("text_model.embeddings.token_embedding.weight", 1)},
    ),
    _language_model("Gemma 3", ("gemma3", "gemma3_text"), _Q_NORM, _BEFORE_FEED_FORWARD),
    _language_model("Gemma 2", ("gemma2",), _BEFORE_FEED_FORWARD, without=(_Q_NORM,)),
    _language_model(
        "Qwen 3",
        ("qwen3", "qwen3_vl", "qwen3_vl_text"),
        _Q_NORM,
        without=(_BEFORE_FEED_FORWARD,),
    ),
    _language_model("Qwen 2.5", ("qwen2_5_vl", "qwen2_5_vl_text", "qwen2_vl", "qwen2"), _Q_BIAS),
    _language_model(
        "Llama or Mistral",
        ("llama", "mistral", "mistral3"),
        without=(_Q_BIAS, _Q_NORM, _BEFORE_FEED_FORWARD),
    ),
    PartKind(
        "Qwen-Image's VAE",
        VAE,
        ("AutoencoderKLQwenImage", "AutoencoderKLWan"),
        ("decoder.middle.0.residual.0.gamma",),
        sizes={"z_dim": ("conv2.weight", 0)},
    ),
    PartKind(
        "Qwen-Image's VAE",
        VAE,
        ("AutoencoderKLQwenImage", "AutoencoderKLWan"),
        ("decoder.mid_block.resnets.0.norm1.gamma",),
        sizes={"z_dim": ("post_quant_conv.weight", 0)},
    ),
    PartKind(
        "FLUX.2's VAE",
        VAE,
        ("AutoencoderKLFlux2",),
        (_CONV_IN, _NORMALIZED),
        sizes={"latent_channels": (_CONV_IN, 1)},
    ),
    PartKind(
        "KL VAE",
        VAE,
        ("AutoencoderKL",),
        (_CONV_IN,),
        (_NORMALIZED,),
        sizes={"latent_channels": (_CONV_IN, 1)},
    ),
)

_PREFIXES = ("first_stage_model.", "vae.")
"""Of VAEs in checkpoints."""
_OF_CLIP = ("encoder.layers.", "embeddings.", "final_layer_norm.")
"""How names of CLIP begin where it is saved without its prefix."""
_QUANT_CONVS = ("encoder.quant_conv.", "decoder.post_quant_conv.")
"""What FLUX.2's VAE has in other places in diffusers."""
VISION = ("visual", "vision_tower", "multi_modal_projector", "vision_model")
"""Names of the submodules of language models that see pictures."""
_VISION = re.compile(rf"(^|\.)({'|'.join(VISION)})\.")
_LANGUAGE_MODEL = (
    # How the language model's tensors begin in files with the part that sees pictures.
    ("model.language_model.", "model."),
    ("language_model.model.", "model."),
    ("language_model.lm_head.", "lm_head."),
    ("language_model.", "model."),
)

# Names of llama.cpp (gguf-py/gguf/tensor_mapping.py) and those of transformers.
_OF_LAYER = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_OF_GEMMA_LAYER = {
    "ffn_norm": "pre_feedforward_layernorm",
    "post_attention_norm": "post_attention_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
_OF_T5_BLOCK = {
    "attn_q": "layer.0.SelfAttention.q",
    "attn_k": "layer.0.SelfAttention.k",
    "attn_v": "layer.0.SelfAttention.v",
    "attn_o": "layer.0.SelfAttention.o",
    "attn_rel_b": "layer.0.SelfAttention.relative_attention_bias",
    "attn_norm": "layer.0.layer_norm",
    "ffn_norm": "layer.1.layer_norm",
    "ffn_gate": "layer.1.DenseReluDense.wi_0",
    "ffn_up": "layer.1.DenseReluDense.wi_1",
    "ffn_down": "layer.1.DenseReluDense.wo",
}
_OF_LANGUAGE_MODEL = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
_OF_T5 = {"token_embd": "shared", "enc.output_norm": "encoder.final_layer_norm"}
GGUF_BLOCK = re.compile(r"(enc\.)?blk\.(\d+)\.(\w+)\.(weight|bias)")
_ARCHITECTURES = (
    *("t5", "t5encoder", "llama", "mistral3", "qwen2", "qwen2vl", "qwen3", "qwen3vl"),
    *("gemma2", "gemma3"),
)
"""Of GGUF files whose text encoders can be used, as their metadata names them."""


def is_language_model(header: Header) -> bool:
    """True for a GGUF file of a text encoder or another language model."""
    return any(map(GGUF_BLOCK.match, header.tensors))


def architecture_of(header: Header) -> str:
    """Return the architecture that a GGUF file names, if it is one whose text encoders can be used;
    else ""."""
    name = header.metadata.get("general.architecture", "")
    return name if name in _ARCHITECTURES else ""


def usual_part_name(name: str, architecture: str = "") -> str:
    """Return the name of a text encoder's or VAE's tensor in the library that it belongs to,
    for its name in a file; `architecture` is that of a GGUF file."""
    if architecture:
        return _from_llama_cpp(name, architecture)
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    if name.startswith(_QUANT_CONVS):
        return name.partition(".")[2]
    for start, usual in _LANGUAGE_MODEL:
        if name.startswith(start):
            return usual + name.removeprefix(start)
    if name.startswith(_OF_CLIP):
        return f"text_model.{name}"
    # Anything but a T5 has it nowhere, and T5 has it twice.
    return name.replace("encoder.embed_tokens.", "shared.", 1)


def _from_llama_cpp(name: str, architecture: str) -> str:
    is_t5 = architecture.startswith("t5")
    block = GGUF_BLOCK.fullmatch(name)
    if block is None:
        layer, _, attribute = name.rpartition(".")
        return f"{(_OF_T5 if is_t5 else _OF_LANGUAGE_MODEL).get(layer, layer)}.{attribute}"
    own = _OF_T5_BLOCK if is_t5 else _OF_LAYER
    if architecture.startswith("gemma"):
        own = {**own, **_OF_GEMMA_LAYER}
    place = "encoder.block." if is_t5 else "model.layers."
    return f"{place}{block[2]}.{own.get(block[3], block[3])}.{block[4]}"


def is_of_vision(name: str) -> bool:
    """True for a tensor of the part of a language model that sees pictures."""
    return _VISION.search(name) is not None


def part_kind_of(tensors: Mapping[str, TensorInfo]) -> PartKind | None:
    """Return the kind of a text encoder or VAE whose tensors have these usual names; None if it
    isn't known."""
    return next(
        (
            kind
            for kind in KINDS
            if all(each in tensors for each in kind.markers)
            and not any(each in tensors for each in kind.without)
        ),
        None,
    )
