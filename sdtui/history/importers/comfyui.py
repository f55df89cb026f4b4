"""Read ComfyUI's graph of nodes with sd-parsers.

The links that sd-parsers follows are made here from the graph: pictures made over ComfyUI's API
come without the workflow that usually has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sd_parsers.parsers import ComfyUIParser

from sdtui.core.errors import ImageError
from sdtui.history.importers.formats import damaged, parse_json_object, parse_with
from sdtui.history.importers.request_mapping import ToolSettings, values_by_alias

MAX_NODES = 2_000
"""Most nodes of a graph."""

_IGNORED_NODES = {"SaveImage", "PreviewImage", "VAEDecode", "CLIPTextEncode", "KSampler"}
_IGNORED_NODES |= {
    "CLIPSetLastLayer",
    "CheckpointLoaderSimple",
    "CheckpointLoader",
    "Note",
    "MarkdownNote",
}


def comfyui(path: Path, text: str) -> ToolSettings:
    """The settings of the first sampler in a graph. Raises ImageError if there is none."""
    graph = parse_json_object(path, text)
    nodes = {key: node for key, node in graph.items() if _is_node(node)}
    if len(nodes) > MAX_NODES:
        raise ImageError(f"{path}: its graph has more than {MAX_NODES:,} nodes")
    if not nodes:
        raise damaged(path, "ComfyUI")
    info = parse_with(
        ComfyUIParser(), path, {"prompt": nodes, "workflow": {"links": _links(nodes)}}
    )
    sampler = info.samplers[0]
    settings = sampler.parameters
    sizes = [
        inputs
        for kind, all_inputs in info.metadata.items()
        if "Latent" in kind
        for inputs in all_inputs
    ]
    size: dict[str, Any] = next(
        (each for each in sizes if "width" in each and "height" in each), {}
    )
    denoise = settings.get("denoise")
    kinds = dict.fromkeys(node["class_type"] for node in nodes.values())
    unsupported = [
        f"node {kind}: sdtui has no such setting"
        for kind in kinds
        if kind not in _IGNORED_NODES and not kind.startswith("Empty")
    ]
    if len(info.samplers) > 1:
        unsupported.append(f"{len(info.samplers) - 1} more samplers: only the first is used")
    values = {
        "prompt": ", ".join(prompt.value for prompt in sampler.prompts),
        "negative_prompt": ", ".join(prompt.value for prompt in sampler.negative_prompts),
        "model": _model(nodes, sampler.sampler_id),
        "sampler": sampler.name,
        **values_by_alias({**size, **settings}),
        "clip_skip": _clip_skip(info.metadata.get("CLIPSetLastLayer", ())),
        "strength": denoise if denoise not in (None, 1, 1.0) else None,
    }
    return ToolSettings("ComfyUI", values, settings.get("scheduler"), tuple(unsupported))


def _clip_skip(nodes: Iterable[Mapping[str, Any]]) -> int | None:
    """Clip skip as A1111 counts it; ComfyUI counts from -1, the last layer."""
    layers = [each.get("stop_at_clip_layer") for each in nodes]
    return next((-layer for layer in layers if isinstance(layer, int)), None)


def _model(nodes: dict[str, dict[str, Any]], sampler: str | None) -> str | None:
    """The checkpoint of a sampler's model, found through any LoRA nodes in between."""
    key = sampler
    for _ in nodes:  # no more steps than nodes, in case of a cycle
        inputs = nodes.get(key or "", {}).get("inputs", {})
        name = inputs.get("ckpt_name", inputs.get("unet_name"))
        if isinstance(name, str):
            return name
        link = inputs.get("model")
        key = str(link[0]) if isinstance(link, list) and link else None
    return None


def _is_node(node: object) -> bool:
    return (
        isinstance(node, dict)
        and isinstance(node.get("inputs"), dict)
        and isinstance(node.get("class_type"), str)
    )


def _links(nodes: dict[str, dict[str, Any]]) -> list[tuple[int, str, int, str, int, str]]:
    """The links of a workflow: (number, from node, slot, to node, slot, type)."""
    return [
        (0, str(value[0]), 0, key, 0, "CLIP" if name == "clip" else "")
        for key, node in nodes.items()
        for name, value in node["inputs"].items()
        if isinstance(value, list) and len(value) == 2 and isinstance(value[0], (str, int))
    ]
