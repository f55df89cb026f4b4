"""Parse dynamic prompts, in the grammar of the library `dynamicprompts` and of A1111's extension.

Nothing is an error: what doesn't fit the grammar is literal text. A backslash before `{`, `}`, `|`
or `__` makes them literal; all other backslashes are A1111's and stay.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

from sdtui.core.dynamic_prompts.brackets import DEEPEST, Brace, matched_braces
from sdtui.core.dynamic_prompts.nodes import (
    Assignment,
    Content,
    Node,
    Option,
    Sampling,
    Variable,
    Variants,
    Wildcard,
    Wrap,
)

_SPECIAL = re.compile(r"\\.|%(?=\{)|\$?\{|__", re.DOTALL)
_HINT = re.compile(r"[{}]|__")
"""What every dynamic prompt has."""
_COMMENT = re.compile(r"[^\S\n]*#[^\n]*")
_HEAD = re.compile(
    r"([~@!]?)(?:(?:(\d{1,4})(?:(-)(\d{1,4})?)?|-(\d{1,4}))\$\$(?:([^{}$|]*|\s*\|\s*)\$\$)?)?"
)
_WEIGHT = re.compile(r"\s*(\d{1,9}(?:\.\d{1,9})?|\.\d{1,9})::")
_ASSIGNED = re.compile(r"\s*([^\W\d]\w*)\s*=(!?)")
_USED = re.compile(r"\s*([^\W\d]\w*)\s*(?=([:}]))")
_WILDCARD = re.compile(
    r"__([~@!]?)((?:\$\{\w{1,50}\}|[^\s_{}|$(),:]|[^\S\n]|_(?!_)){1,200}+)(?=__|\()"
)
_WRAPPED = re.compile(r"\\.|\{|\$\$", re.DOTALL)
_ARGUMENTS = re.compile(r"\\.|[{}(),]", re.DOTALL)
_MOST_ARGUMENTS = 1000
"""Characters of the arguments of a wildcard."""


def is_dynamic(text: str) -> bool:
    """True if a text isn't literally what it becomes."""
    return _HINT.search(text) is not None and parse(text) != (text,)


@lru_cache(maxsize=1024)
def parse(text: str) -> Content:
    """Return the parts of a text. In a dynamic one, comments (`#` to the end of the line) are left
    out, and blanks at its ends."""
    if not _HINT.search(text):
        return (text,)
    content = _Parser(_COMMENT.sub("", text)).content()
    if all(isinstance(each, str) for each in content):
        return (_unescaped(text),)
    return _stripped(content)


def literal(text: str, template: str = "") -> str:
    """Return a prompt that becomes this text. Wildcards and variables of the `template` that the
    text was made of stay as they are: there was nothing for them."""
    if not is_dynamic(text):
        return text
    missing = [
        re.escape(node.source)
        for node in parse(text)
        if isinstance(node, Wildcard | Variable)
        and node.source in template.replace(f"\\{node.source}", "")
    ]
    kept = re.compile(f"({'|'.join(missing)})" if missing else "(?!)()")
    return "".join(
        each if is_kept else re.sub(r"[{}]|_(?=_)", r"\\\g<0>", each)
        for each, is_kept in zip(kept.split(text), itertools.cycle((False, True)), strict=False)
    )


def _unescaped(text: str, *, in_braces: bool = False) -> str:
    def replace(match: re.Match[str]) -> str:
        character = match[0][1]
        is_special = (
            character in "{}"
            or (character == "|" and in_braces)
            or (character == "_" and text.startswith(("_", "\\_"), match.end()))
        )
        return character if is_special else match[0]

    return re.sub(r"\\.", replace, text, flags=re.DOTALL)


class _Parser:
    """Parses one text; ranges are places in it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._braces = matched_braces(text)
        self._depth = 0
        """How deep the parameters of wildcards are nested."""

    def content(self) -> Content:
        """Return the parts of the whole text."""
        return self._range(0, len(self._text), in_braces=False)

    def _range(self, start: int, end: int, *, in_braces: bool) -> Content:
        nodes: list[Node] = []
        written = place = start

        def add_text(until: int) -> None:
            if until > written:
                plain = _unescaped(self._text[written:until], in_braces=in_braces)
                nodes.append(plain)

        while token := _SPECIAL.search(self._text, place, end):
            place = token.end()
            found = self._node(token, end)
            if found is not None:
                add_text(token.start())
                node, place = found
                nodes.append(node)
                written = place
            elif token[0] in ("__", "${"):
                place = token.start() + 1
        add_text(end)
        return tuple(nodes)

    def _node(self, token: re.Match[str], end: int) -> tuple[Node, int] | None:
        """Return the part that begins with a token, and where it ends; None if it is literal."""
        if token[0] == "__":
            return self._wildcard(token.start(), end)
        if token[0] == "%":
            return self._wrap(token.start(), end)
        if not token[0].endswith("{"):
            return None
        opening = token.end() - 1
        brace = self._brace(opening, end)
        if brace is None:
            return None
        if token[0] == "${":
            node = self._variable(token.start(), brace)
        else:
            node = self._variants(opening, brace)
        return None if node is None else (node, brace.end + 1)

    def _brace(self, opening: int, end: int) -> Brace | None:
        """Return the pair of braces that begins at a place, if it ends before `end`."""
        brace = self._braces.get(opening)
        return brace if brace is not None and brace.end < end else None

    def _wrap(self, start: int, end: int) -> tuple[Node, int] | None:
        """Return the part at `start`, and where it ends; None for a percent sign before options:
        `100%{a|b}`, `100%{2$$a|b}`."""
        place = start + 2
        brace = self._brace(place - 1, end)
        if brace is None:
            return None
        head = _HEAD.match(self._text, place, brace.end)
        if head is None or head[2] or head[5]:
            return None
        while token := _WRAPPED.search(self._text, place, brace.end):
            if token[0] == "$$":
                wrapper = _stripped(self._range(start + 2, token.start(), in_braces=False))
                inner = _stripped(self._range(token.end(), brace.end, in_braces=False))
                return Wrap(self._text[start : brace.end + 1], wrapper, inner), brace.end + 1
            nested = self._braces.get(token.start())
            place = token.end() if nested is None else nested.end + 1
        return None

    def _variants(self, opening: int, brace: Brace) -> Node | None:
        head = _HEAD.match(self._text, opening + 1, brace.end)
        assert head is not None
        mark, least, dash, most, most_alone, separator = head.groups()
        options = tuple(self._options(head.end(), brace))
        if options == (Option(()),):
            return None  # {} offers nothing
        node = Variants(self._text[opening : brace.end + 1], options, sampling=Sampling(mark))
        if least is None and most_alone is None:
            return node
        upper = most_alone or most or (None if dash else least)
        return replace(
            node,
            least=1 if least is None else int(least),
            most=None if upper is None else int(upper),
            separator="," if separator is None else separator,
        )

    def _options(self, start: int, brace: Brace) -> Iterator[Option]:
        for end in (*(bar for bar in brace.bars if bar >= start), brace.end):
            weight = _WEIGHT.match(self._text, start, end)
            after = start if weight is None else weight.end()
            content = _stripped(self._range(after, end, in_braces=True))
            yield Option(content, 1.0 if weight is None else float(weight[1]))
            start = end + 1

    def _variable(self, start: int, brace: Brace) -> Node | None:
        source = self._text[start : brace.end + 1]
        if assigned := _ASSIGNED.match(self._text, start + 2, brace.end):
            return self._assignment(assigned, brace.end, source)
        used = _USED.match(self._text, start + 2, brace.end + 1)
        if used is None:
            return None
        default = None
        if used[2] == ":":
            default = _stripped(self._range(used.end() + 1, brace.end, in_braces=False))
        return Variable(source, used[1], default)

    def _assignment(self, assigned: re.Match[str], end: int, source: str) -> Assignment:
        value = _stripped(self._range(assigned.end(), end, in_braces=False))
        return Assignment(source, assigned[1], value, is_immediate=assigned[2] == "!")

    def _wildcard(self, start: int, end: int) -> tuple[Node, int] | None:
        head = _WILDCARD.match(self._text, start, end)
        if head is None or head[2] != head[2].strip():
            return None
        after = head.end()
        parameters: tuple[Assignment, ...] = ()
        if self._text.startswith("(", after, end):
            self._depth += 1
            found = self._parameters(after, end) if self._depth <= DEEPEST else None
            self._depth -= 1
            if found is None:
                return None
            parameters, after = found
        if not self._text.startswith("__", after, end):
            return None
        after += 2
        source = self._text[start:after]
        return Wildcard(source, head[2], parameters, Sampling(head[1])), after

    def _parameters(self, start: int, end: int) -> tuple[tuple[Assignment, ...], int] | None:
        """Return the parameters in the round bracket at `start`, and where it ends; None if it
        holds anything else."""
        found, depth, part = [], 0, start + 1
        for token in _ARGUMENTS.finditer(self._text, start, min(end, start + _MOST_ARGUMENTS)):
            depth += (token[0] in "({") - (token[0] in ")}")
            is_end = depth == 0
            if is_end or (token[0] == "," and depth == 1):
                assigned = _ASSIGNED.match(self._text, part, token.start())
                if assigned is None:
                    return None
                source = self._text[part : token.start()]
                found.append(self._assignment(assigned, token.start(), source))
                part = token.end()
            if is_end:
                return tuple(found), part
        return None


def _stripped(content: Content) -> Content:
    """Return the parts without blanks at the ends, and without empty texts."""
    nodes = list(content)
    if nodes and isinstance(nodes[0], str):
        nodes[0] = nodes[0].lstrip()
    if nodes and isinstance(nodes[-1], str):
        nodes[-1] = nodes[-1].rstrip()
    return tuple(each for each in nodes if each != "")
