"""Read a LoRA's file: the names of its tensors, of whichever tool, become deltas by layer.

Tools name a tensor by the layer, in their own way, and by its part in the adapter; `layers.py`
finds the layer.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from sdtui.core.errors import ModelDamagedError
from sdtui.engine.lora.delta import Decomposed, Delta, Full, Hadamard, Kronecker, LowRank
from sdtui.models.headers import read_header

_TENSOR = re.compile(
    r"(?P<layer>.+?)(?:"
    # kohya, LyCORIS, A1111, OneTrainer; diffusers at three ages.
    r"(?:\.lora|_lora|\.lora_linear_layer)[._](?P<low>down|up|mid)(?:\.weight)?"
    # PEFT, diffusers today, ai-toolkit.
    r"|\.lora_(?P<peft>[AB])(?:\.default\w*)?(?:\.(?P<attribute>weight|bias))?"
    r"|\.(?P<magnitude>dora_scale|lora_magnitude_vector)(?:\.default\w*)?(?:\.weight)?"
    r"|\.(?P<part>alpha|diff|diff_b|w_norm|b_norm|hada_\w+|lokr_\w+)"
    r")"
)
_PEFT_PARTS = {"A": "down", "B": "up"}
_BUNDLED = "bundle_emb."
"""The prefix of embeddings in OneTrainer's and A1111's files."""


@dataclass(frozen=True)
class LoraFile:
    """The content of a LoRA's file."""

    weights: Mapping[str, Delta]
    """By the file's name of the layer."""
    biases: Mapping[str, Delta]
    embeddings: Mapping[str, Mapping[str, torch.Tensor]] = field(default_factory=dict)
    """Embeddings that come with it, by name: tensors by the key of their encoder."""
    unknown: tuple[str, ...] = ()
    """Layers whose tensors don't go together, and tensors that aren't known."""


def read_lora(path: Path) -> LoraFile:
    """Read a file that `describe_lora` has accepted. Raises ModelDamagedError."""
    metadata = read_header(path).metadata
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, KeyError) as error:
        raise ModelDamagedError(f"{path} can't be read: {error}", "Download it again") from error
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor.float()).all():
            raise ModelDamagedError(
                f"{path} is damaged: {name} has values that are no numbers", "Download it again"
            )
    return parse_lora_tensors(tensors, {**_adapter_config(path), **metadata})


def parse_lora_tensors(
    tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]
) -> LoraFile:
    """Return the content of a file from its tensors and the metadata of its header."""
    layers: dict[str, dict[str, torch.Tensor]] = {}
    embeddings: dict[str, dict[str, torch.Tensor]] = {}
    unknown = []
    for name, tensor in tensors.items():
        match = _TENSOR.fullmatch(name)
        if name.startswith(_BUNDLED):
            bundled, _, part = name.removeprefix(_BUNDLED).partition(".")
            embeddings.setdefault(bundled, {})[part.removeprefix("string_to_param.")] = tensor
        elif match is None:
            unknown.append(name)
        else:
            layer = match["layer"].replace(".processor.", ".")
            layers.setdefault(layer, {})[_part(match)] = tensor
    scales = _Scales(metadata)
    weights, biases = {}, {}
    for layer, parts in layers.items():
        weight = _weight(parts, scales, layer)
        bias = _bias(parts, scales, layer)
        if weight is not None:
            weights[layer] = weight
        if bias is not None:
            biases[layer] = bias
        if weight is None and (bias is None or parts.keys() - {"diff_b", "b_norm", "alpha"}):
            unknown.append(layer)
    return LoraFile(weights, biases, embeddings, tuple(unknown))


def _part(match: re.Match[str]) -> str:
    if match["low"]:
        return match["low"]
    if match["peft"]:
        part = _PEFT_PARTS[match["peft"]]
        return "up_bias" if match["attribute"] == "bias" else part
    if match["magnitude"]:
        return "magnitude" if match["magnitude"] == "dora_scale" else "magnitude_vector"
    return match["part"]


class _Scales:
    """The scale of each layer: its alpha divided by its rank, 1 without an alpha."""

    def __init__(self, metadata: Mapping[str, str]) -> None:
        self._config = _parsed(metadata.get("lora_adapter_metadata", ""))

    def scale(self, layer: str, parts: Mapping[str, torch.Tensor], rank: int) -> float:
        if "alpha" in parts:
            alpha = float(parts["alpha"].float().mean())
            return alpha / rank if math.isfinite(alpha) and rank else 1.0
        return self._of_config(layer, rank)

    def _of_config(self, layer: str, rank: int) -> float:
        """Return what PEFT's config says, which diffusers writes into the header with the name of
        each component before its keys: `unet.lora_alpha`."""
        component = layer.partition(".")[0]
        prefix = f"{component}." if f"{component}.lora_alpha" in self._config else ""
        alpha = self._config.get(f"{prefix}lora_alpha")
        pattern = self._config.get(f"{prefix}alpha_pattern")
        for name, value in pattern.items() if isinstance(pattern, dict) else ():
            if layer == name or layer.endswith(f".{name}"):
                alpha = value
        if not isinstance(alpha, int | float) or isinstance(alpha, bool):
            return 1.0
        is_stabilized = self._config.get(f"{prefix}use_rslora") is True
        return alpha / (math.sqrt(rank) if is_stabilized else rank)


def _adapter_config(path: Path) -> dict[str, str]:
    """Return PEFT's config as diffusers writes it into a header, if it lies beside the file."""
    config = path.with_name("adapter_config.json")
    if path.stem != "adapter_model" or not config.is_file():
        return {}
    try:
        return {"lora_adapter_metadata": config.read_text("utf-8")}
    except (OSError, ValueError):
        return {}


def _parsed(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _weight(parts: Mapping[str, torch.Tensor], scales: _Scales, layer: str) -> Delta | None:
    """Return the delta of a layer's weight, None if its parts don't make one."""
    try:
        delta = next(_deltas(parts, scales, layer), None)
        if delta is None:
            return None
        if "magnitude" in parts:
            delta = Decomposed(delta, parts["magnitude"])
        elif "magnitude_vector" in parts:
            delta = Decomposed(delta, parts["magnitude_vector"].reshape(-1, 1))
        delta.change(torch.empty(delta.shape, device="meta"))  # checks all shapes, computes nothing
    except (RuntimeError, IndexError, ZeroDivisionError):
        return None
    return delta


def _deltas(parts: Mapping[str, torch.Tensor], scales: _Scales, layer: str) -> Iterator[Delta]:
    """Yield the delta that a layer's parts make. Raises IndexError for tensors that lack
    dimensions."""
    if {"up", "down"} <= parts.keys():
        up, down = parts["up"], parts["down"]
        yield LowRank(up, down, parts.get("mid"), scales.scale(layer, parts, down.shape[0]))
    if {"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"} <= parts.keys():
        names = ("w1_a", "w1_b", "w2_a", "w2_b")
        w1_a, w1_b, w2_a, w2_b = (parts[f"hada_{name}"] for name in names)
        scale = scales.scale(layer, parts, w1_b.shape[0])
        yield Hadamard(w1_a, w1_b, w2_a, w2_b, parts.get("hada_t1"), parts.get("hada_t2"), scale)
    w1, w2 = _pair(parts, "lokr_w1"), _pair(parts, "lokr_w2")
    if w1 and w2:
        is_product = len(w1) > 1 or len(w2) > 1
        rank = (w2 if len(w2) > 1 else w1)[-1].shape[0]
        scale = scales.scale(layer, parts, rank) if is_product else 1.0
        yield Kronecker(w1, w2, parts.get("lokr_t2"), scale)
    for name in ("diff", "w_norm"):
        if name in parts:
            yield Full(parts[name])


def _pair(parts: Mapping[str, torch.Tensor], name: str) -> tuple[torch.Tensor, ...]:
    """Return a factor, or the two matrices that it is the product of; () if there is neither."""
    if name in parts:
        return (parts[name],)
    names = (f"{name}_a", f"{name}_b")
    return tuple(parts[each] for each in names) if parts.keys() >= set(names) else ()


def _bias(parts: Mapping[str, torch.Tensor], scales: _Scales, layer: str) -> Delta | None:
    for name in ("diff_b", "b_norm"):
        if name in parts and parts[name].ndim:
            return Full(parts[name])
    if "up_bias" in parts and "down" in parts and parts["up_bias"].ndim:
        return Full(parts["up_bias"], scales.scale(layer, parts, parts["down"].shape[0]))
    return None
