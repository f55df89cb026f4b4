"""Read the settings in ComfyUI's graph of nodes.

Nodes are recognised by the names of their inputs rather than by their class: there are thousands of
classes, but most custom nodes name their inputs like those of ComfyUI itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PureWindowsPath
from typing import Any

from sdtui.core.errors import ImageError
from sdtui.history.importers.comfyui_conditioning import Conditioning
from sdtui.history.importers.comfyui_graph import Graph, link_of
from sdtui.history.importers.comfyui_loras import loras_of
from sdtui.history.importers.comfyui_passes import Pass, on_same_picture, passes
from sdtui.history.importers.comfyui_texts import text_of
from sdtui.history.importers.comfyui_workflow import graph_of
from sdtui.history.importers.invokeai_graph import invokeai_nodes
from sdtui.history.importers.json_settings import OTHER_NOISE, json_object
from sdtui.history.importers.request_mapping import CHECKPOINT_FILE, ToolSettings, guidance_values
from sdtui.requests.request import REQUEST_FIELDS

MAX_NODES = 2_000
"""Most nodes of a graph."""

_IGNORED = (
    *("SaveImage", "PreviewImage", "VAEDecode", "VAELoader", "CLIPLoader"),
    *("DualCLIPLoader", "TripleCLIPLoader", "Reroute", "Note", "MarkdownNote"),
    *("CLIPSetLastLayer", "core_metadata", "l2i", "flux_vae_decode", "sd3_l2i"),
)
_WIDTH, _HEIGHT = ("width", "empty_latent_width"), ("height", "empty_latent_height")
_PRESET = re.compile(r"resolution|aspect|ratio|size|dimension|preset", re.IGNORECASE)
_SIZE = re.compile(r"(?<!\d)(\d{2,5})\s?[x×]\s?(\d{2,5})(?!\d)")
_LATENTS = ("latent_image", "latent", "samples", "latents", "optional_latent", "noise")
_CHECKPOINTS = ("ckpt_name", "unet_name", "base_ckpt_name", "gguf_name")
_OTHER_CHECKPOINTS = ("model_name", "model_path", "checkpoint", "ckpt", "unet", "base_model")
"""Inputs that name a LoRA in some nodes for LoRAs."""
_PIPES = ("pipe", "basic_pipe", "context", "base_ctx", "detailer_pipe", "sdxl_tuple")
_MODEL_LINKS = ("model", "model1", "model_a", "model_0", "base_model", *_PIPES)
_MERGED = ("model2", "model_b", "model3", "model_c", "model_1", "model_2", "model_3")
_CLIP_LINKS = ("clip", "clip1", *_PIPES)
_OFTEN_SAME = ("model", "prompt", "negative_prompt")
"""What later passes mostly share with the first."""


def comfyui(fields: Mapping[str, Any]) -> ToolSettings | None:
    """The settings of the first pass in a graph, which may also be in "prompt" of the object, or
    in a workflow; None if there is none. Raises ImageError for a graph of more than MAX_NODES
    nodes."""
    inner = fields.get("prompt")
    inner = json_object(inner) if isinstance(inner, str) else inner
    for candidate in (fields, inner, graph_of(fields)):
        found = _settings("ComfyUI", candidate) if isinstance(candidate, Mapping) else None
        if found is not None:
            return found
    return None


def invokeai_graph(fields: Mapping[str, Any]) -> ToolSettings | None:
    """The settings of the first pass in a graph or workflow of InvokeAI; None if there is none.
    Raises ImageError like `comfyui`."""
    found = _settings("InvokeAI", invokeai_nodes(fields))
    return found and replace(found, unsupported=(*found.unsupported, OTHER_NOISE))


def _settings(source: str, nodes: Mapping[str, Any]) -> ToolSettings | None:
    graph = Graph(nodes)
    if len(graph.nodes) > MAX_NODES:
        raise ImageError(f"the graph has more than {MAX_NODES:,} nodes", "Choose another picture")
    found = passes(graph)
    if not found:
        return None
    first = found[0]
    conditioning = Conditioning(graph)
    texts = {
        "prompt": conditioning.texts(first, "positive"),
        "negative_prompt": conditioning.texts(first, "negative"),
    }
    loaders = _loaders(graph, first)
    start = first.link(*_MODEL_LINKS)
    loras = loras_of(graph, graph.chain(start.key if start else first.key, _MODEL_LINKS))
    values: dict[str, object] = {
        **{name: ", ".join(each) for name, each in texts.items()},
        **first.values(),
        **_size(graph, first),
        "model": next(iter(loaders.values()), None),
        "loras": loras or None,
        "clip_skip": _clip_skip(graph, [*conditioning.clips, *list(loaders)[:1]]),
    }
    distilled = conditioning.guidance
    if distilled is None:
        distilled = graph.number(first.key, ("guidance",), report=False)
    values |= guidance_values(values["guidance_scale"], distilled)
    if all(value in (None, "") for value in values.values()):
        return None
    schedule = first.name("Scheduler")
    unsupported = [
        *first.cut_short(),
        *_later_passes(graph, found, conditioning, values),
        *conditioning.left_out,
        *dict.fromkeys(graph.not_followed),
        *_unused(graph),
    ]
    if len(found) > 1:
        unsupported.insert(0, f"{len(found) - 1} more samplers: only the first is used")
    return ToolSettings(source, values, schedule, tuple(unsupported))


def _later_passes(
    graph: Graph, found: Sequence[Pass], conditioning: Conditioning, first: Mapping[str, object]
) -> Iterator[str]:
    """The passes after the first, for the user, with the model and prompts that are not those of
    the first."""
    together = on_same_picture(graph, found[0])
    for at, each in enumerate(found[1:], 2):
        values = {
            **each.values(),
            "scheduler": each.name("Scheduler"),
            "model": next(iter(_loaders(graph, each).values()), None),
            "prompt": ", ".join(conditioning.texts(each, "positive")),
            "negative_prompt": ", ".join(conditioning.texts(each, "negative")),
        }
        settings = ", ".join(
            f"{REQUEST_FIELDS[name].spec.label if name in REQUEST_FIELDS else 'Schedule'} {value}"
            for name, value in values.items()
            if value not in (None, "") and (name not in _OFTEN_SAME or value != first[name])
        )
        what = f"Pass {at}" if each.key in together else "Another picture (or this one)"
        yield f"{what}, node {each.key} ({graph.nodes[each.key].kind}): {settings}"


def _unused(graph: Graph) -> list[str]:
    """The nodes whose settings are not taken over, with the files that they name."""
    described = dict.fromkeys(
        " ".join((node.kind, *_files(node.inputs.values())))
        for key, node in graph.nodes.items()
        if key not in graph.used and node.kind not in _IGNORED and not node.kind.startswith("Empty")
    )
    return [f"node {each}: sdtui has no such setting" for each in described]


def _files(values: Iterable[object]) -> Iterator[str]:
    """The names of model files, also in objects that are not switched off."""
    for value in values:
        if isinstance(value, Mapping) and value.get("on", True):
            yield from _files(each for each in value.values() if isinstance(each, str))
        elif isinstance(value, str) and CHECKPOINT_FILE.search(value):
            yield PureWindowsPath(value).name


def _size(graph: Graph, first: Pass) -> dict[str, object]:
    """The size of the empty latent that a pass starts from."""
    for key in graph.chain(first.key, (*_LATENTS, *_PIPES)):
        links = graph.links(key)
        linked = [links[name].key for name in (*_WIDTH, *_HEIGHT) if name in links]
        presets = (_preset_size(graph.nodes[each].inputs) for each in (key, *linked))
        size: tuple[float, float] | None = next(filter(None, presets), None)
        if size is None:
            width = graph.number(key, _WIDTH, label="Width")
            height = graph.number(key, _HEIGHT, label="Height")
            size = (width, height) if width and height else None
        if size is not None:
            graph.used.update((key, *linked))
            batch = graph.number(key, ("batch_size",), report=False)
            if batch not in (None, 1):
                graph.not_followed.append(f"Batch size {batch}: the seed is that of all of them")
            return dict(zip(("width", "height"), size, strict=True))
    return {}


def _preset_size(inputs: Mapping[str, Any]) -> tuple[int, int] | None:
    """The size in a choice such as "3:4 portrait 896x1152", which counts before the numbers."""
    for name, value in inputs.items():
        found = _SIZE.search(value) if isinstance(value, str) and _PRESET.search(name) else None
        if found is not None:
            width, height = int(found[1]), int(found[2])
            swapped = any(inputs[each] in (True, "On") for each in inputs if "swap" in each.lower())
            return (height, width) if swapped else (width, height)
    return None


def _loaders(graph: Graph, sampler: Pass) -> dict[str, str]:
    """The checkpoints of a pass by their nodes, through LoRA and other nodes in between. Of merged
    models, the first is that which the others are merged into."""
    start = sampler.link(*_MODEL_LINKS)
    waiting = [start.key if start else sampler.key]
    found: dict[str, str] = {}
    merging: list[str] = []
    while waiting:
        for key in graph.chain(waiting.pop(), _MODEL_LINKS):
            inputs = graph.nodes[key].inputs
            name = text_of(graph, key, _CHECKPOINTS, report=False)
            if not name and not {"lora_name", "lora"} & inputs.keys():
                name = text_of(graph, key, _OTHER_CHECKPOINTS, report=False)
            merged = [link for each in _MERGED if (link := link_of(inputs.get(each))) is not None]
            if merged and key not in merging:
                merging.append(key)
                waiting += [link.key for link in reversed(merged)]
            if name:
                found[key] = name
                break
    graph.used.update(found, merging)
    if merging:
        graph.not_followed.append(f"Model: node {merging[-1]} merges several, one is used")
        others = list(found.values())[1:]
        graph.not_followed += [f"Model {name}: sdtui merges no models" for name in others]
    return found


def _clip_skip(graph: Graph, starts: Iterable[str]) -> int | None:
    """Clip skip as A1111 counts it; ComfyUI counts from -1, the last layer."""
    for key in (each for start in starts for each in graph.chain(start, _CLIP_LINKS)):
        names = ("stop_at_clip_layer", "clip_skip", "base_clip_skip")
        layer = graph.number(key, names, report=False)
        if isinstance(layer, int) and layer < 0:
            graph.used.add(key)
            return -layer
    return None
