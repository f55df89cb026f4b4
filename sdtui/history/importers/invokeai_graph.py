"""InvokeAI's graphs and workflows, for pictures without its metadata.

They are turned into the graph of ComfyUI, whose links are followed by the same rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_NAMES = {
    "positive_conditioning": "positive",
    "negative_conditioning": "negative",
    "positive_text_conditioning": "positive",
    "negative_text_conditioning": "negative",
    "unet": "model",
    "transformer": "model",
    "cfg_scale": "cfg",
    "num_steps": "steps",
    "scheduler": "sampler_name",
    "latents": "latent_image",
    "strength": "denoise",
}
"""InvokeAI's names of inputs, and ComfyUI's."""

_LOADERS = "model_loader"
_SKIPPED_LAYERS = "skipped_layers"


def invokeai_nodes(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The nodes of a graph or workflow as those of ComfyUI's graph; empty if there are none."""
    edges = fields.get("edges")
    nodes = dict(_nodes(fields.get("nodes"))) if isinstance(edges, list) else {}
    for edge in edges if isinstance(edges, list) else ():
        found = _ends(edge) if isinstance(edge, Mapping) else None
        if found is None or found[1] not in nodes:
            continue
        source, target, name = found
        inputs = nodes[target]["inputs"]
        name = _NAMES.get(name, name)
        if isinstance(inputs.get(name), list):  # collects several
            name = f"{name}_{len(inputs)}"
        inputs[name] = [source, 0]
    return nodes


def _nodes(nodes: object) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(nodes, Mapping):
        for key, node in nodes.items():
            if isinstance(node, Mapping) and isinstance(node.get("type"), str):
                yield key, _node(node["type"], node)
    for node in nodes if isinstance(nodes, list) else ():
        data = node.get("data") if isinstance(node, Mapping) else None
        if not isinstance(data, Mapping):
            continue
        inputs = data.get("inputs")
        if isinstance(inputs, Mapping) and isinstance(data.get("type"), str):
            values = {
                name: given.get("value")
                for name, given in inputs.items()
                if isinstance(given, Mapping)
            }
            yield str(data.get("id")), _node(data["type"], values)


def _node(kind: str, values: Mapping[str, Any]) -> dict[str, Any]:
    inputs = {
        _NAMES.get(name, name): value
        for name, value in values.items()
        if name not in ("id", "type") and not isinstance(value, list)
    }
    if _LOADERS in kind and isinstance(inputs.get("model"), Mapping):
        inputs["ckpt_name"] = inputs.pop("model")
    skipped = inputs.get(_SKIPPED_LAYERS)
    if isinstance(skipped, int) and skipped > 0:
        inputs["clip_skip"] = -1 - skipped  # as ComfyUI counts
    return {"class_type": kind, "inputs": inputs}


def _ends(edge: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """The source of an edge, its target, and the input there; None if it is none."""
    source: Any = edge.get("source")
    target: Any = edge.get("destination", edge.get("target"))
    name = edge.get("targetHandle")
    if isinstance(source, Mapping) and isinstance(target, Mapping):
        source, target, name = source.get("node_id"), target.get("node_id"), target.get("field")
    if isinstance(source, str) and isinstance(target, str) and isinstance(name, str):
        return source, target, name
    return None
