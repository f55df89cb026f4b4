"""What dynamic prompts become: one text for each picture of a batch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from sdtui.core.dynamic_prompts.choosers import Chooser, CyclicChooser, Odometer, RandomChooser
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
from sdtui.core.dynamic_prompts.parser import parse

_PLACE = re.compile("[…᠁⋮⋯⋰⋱︙]+|\\.{3,}")
"""What stands in a wrapper for the text that it is put around, in the library `dynamicprompts`."""
_DEEPEST = 60
"""Parts inside parts, through wildcards and variables too."""
_MOST_PARTS = 10_000
"""Parts of one prompt that are worked out."""
_LONGEST = 32_000
"""Characters of a prompt."""


class Wildcards(Protocol):
    """The lines of wildcard files."""

    @property
    def problems(self) -> Mapping[Path, str]:
        """What is wrong with files that can't be read, of those that were needed."""
        ...

    def lines(self, name: str) -> Sequence[WeightedText]:
        """Return the lines of all files that a name matches, none if there is no such file."""
        ...


@dataclass(frozen=True)
class WeightedText:
    """A line of a wildcard file."""

    text: str
    weight: float = 1.0


@dataclass(frozen=True)
class Expansion:
    """What several texts become for one picture."""

    texts: tuple[str, ...]
    notices: tuple[str, ...] = ()
    """What couldn't be worked out, in sentences without a full stop."""
    is_last: bool = False
    """True if all combinations were made; the next expansion begins again."""


def expand(
    texts: Sequence[str],
    wildcards: Wildcards,
    seeds: Iterable[int],
    *,
    is_combinatorial: bool = False,
) -> Iterator[Expansion]:
    """Yield what texts become for each picture of a batch, whose seeds are given. Never raises.

    The same texts, files and seed become the same, unless they have cyclic or combinatorial parts:
    then they depend on the picture's number in the batch. With `is_combinatorial`, parts without a
    mark are combinatorial.
    """
    odometer = Odometer()
    for number, seed in enumerate(seeds):
        notices: dict[str, None] = {}
        expanded = []
        for place, text in enumerate(texts):
            by_chance = RandomChooser(f"{seed} {place}")
            choosers: dict[Sampling, Chooser] = {
                Sampling.RANDOM: by_chance,
                Sampling.CYCLIC: CyclicChooser(number),
                Sampling.COMBINATORIAL: odometer,
                Sampling.DEFAULT: odometer if is_combinatorial else by_chance,
            }
            expander = _Expander(wildcards, choosers, notices)
            expanded.append(expander.expand(text))
        yield Expansion(tuple(expanded), tuple(notices), is_last=not odometer.advance())


@dataclass(frozen=True)
class _Scope:
    """What surrounds a part."""

    variables: dict[str, Content | str]
    """Contents are worked out for each use."""
    names: tuple[str, ...] = ()
    """The wildcards and variables in whose values the part stands."""
    depth: int = 0

    def inner(self, *names: str) -> _Scope:
        """The scope of a part of this one, in the values of these names."""
        return _Scope(self.variables, (*self.names, *names), self.depth + 1)


class _Expander:
    """Works out one text for one picture."""

    def __init__(
        self,
        wildcards: Wildcards,
        choosers: Mapping[Sampling, Chooser],
        notices: dict[str, None],
    ) -> None:
        """`notices` is filled."""
        self._wildcards = wildcards
        self._choosers = choosers
        self._notices = notices
        self._parts = 0
        self._length = 0

    def expand(self, text: str) -> str:
        content = parse(text)
        if content == (text,):
            return text
        result = self._content(content, _Scope({}))
        return result if len(content) == 1 and isinstance(content[0], str) else result.strip()

    def _content(self, content: Content, scope: _Scope) -> str:
        return "".join([self._node(node, scope) for node in content])

    def _node(self, node: Node, scope: _Scope) -> str:
        self._parts += 1
        if isinstance(node, str):
            self._length += len(node)
            return node if self._length <= _LONGEST else ""
        if self._parts > _MOST_PARTS or self._length > _LONGEST:
            self._notice("the prompt becomes too long, so its end is missing")
            return ""
        if scope.depth > _DEEPEST:
            self._notice("parts of the prompt are nested too deeply, so they stay as written")
            return node.source
        match node:
            case Variants():
                return self._variants(node, scope.inner())
            case Wildcard():
                return self._wildcard(node, scope)
            case Variable():
                return self._variable(node, scope)
            case Wrap():
                return self._wrap(node, scope.inner())
            case Assignment():
                self._assign(node, scope, scope.inner())
                return ""

    def _notice(self, text: str) -> None:
        self._notices[text] = None

    # Options

    def _variants(self, node: Variants, scope: _Scope) -> str:
        options: Sequence[Option | WeightedText] = node.options
        if (node.least, node.most) == (1, 1):
            return self._content(node.options[self._choose(node.sampling, options)].content, scope)
        only = node.options[0].content
        if len(options) == 1 and len(only) == 1 and isinstance(only[0], Wildcard):
            name = self._name_of(only[0], scope)
            if name not in scope.names:
                options = self._lines(name) or options
                scope = scope.inner(name) if options is not node.options else scope
        most = len(options) if node.most is None else min(node.most, len(options))
        least = min(node.least, most)
        count = least + self._choosers[node.sampling].choose([1.0] * (most - least + 1))
        remaining, parts = list(options), []
        for _ in range(count):
            chosen = remaining.pop(self._choose(node.sampling, remaining))
            content = chosen.content if isinstance(chosen, Option) else parse(chosen.text)
            parts.append(self._content(content, scope))
        return node.separator.join(filter(None, parts))

    def _choose(self, sampling: Sampling, options: Sequence[Option | WeightedText]) -> int:
        if len(options) == 1:
            return 0
        return self._choosers[sampling].choose([each.weight for each in options])

    def _wrap(self, node: Wrap, scope: _Scope) -> str:
        """Return the inner text in its wrapper; behind it, if that has no place for it."""
        before, *after = _PLACE.split(self._content(node.wrapper, scope), maxsplit=1)
        return "".join((before, self._content(node.inner, scope), *after))

    # Wildcards

    def _wildcard(self, node: Wildcard, scope: _Scope) -> str:
        name = self._name_of(node, scope)
        if name in scope.names:
            self._notice(f"the wildcard {name} contains itself, so it stays as written there")
            return node.source
        lines = self._lines(name)
        if not lines:
            return node.source
        inner = scope.inner(name)
        if node.parameters:
            inner = replace(inner, variables=dict(scope.variables))
            for parameter in node.parameters:
                self._assign(parameter, inner, scope.inner())
        return self._content(parse(lines[self._choose(node.sampling, lines)].text), inner)

    def _name_of(self, node: Wildcard, scope: _Scope) -> str:
        """Return a wildcard's name with the values of the variables in it."""
        if "${" not in node.name:
            return node.name
        return self._content(parse(node.name), scope.inner())

    def _lines(self, name: str) -> Sequence[WeightedText]:
        lines = self._wildcards.lines(name)
        if not lines:
            self._notice(f"there is no wildcard {name}, or it is empty, so it stays as written")
            for path, problem in self._wildcards.problems.items():
                self._notice(f"the wildcards in {path.name} can't be read: {problem}")
        return lines

    # Variables

    def _variable(self, node: Variable, scope: _Scope) -> str:
        value = scope.variables.get(node.name, node.default)
        if value is None:
            self._notice(f"the variable {node.name} has no value, so it stays as written")
            return node.source
        if isinstance(value, str):
            self._length += len(value)
            return value
        name = f"${node.name}"
        if name in scope.names:
            self._notice(f"the variable {node.name} contains itself, so it stays as written there")
            return node.source
        return self._content(value, scope.inner(name))

    def _assign(self, node: Assignment, into: _Scope, scope: _Scope) -> None:
        value = self._content(node.value, scope) if node.is_immediate else node.value
        into.variables[node.name] = value
