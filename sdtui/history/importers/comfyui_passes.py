"""The passes of sampling in ComfyUI's graph, in the order of work."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sdtui.history.importers.comfyui_graph import Graph, Link, link_of
from sdtui.history.importers.comfyui_texts import text_of
from sdtui.history.importers.request_mapping import not_supported

_OBJECTS = (
    *("guider", "noise", "sampler", "sigmas", "pipe", "basic_pipe", "context"),
    *("base_ctx", "sampler_settings", "settings", "detailer_pipe", "sdxl_tuple"),
)
"""Inputs that lead to nodes which hold a part of a sampler's settings."""

_SEED = ("seed", "noise_seed", "seed_num")
_STEPS = ("steps", "num_steps", "steps_total")
_CFG = ("cfg", "true_gs", "guidance_scale", "cfg_scale", "cfg_conds")
_DENOISE = ("denoise", "denoise_strength")
_WHOLE: Mapping[str, object] = {"start_at_step": 0, "denoising_start": 0, "denoising_end": 1}
"""Inputs of samplers that do all steps."""
_NAMES = {"Sampler": ("sampler_name", "sampler"), "Scheduler": ("scheduler",)}
_PICTURES = ("images", "image", "pixels", "samples", "latent_image", "latent", "latents")
_CONDITIONS = (
    *("positive", "negative", "conditioning", "guider", "pipe", "basic_pipe"),
    *("context", "text_embeds", "base_ctx", "sdxl_tuple", "detailer_pipe"),
)


@dataclass(frozen=True)
class Pass:
    """A sampler with the nodes that hold its settings: guider, noise, sigmas, pipes."""

    graph: Graph
    key: str
    nodes: tuple[str, ...]
    """The sampler itself first."""

    def values(self) -> dict[str, object]:
        """Seed, steps, CFG scale, sampler and strength."""
        denoise = self.number("Denoising strength", _DENOISE)
        return {
            "seed": self.number("Seed", _SEED),
            "num_inference_steps": self.number("Steps", _STEPS),
            "guidance_scale": self.number("CFG scale", _CFG),
            "sampler": self.name("Sampler"),
            "strength": None if denoise in (None, 1, 1.0) else denoise,
        }

    def cut_short(self) -> list[str]:
        """The settings by which a sampler skips steps or noise, for the user."""
        inputs = self.graph.nodes[self.key].inputs
        steps = self.graph.number(self.key, _STEPS, report=False)
        cut = [name for name, usual in _WHOLE.items() if inputs.get(name, usual) != usual]
        end = inputs.get("end_at_step")
        if isinstance(end, int) and steps is not None and end < steps:
            cut.append("end_at_step")
        return [not_supported(name, inputs[name]) for name in cut]

    def number(self, label: str, names: Sequence[str]) -> int | float | None:
        for key in self.nodes:
            if any(name in self.graph.nodes[key].inputs for name in names):
                self.graph.used.add(key)
                return self.graph.number(key, names, label=label)
        return None

    def name(self, kind: str) -> str | None:
        """The name of the sampler or scheduler, in an input or in the class of a node."""
        names = _NAMES[kind]
        for key in self.nodes:
            found = text_of(self.graph, key, names, report=False)
            if found:
                self.graph.used.add(key)
                return found
        found = self._class_of(kind)
        link = None if found else self.link(*names)
        if link is not None:
            self.graph.report(kind, link)
        return found

    def link(self, *names: str) -> Link | None:
        """The first link of one of these names, in the sampler or its other nodes; it may lead to
        a node that is missing."""
        for key in self.nodes:
            inputs = self.graph.nodes[key].inputs
            found = next((link for name in names if (link := link_of(inputs.get(name)))), None)
            if found is not None:
                self.graph.used.add(key)
                return found
        return None

    def _class_of(self, kind: str) -> str | None:
        """The name in a class such as KarrasScheduler or SamplerEulerAncestral."""
        for key in self.nodes[1:]:
            name = self.graph.nodes[key].kind
            if name.startswith(kind) or name.endswith(kind):
                name = name.removeprefix(kind).removesuffix(kind)
                self.graph.used.add(key)
                return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().strip("_") or None
        return None


def passes(graph: Graph) -> list[Pass]:
    """The passes of the saved picture, or all where none is saved, in the order of work."""
    carriers = {
        link.key
        for key in graph.nodes
        for name, link in graph.links(key).items()
        if name in (*_SEED, *_STEPS, *_CFG)
    }  # give numbers to others, which no sampler does
    samplers = [key for key in graph.nodes if key not in carriers and _is_sampler(graph, key)]
    before = {key: set(_before(graph, key)) for key in samplers}
    outputs = _outputs(graph)
    saved = {*outputs, *_before(graph, *outputs)}
    samplers = [key for key in samplers if key in saved] or samplers
    ordered = sorted(samplers, key=lambda key: sum(other in before[key] for other in samplers))
    found = [Pass(graph, key, tuple(_parts(graph, key))) for key in ordered]
    graph.used.update(each.key for each in found)
    return found


def on_same_picture(graph: Graph, one: Pass) -> set[str]:
    """The nodes that work on the picture that a pass works on, itself among them."""
    works = ({save, *_before(graph, save)} for save in _outputs(graph))
    return {one.key}.union(*(each for each in works if one.key in each))


def _is_sampler(graph: Graph, key: str) -> bool:
    inputs = graph.nodes[key].inputs
    if link_of(inputs.get("guider")) is not None:
        return True
    works = any(link_of(inputs.get(name)) is not None for name in _CONDITIONS)
    return works and any(name in inputs for name in (*_STEPS, "sigmas", "denoise"))


def _outputs(graph: Graph) -> list[str]:
    """The nodes that save the picture or, without one, those whose output nobody takes."""
    saves = [key for key, node in graph.nodes.items() if "save" in node.kind.lower()]
    taken = {link.key for key in graph.nodes for link in graph.links(key).values()}
    return saves or [key for key in graph.nodes if key not in taken]


def _before(graph: Graph, *keys: str) -> Iterator[str]:
    """All nodes that the pictures or latents of some nodes come from."""
    seen = set(keys)
    waiting = list(keys)
    while waiting:
        links = graph.links(waiting.pop())
        named = [link for name, link in links.items() if name in _PICTURES]
        for link in named or links.values():
            if link.key not in seen:
                seen.add(link.key)
                waiting.append(link.key)
                yield link.key


def _parts(graph: Graph, key: str) -> Iterator[str]:
    """A sampler and the nodes that hold its settings."""
    seen: set[str] = set()
    waiting = [key]
    while waiting:
        key = waiting.pop(0)
        if key in seen:
            continue
        seen.add(key)
        yield key
        links = graph.links(key)
        if len(links) == 1 and len(graph.nodes[key].inputs) == 1:  # passes something on
            waiting += [link.key for link in links.values()]
        waiting += [links[name].key for name in _OBJECTS if name in links]
