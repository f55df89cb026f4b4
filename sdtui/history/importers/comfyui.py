"""Read the settings in ComfyUI's graph of nodes.

Nodes are recognised by the names of their inputs rather than by their class: there are thousands of
classes, but most custom nodes name their inputs like those of ComfyUI itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdtui.core.errors import ImageError
from sdtui.history.importers.comfyui_conditioning import Conditioning
from sdtui.history.importers.comfyui_graph import Graph, Link, link_of
from sdtui.history.importers.comfyui_passes import Pass, passes
from sdtui.history.importers.comfyui_workflow import graph_of
from sdtui.history.importers.json_settings import json_object
from sdtui.history.importers.request_mapping import ToolSettings

MAX_NODES = 2_000
"""Most nodes of a graph."""

_IGNORED = (
    *("SaveImage", "PreviewImage", "VAEDecode", "VAELoader", "CLIPLoader"),
    *("DualCLIPLoader", "TripleCLIPLoader", "Reroute", "Note", "MarkdownNote"),
    *("CLIPSetLastLayer",),
)
_WIDTH, _HEIGHT = ("width", "empty_latent_width"), ("height", "empty_latent_height")
_LATENTS = ("latent_image", "latent", "samples", "latents", "optional_latent", "pipe", "basic_pipe")
_MODELS = (
    *("ckpt_name", "unet_name", "base_ckpt_name", "model_name", "gguf_name"),
    *("model_path", "checkpoint", "ckpt", "unet", "base_model"),
)
_MODEL_LINKS = ("model", "model1", "model_a", "base_model", "pipe", "basic_pipe", "context")
_OTHER_MODELS = ("model2", "model_b", "model3")
_CLIP_LINKS = ("clip", "clip1", "pipe", "basic_pipe", "context")


def comfyui(fields: Mapping[str, Any]) -> ToolSettings | None:
    """The settings of the first pass in a graph, which may also be in "prompt" of the object, or
    in a workflow; None if there is none. Raises ImageError for a graph of more than MAX_NODES
    nodes."""
    inner = fields.get("prompt")
    inner = json_object(inner) if isinstance(inner, str) else inner
    for candidate in (fields, inner, graph_of(fields)):
        graph = Graph(candidate) if isinstance(candidate, Mapping) else None
        if graph is not None and len(graph.nodes) > MAX_NODES:
            raise ImageError(
                f"the graph has more than {MAX_NODES:,} nodes", "Choose another picture"
            )
        found = _settings(graph) if graph is not None and graph.nodes else None
        if found is not None:
            return found
    return None


def _settings(graph: Graph) -> ToolSettings | None:
    found = passes(graph)
    if not found:
        return None
    first = found[0]
    conditioning = Conditioning(graph)
    texts = {
        "prompt": conditioning.texts(first, "positive"),
        "negative_prompt": conditioning.texts(first, "negative"),
    }
    values: dict[str, object] = {
        **{name: ", ".join(each) for name, each in texts.items()},
        **first.values(),
        **_size(graph, first),
        "model": _model(graph, first),
        "clip_skip": _clip_skip(graph, conditioning.clip),
    }
    if all(value in (None, "") for value in values.values()):
        return None
    schedule = first.text("scheduler")
    unsupported = [*conditioning.left_out, *graph.not_followed, *_unused(graph)]
    if len(found) > 1:
        unsupported.append(f"{len(found) - 1} more samplers: only the first is used")
    return ToolSettings("ComfyUI", values, schedule, tuple(unsupported))


def _unused(graph: Graph) -> list[str]:
    kinds = dict.fromkeys(node.kind for key, node in graph.nodes.items() if key not in graph.used)
    return [
        f"node {kind}: sdtui has no such setting"
        for kind in kinds
        if kind not in _IGNORED and not kind.startswith("Empty")
    ]


def _size(graph: Graph, first: Pass) -> dict[str, object]:
    """The size of the empty latent that a pass starts from."""
    for key in graph.chain(first.key, _LATENTS):
        if key == first.key:
            continue
        width, height = (graph.number(key, names, report=False) for names in (_WIDTH, _HEIGHT))
        if width and height:
            graph.used.add(key)
            return {"width": width, "height": height}
    return {}


def _model(graph: Graph, first: Pass) -> str | None:
    """The checkpoint of a pass, through LoRA and other nodes in between. Of merged models it is
    the first; the others are reported."""
    start = first.link("model", *_MODEL_LINKS)
    keys = graph.chain(start.key, _MODEL_LINKS) if start else graph.chain(first.key, _MODEL_LINKS)
    for key in keys:
        inputs = graph.nodes[key].inputs
        merged = [name for name in _OTHER_MODELS if link_of(inputs.get(name)) is not None]
        if merged:
            graph.not_followed.append(f"Model: node {key} merges several, only the first is named")
        name = graph.text(key, _MODELS, report=False)
        if name and not {"lora_name", "lora"} & inputs.keys():
            graph.used.add(key)
            return name
    return None


def _clip_skip(graph: Graph, start: Link | None) -> int | None:
    """Clip skip as A1111 counts it; ComfyUI counts from -1, the last layer."""
    for key in graph.chain(start.key, _CLIP_LINKS) if start else ():
        names = ("stop_at_clip_layer", "clip_skip")
        layer = graph.number(key, names, report=False)
        if isinstance(layer, int) and layer < 0:
            graph.used.add(key)
            return -layer
    return None
