"""What the header of a LoRA's file says: its kind, rank and family."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

from sdtui.models.headers import Header, TensorInfo
from sdtui.models.other_files import recognised_tensors

_LORA = re.compile(
    r"[._]lora[._]|_lora\.|lora_linear_layer|\.lora_magnitude|\.hada_w|\.lokr_w|\.dora_scale"
    r"|\.diff(_b)?$|\.[wb]_norm$"
)
_OTHER_ADAPTERS = (
    ("an OFT adapter", r"\.oft_|\.boft_"),
    ("an IA3 adapter", r"\.on_input$"),
    ("a GLoRA adapter", r"\.[ab][12]\.weight$"),
)
_KINDS = (
    ("DoRA", r"\.dora_scale$|\.lora_magnitude_vector"),
    ("LoHa", r"\.hada_w"),
    ("LoKr", r"\.lokr_w"),
    ("LoRA", r"lora[._](down|up|mid|A|B)\b|lora_linear_layer"),
    ("full", r"\.diff(_b)?$|\.[wb]_norm$"),
)
_RANKED = re.compile(r"(lora[._]down(\.weight)?|\.lora_A(\.default\w*)?(\.weight)?|\.hada_w1_b)$")
_INPUT = re.compile(
    r"(lora[._](down|linear_layer\.down)(\.weight)?|\.lora_A(\.default\w*)?(\.weight)?|\.hada_w1_b"
    r"|\.diff)$"
)
"""Tensors whose second dimension is the input of the layer."""
_CROSS_ATTENTION = re.compile(r"attn2[._](processor[._])?to_[kv]")
_FAMILY_OF_WIDTH = {768: "sd1", 1024: "sd2", 2048: "sdxl"}
"""Values of a text embedding, as in checkpoint_file.py."""
_BY_NAMES = (
    ("sdxl", r"(blocks|block)[._]\d+[._].*transformer_blocks[._][2-9][._]attn"),
    ("flux2", r"double_stream_modulation|to_qkv_mlp_proj"),
    ("flux", r"double_blocks[._]\d|single_blocks[._]\d|single_transformer_blocks[._]\d"),
    ("sd3", r"joint_blocks[._]\d"),
    ("qwen", r"transformer_blocks[._]\d+[._](img|txt)_(mlp|mod)[._]"),
    ("sdxl", r"(^|_)(lora_te2_|te2_|text_encoder_2[._])(?!encoder_block)"),
)
_BY_METADATA = (
    # ss_base_model_version of kohya's scripts, modelspec.architecture (ModelSpec).
    ("sd1", r"sd_v1|stable-diffusion-v1"),
    ("sd2", r"sd_v2|stable-diffusion-v2"),
    ("sdxl", r"sdxl|stable-diffusion-xl"),
    ("sd3", r"sd3|stable-diffusion-3"),
    ("flux2", r"flux-?2"),
    ("flux", r"flux"),
    ("lumina2", r"lumina"),
    ("zimage", r"z-?image"),
    ("qwen", r"qwen"),
    ("chroma", r"chroma"),
)
_BY_PIPELINE = (
    ("sd3", "StableDiffusion3"),
    ("flux2", "Flux2"),
    ("flux", "Flux"),
    ("chroma", "Chroma"),
    ("qwen", "QwenImage"),
    ("zimage", "ZImage"),
    ("lumina2", "Lumina2"),
)
_NAMES = {
    "sd1": "SD 1.x",
    "sd2": "SD 2.x",
    "sdxl": "SDXL",
    "sd3": "SD 3",
    "flux": "Flux",
    "flux2": "Flux 2",
    "chroma": "Chroma",
    "qwen": "Qwen-Image",
    "zimage": "Z-Image",
    "lumina2": "Lumina 2",
    "pocket": "the pocket model",
}
_ALIKE = frozenset({"flux", "flux2", "chroma"})
"""Families with the same names of layers: their shapes decide."""


def other_content(names: Collection[str]) -> str | None:
    """Return what a file holds that isn't a LoRA that can be applied; None if it is one."""
    for kind, pattern in _OTHER_ADAPTERS:
        if any(re.search(pattern, name) for name in names):
            return f"no LoRA, but {kind}"
    if any(_LORA.search(name) for name in names):
        return None
    other = recognised_tensors(names)
    return f"no LoRA, but {other}" if other else "no LoRA"


def lora_kind(names: Collection[str]) -> str:
    """Return the kind of adapter: LoRA, LoHa, LoKr, DoRA or full."""
    for kind, pattern in _KINDS:
        if any(re.search(pattern, name) for name in names):
            return kind
    return "LoRA"


def lora_rank(header: Header) -> int | None:
    """Return the rank that most layers have, None if they have none."""
    ranks = Counter(
        info.shape[0]
        for name, info in header.tensors.items()
        if _RANKED.search(name) and len(info.shape) > 1
    )
    return ranks.most_common(1)[0][0] if ranks else None


def lora_family(header: Header) -> str | None:
    """Return the family that a LoRA is made for: "sd1", "sdxl", "flux" …; None if neither shapes
    nor metadata show it. Shapes count more than what the metadata say."""
    width = next(_cross_attention_widths(header.tensors), None)
    if width is not None:
        return _FAMILY_OF_WIDTH.get(width)
    for family, pattern in _BY_NAMES:
        if any(re.search(pattern, name) for name in header.tensors):
            return family
    keys = ("ss_base_model_version", "modelspec.architecture")
    said = " ".join(header.metadata.get(key, "") for key in keys).lower()
    return _first(_BY_METADATA, said)


def _cross_attention_widths(tensors: Mapping[str, TensorInfo]) -> Iterator[int]:
    for name, info in tensors.items():
        if _CROSS_ATTENTION.search(name) and _INPUT.search(name) and len(info.shape) > 1:
            yield info.shape[1]


def _first(table: Iterable[tuple[str, str]], text: str) -> str | None:
    return next((family for family, pattern in table if re.search(pattern, text)), None)


def model_family(family: str) -> str | None:
    """Return the family of a model in the same words; None if LoRAs of it aren't recognised."""
    return family if family in _NAMES else _first(_BY_PIPELINE, family)


def family_name(family: str) -> str:
    """Return a family's name for people."""
    return _NAMES.get(family, family)


def families_fit(lora: str | None, model: str) -> bool | None:
    """Return whether a LoRA of one family fits a model of another (`ModelDescription.family`); None
    if only their layers can show it."""
    known = model_family(model)
    if lora is None or known is None or {lora, known} <= _ALIKE:
        return True if lora is not None and lora == known else None
    return lora == known
