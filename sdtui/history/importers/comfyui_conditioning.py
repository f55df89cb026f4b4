"""The prompts behind the conditioning inputs of a sampler in ComfyUI's graph."""

from __future__ import annotations

from collections.abc import Iterator

from sdtui.history.importers.comfyui_graph import MAX_DEPTH, Graph, Link, link_of
from sdtui.history.importers.comfyui_passes import Pass
from sdtui.history.importers.comfyui_texts import (
    RESULTS,
    first_of_switch,
    is_text_name,
    linked_text,
    text_of,
)

_TEXTS = (
    *("populated_text", "populated", "text", "t5xxl", "text_g", "clip_g", "llama", "prompt"),
    *("user_prompt", "caption"),
    *("positive_prompt", "text_l", "clip_l", "bert", "mt5xl", "tags", "positive"),
    *("string", "wildcard_text"),
)
"""The inputs of encoders that take a prompt; the first with a text counts."""

_SIDES = {
    "positive": ("positive", "conditioning", "cond1", "positive_embeds"),
    "negative": ("negative", "neg_conditioning", "negative_conditioning", "negative_embeds"),
}
"""The inputs of samplers for both sides of conditioning."""
_SECOND = ("cond2", "middle")
"""Conditioning of a second prompt, on which the first one is weighed."""
_PIPES = (
    *("pipe", "basic_pipe", "context", "base_ctx", "detailer_pipe", "base_basic_pipe"),
    *("text_embeds", "sdxl_tuple"),
)
"""Inputs that carry both sides."""
_NOT_CONDITIONING = (
    *("clip", "model", "vae", "image", "images", "pixels", "samples", "latent"),
    *("latent_image", "mask", "control_net", "clip_vision", "clip_vision_output"),
    *("style_model", "reference", "start_image", "end_image", "cnet_stack"),
)
_MODEL_NAMES = ("ckpt_name", "unet_name", "base_ckpt_name")
_LABELS = {"positive": "Prompt", "negative": "Negative prompt"}
"""The sides of conditioning, and what the user calls them."""


def _is_of(side: str, name: str) -> bool:
    """True if an input is of one side, such as "positive_prompt" or "pos"."""
    return name.startswith(side) or name == side[:3]


def _side_in_pipe(sampler: Pass, side: str) -> str:
    """The side that a sampler takes out of a pipe. The negative output comes after the positive
    one in all of them."""
    positive, negative = (sampler.link(*_SIDES[each]) for each in _LABELS)
    if positive and negative and positive.key == negative.key and positive.slot > negative.slot:
        return "negative" if side == "positive" else "positive"
    return side


class Conditioning:
    """Follows conditioning to the texts that were encoded."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.left_out: list[str] = []
        """Texts that are not taken over, for the user."""
        self.clips: list[str] = []
        """The node that gives the CLIP of the first encoder, if any."""
        self.guidance: int | float | None = None
        """The guidance of a distilled model such as Flux, which goes with its conditioning."""
        self._has_ended = False
        """True if a text was found, be it empty, or why there is none."""

    def texts(self, sampler: Pass, side: str) -> list[str]:
        """The texts of the positive or negative side of a pass, without repetitions."""
        link, pipe = sampler.link(*_SIDES[side]), sampler.link(*_PIPES)
        self._has_ended = False
        found: list[str] = []
        if link is not None:
            found = list(self._follow(link, _side_in_pipe(sampler, side), 0))
            second = sampler.link(*_SECOND) if side == "positive" else None
            texts = self._follow(second, side, 0) if second else iter(())
            self.left_out += [f"Second prompt {text}: sdtui has one" for text in texts]
        elif pipe is not None:
            found = list(self._pipe(pipe, side, 0))
        start = link or pipe
        if start is not None and not found and not self._has_ended:
            self._graph.report(_LABELS[side], start)
        return list(dict.fromkeys(text for text in found if text.strip()))

    def _follow(self, link: Link, side: str, depth: int) -> Iterator[str]:
        """The texts behind an output of a node."""
        node = self._graph.nodes.get(link.key)
        if node is None or depth > MAX_DEPTH or not self._graph.step():
            return
        if self.guidance is None and "guidance" in node.inputs:
            self.guidance = self._graph.number(link.key, ("guidance",), label="Guidance")
            self._graph.used.add(link.key)
        if "zeroout" in node.kind.lower().replace("_", ""):
            self._graph.used.add(link.key)
            self._has_ended = True
            return
        chosen = self._graph.chosen(link.key)
        if chosen is not None:
            yield from self._follow(chosen, side, depth + 1)
        elif self._has_sides(link.key):
            yield from self._side(link.key, self._side_of(link, side), depth)
        elif self._is_encoder(link.key) and not self._conditions(link.key):
            yield from self._encoded(link.key, side)
        else:
            yield from self._before(link.key, side, depth)

    def _pipe(self, link: Link, side: str, depth: int) -> Iterator[str]:
        """The texts of one side in a pipe, which carries both."""
        if link.key not in self._graph.nodes or depth > MAX_DEPTH or not self._graph.step():
            return
        links = self._graph.links(link.key)
        if any(_is_of(side, name) for name in self._graph.nodes[link.key].inputs):
            yield from self._side(link.key, side, depth)
            return
        switched = first_of_switch(self._graph.nodes[link.key])
        before = switched or next((links[name] for name in _PIPES if name in links), None)
        if before is not None:
            yield from self._pipe(before, side, depth + 1)

    def _has_sides(self, key: str) -> bool:
        inputs = self._graph.nodes[key].inputs
        return all(any(_is_of(side, name) for name in inputs) for side in _LABELS)

    def _side_of(self, link: Link, side: str) -> str:
        """The side that an output of a node with both gives: conditioning nodes give positive and
        negative first, loaders after their model. Others, such as pipes, have many outputs."""
        inputs = self._graph.nodes[link.key].inputs
        first = 1 if any(name in inputs for name in _MODEL_NAMES) else 0
        return {first: "positive", first + 1: "negative"}.get(link.slot, side)

    def _side(self, key: str, side: str, depth: int) -> Iterator[str]:
        """The texts of all inputs of one side, which are conditioning or texts themselves."""
        for name, value in self._graph.nodes[key].inputs.items():
            if not _is_of(side, name):
                continue
            link = link_of(value)
            if isinstance(value, str) and is_text_name(name):
                self._graph.used.add(key)
                self._has_ended = True
                yield value
            elif link is not None and self._is_text(link):
                self._graph.used.add(key)
                self._has_ended = True
                yield linked_text(self._graph, link) or ""
            elif link is not None:
                yield from self._follow(link, side, depth + 1)

    def _is_text(self, link: Link) -> bool:
        """True if an output is a text rather than conditioning."""
        node = self._graph.nodes.get(link.key)
        if node is None or "clip" in node.inputs or self._has_sides(link.key):
            return False
        return not any(name.startswith("cond") for name in node.inputs) and bool(
            linked_text(self._graph, link)
        )

    def _is_encoder(self, key: str) -> bool:
        inputs = self._graph.nodes[key].inputs
        return any(
            name in inputs and (isinstance(inputs[name], str) or link_of(inputs[name]) is not None)
            for name in _TEXTS
        )

    def _conditions(self, key: str) -> list[Link]:
        """The conditioning that goes into a node."""
        links = self._graph.links(key)
        return [link for name, link in links.items() if name.startswith("cond")]

    def _encoded(self, key: str, side: str) -> Iterator[str]:
        """The first text of an encoder; other texts of it are left out."""
        inputs = self._graph.nodes[key].inputs
        label = _LABELS[side]
        self._has_ended = True
        clip = link_of(inputs.get("clip"))
        if not self.clips and clip is not None:
            self.clips = [clip.key]
        found: str | None = None
        for name in _TEXTS:
            text = text_of(self._graph, key, (name,), label=label) if name in inputs else None
            if text and found is None:
                found = text
                if name in RESULTS:
                    break
            elif text and text != found:
                self.left_out.append(
                    f"{label} ({name}) {text}: sdtui has one text for all encoders"
                )
        self._graph.used.add(key)
        if found is not None:
            yield found

    def _before(self, key: str, side: str, depth: int) -> Iterator[str]:
        """The texts of all conditioning that goes into a node, or of whatever has any."""
        links = self._graph.links(key)
        named = self._conditions(key)
        pipe = next((links[name] for name in _PIPES if name in links), None)
        if named:
            for link in named:
                yield from self._follow(link, side, depth + 1)
            present = [name for name in _TEXTS if name in self._graph.nodes[key].inputs]
            text = text_of(self._graph, key, present, label=_LABELS[side])
            if text:
                self._graph.used.add(key)
                self.left_out.append(f"{_LABELS[side]} {text}: node {key} adds it to another")
        elif pipe is not None:
            yield from self._pipe(pipe, side, depth + 1)
        else:
            for name, link in links.items():
                if name not in _NOT_CONDITIONING:
                    yield from self._follow(link, side, depth + 1)
