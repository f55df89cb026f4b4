"""Prompts that change by step: `[from:to:when]` and `[one|other]`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

_TOKEN = re.compile(r"(?:[^\\\[\]():|]|\\.)+|[\[\]():|\\]")
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?)\s*", re.ASCII)
_MOST_STEPS = 10**6
_CLOSED_BY = {")": "(", "]": "["}


class Stretch(NamedTuple):
    """A text that is used until a step."""

    until: int
    """The number of the last step, from 1."""
    text: str


def parse_schedule(text: str, steps: int, *, base_steps: int | None = None) -> tuple[Stretch, ...]:
    """Return the texts of a prompt over a number of steps, in order; the last is used until the
    last step. A number with a point is a share of the steps, one without is a step. `base_steps` is
    set in a pass that follows another one of so many steps: there, shares above 1 and steps above
    `base_steps` count.

    The grammar and the rules are those of `get_learned_conditioning_prompt_schedules` in A1111's
    modules/prompt_parser.py: where brackets don't match they are text, and a `|` or a backslash
    that stands alone makes the whole prompt text.
    """
    nodes = _parse(text)
    if all(isinstance(node, str) for node in nodes):
        return (Stretch(steps, text),)
    clock = _Clock(steps, base_steps)
    ends = sorted({steps, *clock.ends(nodes)})
    return tuple(Stretch(end, _text_at(nodes, end, clock)) for end in ends)


@dataclass(frozen=True)
class _Scheduled:
    before: Sequence[_Node]
    after: Sequence[_Node]
    when: str


@dataclass(frozen=True)
class _Alternate:
    options: Sequence[Sequence[_Node]]


_Node = str | _Scheduled | _Alternate


class _Clock:
    """Converts the numbers of schedules into steps."""

    def __init__(self, steps: int, base_steps: int | None) -> None:
        self._steps = steps
        self._done = 0 if base_steps is None else base_steps
        self._shares_done = 0 if base_steps is None else 1

    def step(self, number: str) -> int:
        """Return the last step before the change; below 1 if there is none."""
        value = float(number)
        if "." in number:
            value = (value - self._shares_done) * self._steps
        else:
            value -= self._done
        return min(self._steps, int(max(-_MOST_STEPS, min(value, _MOST_STEPS))))

    def ends(self, nodes: Sequence[_Node]) -> Iterator[int]:
        """Yield every step after which the text may change."""
        remaining = [nodes]
        while remaining:
            for node in remaining.pop():
                if isinstance(node, _Scheduled):
                    remaining += [node.before, node.after]
                    end = self.step(node.when)
                    if end >= 1:
                        yield end
                elif isinstance(node, _Alternate):
                    remaining += node.options
                    yield from range(1, self._steps + 1)


def _text_at(nodes: Sequence[_Node], step: int, clock: _Clock) -> str:
    texts: list[str] = []
    remaining = [iter(nodes)]
    while remaining:
        for node in remaining[-1]:
            if isinstance(node, str):
                texts.append(node)
                continue
            if isinstance(node, _Alternate):
                chosen = node.options[(step - 1) % len(node.options)]
            else:
                chosen = node.before if step <= clock.step(node.when) else node.after
            remaining.append(iter(chosen))
            break
        else:
            remaining.pop()
    return "".join(texts)


@dataclass
class _Open:
    """A bracket that isn't closed yet."""

    kind: str
    start: int
    """Index of the bracket among the nodes."""
    separators: list[int]
    """Indexes of the colons and bars that stand directly in it."""


def _parse(text: str) -> list[_Node]:
    """Return the nodes of a text: brackets of emphasis and what doesn't match stay text."""
    if "[" not in text:
        return [text]
    nodes: list[_Node] = []
    opened: list[_Open] = []
    for match in _TOKEN.finditer(text):
        token = match[0]
        nodes.append(token)
        if token in "([":
            opened.append(_Open(token, len(nodes) - 1, []))
        elif token in ":|":
            if opened:
                opened[-1].separators.append(len(nodes) - 1)
            elif token == "|":
                return [text]
        elif token == "\\":
            return [text]
        elif token in ")]" and opened:
            closed = opened.pop()
            if closed.kind != _CLOSED_BY[token] or not _close(nodes, closed):
                # No bracket around it can be closed either.
                if _has_bar(nodes, [*opened, closed]):
                    return [text]
                opened.clear()
    return [text] if _has_bar(nodes, opened) else nodes


def _has_bar(nodes: Sequence[_Node], brackets: Sequence[_Open]) -> bool:
    return any(nodes[place] == "|" for each in brackets for place in each.separators)


def _close(nodes: list[_Node], bracket: _Open) -> bool:
    """Replace the nodes from a bracket on by the one that they are. Return False if the bracket
    isn't allowed to hold them."""
    separators = bracket.separators
    colons = [place for place in separators if nodes[place] == ":"]
    bars = len(separators) - len(colons)
    if bracket.kind == "(":
        return not bars and len(colons) <= 1
    if not separators:
        return True
    node: _Node | None
    if not colons:
        node = _Alternate(_split(nodes, bracket.start, separators))
    elif bars and not any(isinstance(each, str) and "{" in each for each in nodes[bracket.start :]):
        return False  # neither; a bar after a brace is a part of the text
    else:
        node = _scheduled(nodes, bracket.start, colons)
    if node is None:
        return False
    del nodes[bracket.start :]
    nodes.append(node)
    return True


def _scheduled(nodes: list[_Node], start: int, colons: list[int]) -> _Scheduled | None:
    if len(colons) > 2:
        return None
    *texts, number = _split(nodes, start, colons)
    when = _NUMBER.fullmatch("".join(each for each in number if isinstance(each, str)))
    if when is None or any(not isinstance(each, str) for each in number):
        return None
    return _Scheduled(texts[0] if len(texts) > 1 else (), texts[-1], when[1])


def _split(nodes: list[_Node], start: int, separators: list[int]) -> list[list[_Node]]:
    """Return the nodes between a bracket, its separators, and the bracket at the end."""
    ends = [*separators, len(nodes) - 1]
    starts = [start, *separators]
    return [nodes[one + 1 : end] for one, end in zip(starts, ends, strict=True)]
