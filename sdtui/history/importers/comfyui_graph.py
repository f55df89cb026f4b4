"""ComfyUI's graph, and the numbers that its links lead to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAX_STEPS = 20_000
"""Most nodes that are visited in all: a graph can have more paths than could ever be walked."""

MAX_DEPTH = 100
"""Most links behind each other."""

_NUMBER_NAMES = ("value", "int", "float", "number", "integer", "int_value", "float_value")
_CALCULATES = {"operation", "expression", "operator", "op", "equation"}
_RANGES = {"min", "max", "minimum", "maximum", "min_num", "max_num", "min_value", "max_value"}
"""Inputs of nodes that choose a number, unless they hold its value too."""
_CHOICES = ("boolean", "switch", "condition", "cond", "select", "index", "input", "bool")
SHOWS = re.compile(r"show|preview|display", re.IGNORECASE)
"""In the names of nodes that show what they pass on."""


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
        self._links: dict[str, dict[str, Link]] = {}

    def step(self) -> bool:
        """Count a visit; False when too many have been made."""
        self._steps -= 1
        return self._steps > 0

    def links(self, key: str) -> dict[str, Link]:
        """The inputs of a node that are links to existing nodes."""
        if key not in self._links:
            links = {name: link_of(value) for name, value in self.nodes[key].inputs.items()}
            self._links[key] = {
                name: link for name, link in links.items() if link and link.key in self.nodes
            }
        return self._links[key]

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
        truth = "true|tt_value" if choice else "false|ff_value"
        ending = rf"(on_|if_)?({truth})" if isinstance(choice, bool) else rf"\D*{choice}"
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
        if node is None or depth > MAX_DEPTH or not self.step():
            return None
        if _CALCULATES & node.inputs.keys() or (
            _RANGES & node.inputs.keys() and "value" not in node.inputs
        ):
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
        elif len(links) == 1 and (len(node.inputs) == 1 or SHOWS.search(node.kind)):
            (only,) = links.values()
            found = self._linked_number(only, names, depth + 1)
        if found is not None:
            self.used.add(link.key)
        return found

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
