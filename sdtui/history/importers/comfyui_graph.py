"""ComfyUI's graph, and the texts and numbers that its links lead to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAX_STEPS = 20_000
"""Most nodes that are visited in all: a graph can have more paths than could ever be walked."""

_MAX_DEPTH = 100  # links behind each other
_MAX_TEXT = 100_000  # characters of a text joined from others
_NUMBER_NAMES = (
    *("value", "int", "float", "number", "seed", "noise_seed", "integer", "int_value"),
    "float_value",
)
_CALCULATES = {"operation", "expression", "operator", "op", "equation"}
_CHANGES = re.compile(r"replace|regex|truncate|substring|split|lower|upper|translat|extract", re.I)
"""In the names of nodes that change a text."""
_JOINS = re.compile(r"join|concat|combin|append|merge|multi|add|build|compos", re.IGNORECASE)
"""In the names or options of nodes that put texts together."""
_MAKES = {
    *("model", "clip", "image", "images", "temperature", "max_tokens", "max_new_tokens", "top_p"),
    *("api_key", "system_prompt", "index", "start_index", "line_number"),
}
"""Inputs of nodes that make a text of their own, such as captions, or choose a line of one."""
_RANDOM = re.compile(r"random|wildcard", re.IGNORECASE)
"""In the names of nodes whose text is only a template."""
RESULTS = ("populated_text", "populated", "processed_text", "result")
"""What a node that replaces wildcards has made of its text."""
_TEXT = re.compile(
    r"(opt_|input_|in_)?(text|string|str|value|prompt|prefix|suffix|prepend|append|input|positive"
    r"|negative|base|multiline|wildcard|content|any|source|output|caption|tags|t5xxl|clip(?=_[lg])"
    r"|llama|bert|mt5xl)"
    r"(_?([a-z]|\d{1,3}|text|string|positive|negative|prompt|input))?",
    re.IGNORECASE,
)
_NONE = ("", "none", "base", "no style")
"""Values of styles that add nothing."""
_DELIMITERS = ("delimiter", "separator", "sep", "joiner")
_CHOICES = ("boolean", "switch", "condition", "select", "index", "input", "bool")
_LABELS = re.compile(r"show|preview|display", re.IGNORECASE)
_OBJECT_NAMES = ("content", "name", "value", "model_name", "ckpt_name")


@dataclass(frozen=True)
class Link:
    """Where an input comes from."""

    key: str
    """The node."""
    slot: int
    """Which of its outputs."""


@dataclass(frozen=True)
class Node:
    """A node with its inputs: values, or links to other nodes."""

    kind: str
    inputs: Mapping[str, Any]


def is_text_name(name: str) -> bool:
    """True for the names of inputs that hold texts."""
    return _TEXT.fullmatch(name) is not None


def link_of(value: object) -> Link | None:
    """The link that an input holds; None if it is a value."""
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[0], str | int):
        return None
    slot = value[1]
    return Link(str(value[0]), slot) if type(slot) is int else None


class Graph:
    """The nodes by their keys, and what was found on the way through them."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.nodes = {
            key: Node(node["class_type"], node["inputs"])
            for key, node in fields.items()
            if isinstance(node, Mapping)
            and isinstance(node.get("inputs"), Mapping)
            and isinstance(node.get("class_type"), str)
        }
        self.used: set[str] = set()
        """The nodes whose settings are taken over."""
        self.not_followed: list[str] = []
        """What can't be followed, for the user."""
        self._steps = MAX_STEPS

    def step(self) -> bool:
        """Count a visit; False when too many have been made."""
        self._steps -= 1
        return self._steps > 0

    def links(self, key: str) -> dict[str, Link]:
        """The inputs of a node that are links to existing nodes."""
        links = {name: link_of(value) for name, value in self.nodes[key].inputs.items()}
        return {name: link for name, link in links.items() if link and link.key in self.nodes}

    def chain(self, key: str, names: Sequence[str]) -> Iterator[str]:
        """A node and those before it, each through the first of `names` that it has as a link, or
        through its only link."""
        seen: set[str] = set()
        while key in self.nodes and key not in seen and self.step():
            seen.add(key)
            yield key
            links = self.links(key)
            name = next((name for name in names if name in links), None)
            chosen = self.chosen(key)
            if name is not None:
                key = links[name].key
            elif chosen is not None:
                key = chosen.key
            elif len(links) == 1:
                (link,) = links.values()
                key = link.key
            else:
                return

    def chosen(self, key: str) -> Link | None:
        """The input that a switch passes on; None if the node is none."""
        links = self.links(key)
        inputs = {name.lower(): value for name, value in self.nodes[key].inputs.items()}
        given = (self._choice(inputs.get(each)) for each in _CHOICES)
        choice = next((each for each in given if each is not None), None)
        if choice is None or not links:
            return None
        ending = rf"(on_|if_)?{choice}" if isinstance(choice, bool) else rf"\D*{choice}"
        chosen = re.compile(ending, re.IGNORECASE)
        return next((link for name, link in links.items() if chosen.fullmatch(name)), None)

    def _choice(self, value: object) -> bool | int | None:
        """The truth value or number in an input, also in a node that holds nothing else."""
        link = link_of(value)
        node = self.nodes.get(link.key) if link else None
        if node is not None and len(node.inputs) == 1:
            (value,) = node.inputs.values()
        return value if isinstance(value, bool | int) else None

    def number(
        self, key: str, names: Sequence[str], *, label: str = "", report: bool = True
    ) -> int | float | None:
        """The number in the first of some inputs that is there, through links."""
        inputs = self.nodes[key].inputs
        for name in names:
            if name in inputs:
                link = link_of(inputs[name])
                found = (
                    _number(inputs[name]) if link is None else self._linked_number(link, names, 0)
                )
                if found is None and link is not None and report:
                    self.report(label or name, link)
                if found is not None or link is not None:
                    return found
        return None

    def _linked_number(self, link: Link, names: Sequence[str], depth: int) -> int | float | None:
        node = self.nodes.get(link.key)
        if node is None or depth > _MAX_DEPTH or not self.step():
            return None
        if _CALCULATES & node.inputs.keys():
            return None
        plain = {name: _number(value) for name, value in node.inputs.items()}
        numbers = {name: value for name, value in plain.items() if value is not None}
        known = [name for name in (*names, *_NUMBER_NAMES) if name in node.inputs]
        chosen = self.chosen(link.key)
        links = self.links(link.key)
        found: int | float | None = None
        if chosen is not None:
            found = self._linked_number(chosen, names, depth + 1)
        elif known and (known[0] in names or len(links) <= (known[0] in links)):
            name = known[0]
            found = (
                self._linked_number(links[name], names, depth + 1)
                if name in links
                else numbers.get(name)
            )
        elif not links and len(numbers) == 1:
            (found,) = numbers.values()
        elif len(links) == 1 and (len(node.inputs) == 1 or _LABELS.search(node.kind)):
            (only,) = links.values()
            found = self._linked_number(only, names, depth + 1)
        if found is not None:
            self.used.add(link.key)
        return found

    def text(
        self, key: str, names: Sequence[str], *, label: str = "", report: bool = True
    ) -> str | None:
        """The text in the first of some inputs that has one, through links."""
        for name in names:
            value = self.nodes[key].inputs.get(name)
            link = link_of(value)
            found = _text(value) if link is None else self.linked_text(link, names)
            if found:
                return found
            if link is not None and report and found is None:
                self.report(label or name, link)
        return None

    def linked_text(self, link: Link, names: Sequence[str] = (), depth: int = 0) -> str | None:
        """The text that an output gives, joined from others where a node does that; None if it
        can't be followed."""
        node = self.nodes.get(link.key)
        if node is None or depth > _MAX_DEPTH or not self.step():
            return None
        chosen = self.chosen(link.key)
        if chosen is None and (chosen := self._first_of_switch(node)) is not None:
            self.used.add(link.key)
        if chosen is not None:
            return self.linked_text(chosen, names, depth + 1)
        known = {*RESULTS, *(name for name in names if not is_text_name(name))}
        if _CHANGES.search(node.kind) or (
            _MAKES & node.inputs.keys() and not known & node.inputs.keys()
        ):
            return None
        parts = []
        for name in self._text_inputs(node, link.slot, names):
            inner = link_of(node.inputs[name])
            part = (
                _text(node.inputs[name])
                if inner is None
                else self.linked_text(inner, names, depth + 1)
            )
            if part is None and inner is not None:
                return None
            parts.append(part or "")
        if not parts:
            links = list(self.links(link.key).values())
            only = links[0] if len(links) == 1 else None
            return self.linked_text(only, names, depth + 1) if only else None
        for name, value in node.inputs.items():
            if "style" in name.lower() and isinstance(value, str) and value.lower() not in _NONE:
                self.not_followed.append(f"{name} {value}: node {link.key} adds it to the prompt")
        is_template = _RANDOM.search(node.kind) or "seed" in node.inputs
        if not is_template or set(RESULTS) & node.inputs.keys():
            self.used.add(link.key)
        given = [_text(node.inputs[name]) for name in _DELIMITERS if name in node.inputs]
        delimiter = (given[0] or "") if given else ("" if "concat" in node.kind.lower() else ", ")
        delimiter = delimiter.replace("\\n", "\n")
        parts = [part for part in parts if part]
        if len(parts) > 1 and not given and not self._joins(node):
            return None
        joined = delimiter.join(parts)
        return joined if len(joined) <= _MAX_TEXT else None

    def _first_of_switch(self, node: Node) -> Link | None:
        """The input that a switch without a choice passes on: the first that is there."""
        links = [link_of(value) for value in node.inputs.values()]
        return links[0] if links and "switch" in node.kind.lower() and all(links) else None

    def _joins(self, node: Node) -> bool:
        """True if the name or an option of a node says that it puts texts together."""
        options = (
            value
            for name, value in node.inputs.items()
            if isinstance(value, str) and not is_text_name(name)
        )
        return any(_JOINS.search(each) for each in (node.kind, *options))

    def _text_inputs(self, node: Node, slot: int, names: Sequence[str]) -> list[str]:
        """The inputs of a node that make up the text of an output."""
        present = [
            name for name, value in node.inputs.items() if isinstance(value, str | list | dict)
        ]
        for group in (names, RESULTS):
            named = [name for name in group if name in present]
            if named and (group is RESULTS or not is_text_name(named[0])):
                return named[:1]
        if names and not is_text_name(names[0]):  # a name, such as that of a model
            plain = [name for name in present if link_of(node.inputs[name]) is None]
            return plain if len(plain) == 1 else []
        texts = [name for name in present if is_text_name(name)]
        sides = [[n for n in texts if side in n.lower()] for side in ("positive", "negative")]
        if all(sides):  # a node with both prompts: the first output is the positive one
            return sides[1][:1] if slot == 1 else sides[0][:1]
        if _LABELS.search(node.kind):
            return texts[:1]
        return texts

    def report(self, label: str, link: Link) -> None:
        """Note that what a link leads to can't be followed."""
        node = self.nodes.get(link.key)
        kind = node.kind if node else "missing"
        self.not_followed.append(f"{label}: can't be followed through node {link.key} ({kind})")


def _number(value: object) -> int | float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,20}\s*", value):
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,20}\.\d{0,20}\s*", value):
        return float(value)
    return None


def _text(value: object) -> str | None:
    """A text, also one in an object such as {"content": "model.safetensors"}."""
    if isinstance(value, Mapping):
        return next((each for n in _OBJECT_NAMES if isinstance(each := value.get(n), str)), None)
    return value if isinstance(value, str) else None
