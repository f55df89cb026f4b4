"""ComfyUI's workflow, as its editor saves it, turned into the graph that is executed.

Values of widgets stand in a list without names. Newer editors name the widgets among the inputs; of
older ones, those of the usual nodes are known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_SAMPLING = ("steps", "cfg", "sampler_name", "scheduler")
_WIDGETS: Mapping[str, tuple[str, ...]] = {
    "KSampler": ("seed", *_SAMPLING, "denoise"),
    "KSamplerAdvanced": ("add_noise", "noise_seed", *_SAMPLING),
    "KSamplerSelect": ("sampler_name",),
    "SamplerCustom": ("add_noise", "noise_seed", "cfg"),
    "RandomNoise": ("noise_seed",),
    "CFGGuider": ("cfg",),
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "UNETLoader": ("unet_name",),
    "CLIPTextEncode": ("text",),
    "CLIPTextEncodeFlux": ("clip_l", "t5xxl"),
    "CLIPSetLastLayer": ("stop_at_clip_layer",),
    "EmptyLatentImage": ("width", "height"),
    "EmptySD3LatentImage": ("width", "height"),
    "PrimitiveNode": ("value",),
}
_AFTER_SEED = ("fixed", "randomize", "increment", "decrement")
_MUTED, _BYPASSED = 2, 4  # modes of nodes
_SET, _GET = "SetNode", "GetNode"
"""Nodes that pass a value on by a name, without a link."""
_MAX_PASSED = 50  # bypassed and virtual nodes behind each other


def graph_of(workflow: Mapping[str, Any]) -> dict[str, Any]:
    """The nodes by their keys, as in a graph; empty if this is no workflow."""
    nodes, links = workflow.get("nodes"), workflow.get("links")
    if not isinstance(nodes, list) or not isinstance(links, list):
        return {}
    found = {str(node.get("id")): node for node in nodes if isinstance(node, dict)}
    sources = dict(_sources(found, links))
    return {
        key: {
            "class_type": node.get("type"),
            "inputs": {**dict(_values(node)), **dict(_linked(node, sources))},
        }
        for key, node in found.items()
        if node.get("mode") not in (_MUTED, _BYPASSED) and node.get("type") not in (_SET, _GET)
    }


def _sources(
    nodes: Mapping[str, Mapping[str, Any]], links: list[Any]
) -> Iterator[tuple[int, list[Any]]]:
    """The node and output that each link comes from, through bypassed and virtual nodes."""
    origins: dict[int | None, tuple[str, Any, object]] = {
        link[0]: (str(link[1]), link[2], link[5] if len(link) > 5 else None)
        for link in links
        if isinstance(link, list) and len(link) > 2 and isinstance(link[0], int)
    }
    passing: dict[str, dict[str, int]] = {key: {} for key in nodes}
    named: dict[str, int] = {}
    for key, node in nodes.items():
        for each in _inputs(node):
            if isinstance(each.get("link"), int):
                passing[key].setdefault(str(each.get("type")), each["link"])
                if node.get("type") == _SET:
                    named[_name(node)] = each["link"]
    for link in [each for each in origins if each is not None]:
        following: int | None = link
        for _ in range(_MAX_PASSED):
            key, slot, kind = origins.get(following, ("", 0, None))
            node = nodes.get(key, {})
            if node.get("mode") == _BYPASSED:
                following = passing[key].get(str(kind))
            elif node.get("type") == _GET:
                following = named.get(_name(node))
            else:
                break
        if key in nodes:
            yield link, [key, slot]


def _name(node: Mapping[str, Any]) -> str:
    """The name under which a virtual node passes a value on."""
    values = node.get("widgets_values")
    return str(values[0]) if isinstance(values, list) and values else ""


def _inputs(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    inputs = node.get("inputs")
    for each in inputs if isinstance(inputs, list) else ():
        if isinstance(each, dict) and isinstance(each.get("name"), str):
            yield each


def _linked(node: Mapping[str, Any], sources: Mapping[int, list[Any]]) -> Iterator[tuple[str, Any]]:
    for each in _inputs(node):
        link = each.get("link")
        if isinstance(link, int) and link in sources:
            yield each["name"], sources[link]


def _values(node: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The widgets' values by their names."""
    values = node.get("widgets_values")
    if isinstance(values, dict):
        yield from ((key, value) for key, value in values.items() if isinstance(key, str))
        return
    kind = node.get("type")
    known = _WIDGETS.get(kind, ()) if isinstance(kind, str) else ()
    names = iter(known or [each["name"] for each in _inputs(node) if "widget" in each])
    name = ""
    for value in values if isinstance(values, list) else ():
        if name.endswith("seed") and value in _AFTER_SEED:
            continue
        name = next(names, "")
        if name:
            yield name, value
