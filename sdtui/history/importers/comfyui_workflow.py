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
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"),
    "LoraLoaderModelOnly": ("lora_name", "strength_model"),
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
_IDLE = (_MUTED, _BYPASSED)
_INPUTS, _OUTPUTS = -10, -20  # ids of what stands for the outside in a subgraph
_MAX_PASSED = 50  # nodes behind each other that pass something on
_MAX_DEPTH = 10  # subgraphs inside each other
_MAX_PARTS = 200_000  # nodes and links altogether


def graph_of(workflow: Mapping[str, Any]) -> dict[str, Any]:
    """The nodes by their keys, as in a graph; empty if this is no workflow."""
    if not isinstance(workflow.get("nodes"), list) or not isinstance(workflow.get("links"), list):
        return {}
    flat = _Flat(_definitions(workflow))
    flat.add(workflow, "", 0)
    return {
        key: {
            "class_type": node.get("type"),
            "inputs": {**dict(_values(node)), **dict(flat.linked(key))},
        }
        for key, node in flat.nodes.items()
        if node.get("mode") not in _IDLE
        and node.get("type") not in (_SET, _GET)
        and key not in flat.instances
    }


def _definitions(workflow: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The subgraphs by their ids, which are the types of the nodes that stand for them."""
    definitions = workflow.get("definitions")
    subgraphs = definitions.get("subgraphs") if isinstance(definitions, Mapping) else None
    return {
        each["id"]: each
        for each in (subgraphs if isinstance(subgraphs, list) else ())
        if isinstance(each, Mapping) and isinstance(each.get("id"), str)
    }


_Link = tuple[str, int]
"""A link by the prefix of its subgraph's keys and its id."""


class _Flat:
    """The nodes and links of a workflow, with those inside its subgraphs. Keys of nodes begin with
    that of the node that stands for their subgraph, as in the graphs that ComfyUI executes."""

    def __init__(self, definitions: Mapping[str, Mapping[str, Any]]) -> None:
        self._definitions = definitions
        self.nodes: dict[str, Mapping[str, Any]] = {}
        self.instances: set[str] = set()
        """The nodes that stand for a subgraph."""
        self._given: dict[tuple[str, int], tuple[_Link | None, object]] = {}
        """The link or value that these nodes give to an input of their subgraph."""
        self._left = _MAX_PARTS
        self._prefixes: dict[str, str] = {}
        self._origins: dict[_Link, tuple[str, int, str]] = {}
        self._outputs: dict[tuple[str, object], _Link] = {}
        self._passed: dict[tuple[str, object], _Link] = {}
        """The links that bypassed nodes pass on, by node and type, and "SetNode"s by name."""

    def add(self, graph: Mapping[str, Any], prefix: str, depth: int) -> None:
        """Add the nodes and links of a workflow or subgraph."""
        nodes, links = _list(graph, "nodes"), _list(graph, "links")
        self._left -= len(nodes) + len(links)
        if self._left < 0 or depth > _MAX_DEPTH:
            return
        for each in links:
            link = _link(each)
            if link is not None:
                number, origin, slot, target, target_slot, kind = link
                self._origins[prefix, number] = (f"{prefix}{origin}", slot, str(kind))
                if target == _OUTPUTS:
                    self._outputs[prefix, str(target_slot)] = (prefix, number)
        for node in nodes:
            if not isinstance(node, Mapping):
                continue
            key = f"{prefix}{node.get('id')}"
            self.nodes[key], self._prefixes[key] = node, prefix
            for each in _inputs(node):
                if isinstance(each.get("link"), int):
                    into = prefix, each["link"]
                    self._passed.setdefault((key, str(each.get("type"))), into)
                    if node.get("type") == _SET:
                        self._passed[_SET, _name(node)] = into
            kind = node.get("type")
            inner = self._definitions.get(kind) if isinstance(kind, str) else None
            if inner is not None and node.get("mode") not in _IDLE:
                self._enter(key, inner, depth)

    def linked(self, key: str) -> Iterator[tuple[str, Any]]:
        """The inputs of a node that are links, followed through subgraphs, bypassed nodes and nodes
        that pass on by name: to a node and its output, or to a value."""
        for each in _inputs(self.nodes[key]):
            if isinstance(each.get("link"), int):
                found = self._follow((self._prefixes[key], each["link"]))
                if found is not None:
                    yield each["name"], found

    def _follow(self, link: _Link | None) -> object:
        for _ in range(_MAX_PASSED):
            if link not in self._origins:
                return None
            key, slot, kind = self._origins[link]
            node = self.nodes.get(key, {})
            if key.endswith(f":{_INPUTS}"):
                link, value = self._given.get((key.removesuffix(f":{_INPUTS}"), slot), (None, None))
                if link is None:
                    return value
            elif node.get("mode") == _BYPASSED:
                link = self._passed.get((key, kind))
            elif node.get("type") == _GET:
                link = self._passed.get((_SET, _name(node)))
            elif key in self.instances:
                link = self._outputs.get((f"{key}:", str(slot)))
            else:
                return [key, slot]
        return None

    def _enter(self, key: str, inner: Mapping[str, Any], depth: int) -> None:
        """Add what is inside a node that stands for a subgraph."""
        links = {
            each["name"]: (self._prefixes[key], each["link"])
            for each in _inputs(self.nodes[key])
            if isinstance(each.get("link"), int)
        }
        values = dict(_values(self.nodes[key]))
        for slot, each in enumerate(_inputs(inner)):
            self._given[key, slot] = links.get(each["name"]), values.get(each["name"])
        self.instances.add(key)
        self.add(inner, f"{key}:", depth + 1)


def _list(fields: Mapping[str, Any], name: str) -> list[Any]:
    found = fields.get(name)
    return found if isinstance(found, list) else []


def _link(link: object) -> tuple[int, Any, int, Any, Any, Any] | None:
    """Id, origin, its output, target, its input and type of a link, which is a list, or an object
    inside subgraphs; None if it is none."""
    if isinstance(link, Mapping):
        names = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
        link = [link.get(name) for name in names]
    if not isinstance(link, list) or len(link) < 3:
        return None
    number, origin, slot, target, target_slot, kind = [*link, None, None, None][:6]
    if not isinstance(number, int) or not isinstance(slot, int):
        return None
    return number, origin, slot, target, target_slot, kind


def _name(node: Mapping[str, Any]) -> str:
    """The name under which a virtual node passes a value on."""
    values = node.get("widgets_values")
    return str(values[0]) if isinstance(values, list) and values else ""


def _inputs(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    inputs = node.get("inputs")
    for each in inputs if isinstance(inputs, list) else ():
        if isinstance(each, dict) and isinstance(each.get("name"), str):
            yield each


def _values(node: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The widgets' values by their names."""
    values = node.get("widgets_values")
    if isinstance(values, dict):
        yield from ((key, value) for key, value in values.items() if isinstance(key, str))
        return
    kind = node.get("type")
    known = _WIDGETS.get(kind, ()) if isinstance(kind, str) else ()
    named = known or [each["name"] for each in _inputs(node) if "widget" in each]
    values = values if isinstance(values, list) else []
    for number, value in enumerate(values):  # rgthree's LoRAs, among other widgets
        if isinstance(value, dict) and "lora" in value:
            yield f"lora_{number}", value
    names = iter(named or (["value"] if len(values) == 1 else []))
    name = ""
    for value in values:
        if name.endswith("seed") and value in _AFTER_SEED:
            continue
        name = next(names, "")
        if name:
            yield name, value
