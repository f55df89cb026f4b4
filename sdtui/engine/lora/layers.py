"""Find the layer of a loaded pipeline that a LoRA's file means by a name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from diffusers.models.normalization import AdaLayerNormContinuous

from sdtui.engine.lora.delta import Decomposed, Delta, Rows
from sdtui.engine.lora.formats import LoraFile
from sdtui.engine.lora.other_names import names_in_transformers, names_in_unets

DENOISERS = ("unet", "transformer")
TEXT_ENCODERS = ("text_encoder", "text_encoder_2", "text_encoder_3")

_PREFIXES = {
    # What tools write before a layer's path, with `_` for `.`; the first that fits.
    **dict.fromkeys(
        DENOISERS,
        (
            *("lora_unet_", "unet_", "lora_transformer_", "transformer_", "diffusion_model_"),
            *("model_diffusion_model_", "base_model_model_", "lycoris_", "lora_", ""),
        ),
    ),
    "text_encoder": (
        *("lora_te_", "lora_te1_", "text_encoder_", "lora_text_encoder_", "te1_", "te_"),
        *("text_encoders_clip_l_transformer_", "clip_l_", "base_model_model_", "lycoris_", ""),
    ),
    "text_encoder_2": (
        *("lora_te2_", "lora_te3_", "text_encoder_2_", "lora_text_encoder_2_", "te2_"),
        *("text_encoders_clip_g_transformer_", "clip_g_", "text_encoders_t5xxl_transformer_"),
    ),
    "text_encoder_3": (
        *("lora_te3_", "text_encoder_3_", "lora_text_encoder_3_", "te3_"),
        "text_encoders_t5xxl_transformer_",
    ),
}
_OF_ONE_ENCODER, _OF_SEVERAL_ENCODERS = ("lora_te_",), ("lora_te1_", "te1_")
"""Prefixes of the text encoder in models that have one, and of the first in models that have
several."""
_FUSED = {
    # diffusers' one matrix for several projections: their names, in its order.
    "to_qkv": ("to_q", "to_k", "to_v"),
    "to_kv": ("to_k", "to_v"),
    "to_added_qkv": ("add_q_proj", "add_k_proj", "add_v_proj"),
}


@dataclass(frozen=True)
class Place:
    """A layer of a pipeline, or some rows of its weight."""

    component: str
    path: str
    """The module within the component."""
    rows: int
    columns: int
    """Of the weight as a matrix."""
    start: int = 0
    """The first row."""


@dataclass(frozen=True)
class PlacedDelta:
    """A change of one layer."""

    place: Place
    attribute: str
    """ "weight" or "bias"."""
    delta: Delta


@dataclass(frozen=True)
class PlacedLora:
    """A LoRA's changes of a pipeline."""

    deltas: tuple[PlacedDelta, ...]
    unmatched: tuple[str, ...]
    """The file's names of layers that the pipeline doesn't have, or has in another shape."""
    layers: int
    """The number of layers in the file."""


class Layers:
    """The layers of a loaded pipeline by the names that tools have for them."""

    def __init__(self, pipeline: Any) -> None:
        self._places: dict[str, dict[str, tuple[Place, ...]]] = {}
        for component in (*DENOISERS, *TEXT_ENCODERS):
            module = getattr(pipeline, component, None)
            if isinstance(module, torch.nn.Module):
                self._places[component] = _named_places(component, module)

    def place(self, file: LoraFile) -> PlacedLora:
        """Find the layers of a file."""
        placed: list[PlacedDelta] = []
        unmatched = list(file.unknown)
        for attribute, deltas in (("weight", file.weights), ("bias", file.biases)):
            for name, delta in deltas.items():
                found = [
                    each
                    for places in self._found(name)
                    if (each := _split(places, attribute, delta))
                ]
                placed += found[0] if found else ()
                if not found:
                    unmatched.append(name)
        layers = {*file.weights, *file.biases, *file.unknown}
        return PlacedLora(tuple(placed), tuple(dict.fromkeys(unmatched)), len(layers))

    def _found(self, name: str) -> Iterator[tuple[Place, ...]]:
        """Yield what a name may mean, the likeliest first."""
        plain = name.replace(".", "_")
        is_single = "text_encoder_2" not in self._places
        of_others = _OF_SEVERAL_ENCODERS if is_single else _OF_ONE_ENCODER
        for component, places in self._places.items():
            for prefix in _PREFIXES[component]:
                if plain.startswith(prefix) and prefix not in of_others:
                    rest = plain.removeprefix(prefix).removeprefix("text_model_")
                    yield from (places[each] for each in (rest, f"{rest}_0") if each in places)


def _named_places(component: str, root: torch.nn.Module) -> dict[str, tuple[Place, ...]]:
    """Return the layers of a component by their names, with `_` for `.`."""
    places = {
        path: Place(component, path, *shape)
        for path, module in root.named_modules()
        if (shape := weight_shape(module)) is not None
    }
    named: dict[str, tuple[Place, ...]] = {
        path: (place,) for path, place in _unfused(places).items()
    }
    others: Mapping[str, Iterable[str]]
    if component == "unet":
        others = names_in_unets(places)
    else:
        others = names_in_transformers(named) if component == "transformer" else {}
    for name, paths in others.items():
        found = (each for path in paths for each in named[path])
        named.setdefault(name, tuple(half for each in found for half in _in_order(each, root)))
    return {
        name.removeprefix("text_model.").replace(".", "_"): each for name, each in named.items()
    }


def _in_order(place: Place, root: torch.nn.Module) -> tuple[Place, ...]:
    """Return the rows of a layer in the order of other programs: theirs of the last modulation are
    shift and scale, diffusers' are scale and shift."""
    if not isinstance(root.get_submodule(place.path.rpartition(".")[0]), AdaLayerNormContinuous):
        return (place,)
    half = place.rows // 2
    return replace(place, rows=half, start=half), replace(place, rows=half)


def _unfused(places: Mapping[str, Place]) -> dict[str, Place]:
    """Return the places with projections that diffusers has fused in the fused matrix."""
    changed = dict(places)
    for path, place in places.items():
        parent, _, name = path.rpartition(".")
        parts = [f"{parent}.{part}" for part in _FUSED.get(name, ())]
        start = 0
        for part in parts if all(part in places for part in parts) else ():
            changed[part] = Place(place.component, path, places[part].rows, place.columns, start)
            start += places[part].rows
    return changed


def weight_shape(module: torch.nn.Module) -> tuple[int, int] | None:
    """Return the rows and columns of a layer's weight as a matrix; None if it has none. Quantized
    weights are stored in other shapes than they stand for."""
    if isinstance(module, torch.nn.Linear):
        return module.out_features, module.in_features
    weight = getattr(module, "weight", None)
    if not isinstance(weight, torch.Tensor) or not weight.ndim:
        return None
    return weight.shape[0], weight.numel() // max(1, weight.shape[0])


def _split(places: tuple[Place, ...], attribute: str, delta: Delta) -> list[PlacedDelta]:
    """Return the delta's changes of the places, each of which has the next rows of it; [] if it has
    another shape."""
    rows, columns = delta.shape
    fits = all(columns == (1 if attribute == "bias" else place.columns) for place in places)
    if not fits or rows != sum(place.rows for place in places):
        return []
    if len(places) == 1:
        return [PlacedDelta(places[0], attribute, delta)]
    if isinstance(delta, Decomposed) and not delta.is_by_row:
        return []
    placed, start = [], 0
    for place in places:
        placed.append(PlacedDelta(place, attribute, Rows(delta, start, place.rows)))
        start += place.rows
    return placed
