"""The LoRAs on the way from a checkpoint to a sampler."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import PureWindowsPath
from typing import Any

from sdtui.core.prompt_tags import LoraUse, is_writable
from sdtui.history.importers.comfyui_graph import Graph
from sdtui.history.importers.comfyui_texts import text_of

_FILE = ".safetensors"
_UNET, _CLIP = ("strength_model",), ("strength_clip",)


def loras_of(graph: Graph, nodes: Iterable[str]) -> tuple[str, ...]:
    """Return the LoRAs of nodes on a sampler's way to its model, in the form of the field.

    Read are LoraLoader and LoraLoaderModelOnly, and the Power Lora Loader of rgthree, in which each
    LoRA is an object that may be switched off.
    """
    found: list[LoraUse] = []
    clips = {
        link.key for each in graph.nodes for link in graph.links(each).values() if link.slot == 1
    }
    for key in nodes:
        uses = list(_uses(graph, key))
        if key not in clips:  # nothing reads the text encoder that it changes
            uses = [replace(use, te=0.0) for use in uses]
        weighted = [use for use in uses if use.te or use.unet]
        if uses and all(is_writable(use) for use in weighted):
            graph.used.add(key)
            found += weighted
    return tuple(str(use) for use in reversed(found))


def _uses(graph: Graph, key: str) -> Iterator[LoraUse]:
    inputs = graph.nodes[key].inputs
    if "lora_name" in inputs and "strength_model" in inputs:
        name = text_of(graph, key, ("lora_name",), report=False)
        unet = graph.number(key, _UNET, label="LoRA", report=False)
        te = graph.number(key, _CLIP, label="LoRA", report=False) if _CLIP[0] in inputs else 0.0
        if name and unet is not None and te is not None:
            yield _use(name, te, unet)
        return
    for value in reversed([*inputs.values()]):
        if isinstance(value, Mapping) and isinstance(value.get("lora"), str):
            yield from _use_of_object(value)


def _use_of_object(value: Mapping[str, Any]) -> Iterator[LoraUse]:
    """Return the LoRA of an object of rgthree's node, with the weight 0 if it is switched off."""
    unet = value.get("strength", 1.0) if value.get("on", True) else 0.0
    two = value.get("strengthTwo")
    te = unet if two is None or not unet else two
    if isinstance(unet, int | float) and isinstance(te, int | float):
        yield _use(value["lora"], float(te), float(unet))


def _use(file: str, te: float, unet: float) -> LoraUse:
    return LoraUse(PureWindowsPath(file).name.removesuffix(_FILE), te, unet)
