"""The texts in the inputs of ComfyUI's nodes, through links to nodes that hold, show, choose or
join texts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from sdtui.history.importers.comfyui_graph import MAX_DEPTH, SHOWS, Graph, Link, Node, link_of

RESULTS = ("populated_text", "populated", "processed_text", "result")
"""What a node that replaces wildcards has made of its text."""

_MAX_TEXT = 100_000  # characters of a text joined from others
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
_TEXT = re.compile(
    r"(opt_|input_|in_)?(text|string|str|value|prompt|prefix|suffix|prepend|append|input|positive"
    r"|negative|base|multiline|wildcard|content|any|source|output|caption|tags|t5xxl|clip(?=_[lg])"
    r"|llama|bert|mt5xl)"
    r"(_?([a-z]|\d{1,3}|text|string|positive|negative|prompt|input))?",
    re.IGNORECASE,
)
_NONE = ("", "none", "base", "no style", "no", "off", "fixed", "default")
"""Values of options that change nothing."""
_DELIMITERS = ("delimiter", "separator", "sep", "joiner")
_OBJECT_NAMES = ("content", "name", "value", "model_name", "ckpt_name")


def is_text_name(name: str) -> bool:
    """True for the names of inputs that hold texts."""
    return _TEXT.fullmatch(name) is not None


def text_of(
    graph: Graph, key: str, names: Sequence[str], *, label: str = "", report: bool = True
) -> str | None:
    """The text in the first of some inputs that has one, through links."""
    for name in names:
        value = graph.nodes[key].inputs.get(name)
        link = link_of(value)
        found = _text(value) if link is None else linked_text(graph, link, names)
        if found:
            return found
        if link is not None and report and found is None:
            graph.report(label or name, link)
    return None


def linked_text(graph: Graph, link: Link, names: Sequence[str] = (), depth: int = 0) -> str | None:
    """The text that an output gives, joined from others where a node does that; None if it can't
    be followed. `names` are the inputs that ask for it."""
    node = graph.nodes.get(link.key)
    if node is None or depth > MAX_DEPTH or not graph.step():
        return None
    chosen = graph.chosen(link.key)
    if chosen is None and (chosen := first_of_switch(node)) is not None:
        graph.used.add(link.key)
    if chosen is not None:
        return linked_text(graph, chosen, names, depth + 1)
    wants_name = bool(names) and not is_text_name(names[0])  # such as that of a model
    if _makes_text(node, names):
        return None
    read = _text_inputs(node, link.slot, names)
    if not read:
        links = list(graph.links(link.key).values())
        return linked_text(graph, links[0], names, depth + 1) if len(links) == 1 else None
    if not wants_name and _has_unknown_links(node, read):
        return None
    parts = []
    for name in read:
        inner = link_of(node.inputs[name])
        value = node.inputs[name]
        part = _text(value) if inner is None else linked_text(graph, inner, names, depth + 1)
        if part is None and inner is not None:
            return None
        parts.append(part or "")
    if not wants_name:
        graph.not_followed += _options(link.key, node, read)
    is_template = _RANDOM.search(node.kind) or "seed" in node.inputs
    if not is_template or set(RESULTS) & node.inputs.keys():
        graph.used.add(link.key)
    return _joined(node, [part for part in parts if part])


def _makes_text(node: Node, names: Sequence[str]) -> bool:
    """True if a node changes its text or makes one of its own."""
    known = {*RESULTS, *(name for name in names if not is_text_name(name))}
    makes = _MAKES & node.inputs.keys() and not known & node.inputs.keys()
    return bool(makes or _CHANGES.search(node.kind))


def first_of_switch(node: Node) -> Link | None:
    """The input that a switch without a choice passes on: the first that is there."""
    links = [link_of(value) for value in node.inputs.values()]
    return links[0] if links and "switch" in node.kind.lower() and all(links) else None


def _has_unknown_links(node: Node, read: Sequence[str]) -> bool:
    """True if something else goes into the text of a node."""
    return read[0] not in RESULTS and any(
        link_of(value) is not None and name not in read and not is_text_name(name)
        for name, value in node.inputs.items()
        if "seed" not in name and name not in _DELIMITERS and not SHOWS.search(node.kind)
    )


def _options(key: str, node: Node, read: Sequence[str]) -> Iterator[str]:
    """What may change the text of a node, for the user."""
    for name, value in node.inputs.items():
        if not isinstance(value, str) or value.lower() in _NONE:
            continue
        if "style" in name.lower():
            yield f"{name} {value}: node {key} adds it to the prompt"
        elif not (is_text_name(name) or _joins(node) or read[0] in RESULTS):
            yield f"{name} {value}: node {key} may change the prompt by it"


def _joined(node: Node, parts: Sequence[str]) -> str | None:
    """The text of several; None if the node doesn't join them."""
    given = [_text(node.inputs[name]) for name in _DELIMITERS if name in node.inputs]
    if len(parts) > 1 and not _joins(node):
        return None
    delimiter = (given[0] or "") if given else ("" if "concat" in node.kind.lower() else ", ")
    joined = delimiter.replace("\\n", "\n").join(parts)
    return joined if len(joined) <= _MAX_TEXT else None


def _joins(node: Node) -> bool:
    """True if an input, an option or the name of a node says that it puts texts together."""
    options = (
        value
        for name, value in node.inputs.items()
        if isinstance(value, str) and not is_text_name(name)
    )
    return any(name in node.inputs for name in _DELIMITERS) or any(
        _JOINS.search(each) for each in (node.kind, *options)
    )


def _text_inputs(node: Node, slot: int, names: Sequence[str]) -> list[str]:
    """The inputs of a node that make up the text of an output."""
    present = [name for name, value in node.inputs.items() if isinstance(value, str | list | dict)]
    for group in (names, RESULTS):
        named = [name for name in group if name in present]
        if named and (group is RESULTS or not is_text_name(named[0])):
            return named[:1]
    if names and not is_text_name(names[0]):  # a name, such as that of a model
        plain = [name for name in present if link_of(node.inputs[name]) is None]
        return plain if len(plain) == 1 else []
    if SHOWS.search(node.kind):
        return [name for name in present if link_of(node.inputs[name]) is not None][:1]
    texts = [name for name in present if is_text_name(name)]
    sides = [[n for n in texts if side in n.lower()] for side in ("positive", "negative")]
    if all(sides):  # a node with both prompts: the first output is the positive one
        return sides[1][:1] if slot == 1 else sides[0][:1]
    return texts


def _text(value: object) -> str | None:
    """A text, also one in an object such as {"content": "model.safetensors"}."""
    if isinstance(value, Mapping):
        return next((each for n in _OBJECT_NAMES if isinstance(each := value.get(n), str)), None)
    return value if isinstance(value, str) else None
