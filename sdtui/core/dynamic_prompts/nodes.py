"""The parts of a parsed dynamic prompt."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Sampling(StrEnum):
    """How an option is chosen; the value is the mark in the prompt."""

    DEFAULT = ""
    RANDOM = "!"
    CYCLIC = "~"
    """Each picture of a batch has the next option."""
    COMBINATORIAL = "@"
    """The pictures of a batch have all combinations, in order."""


@dataclass(frozen=True)
class Option:
    """One of the alternatives of Variants."""

    content: Content
    weight: float = 1.0


@dataclass(frozen=True)
class Variants:
    """`{a|2::b}` or `{1-2$$ and $$a|b|c}`: some of the options."""

    source: str
    """As it is written, braces and all."""
    options: tuple[Option, ...]
    least: int = 1
    most: int | None = 1
    """How many options are taken; None = as many as there are."""
    separator: str = ","
    """Between several options."""
    sampling: Sampling = Sampling.DEFAULT


@dataclass(frozen=True)
class Assignment:
    """`${name=value}`: gives a variable its value, which is chosen anew for each use, or once."""

    source: str
    name: str
    value: Content
    is_immediate: bool = False


@dataclass(frozen=True)
class Variable:
    """`${name}` or `${name:default}`."""

    source: str
    name: str
    default: Content | None = None


@dataclass(frozen=True)
class Wildcard:
    """`__name__` or `__name(x=1)__`: a line of the files that the name matches."""

    source: str
    name: str
    """May hold `*`, `**` and variables."""
    parameters: tuple[Assignment, ...] = ()
    sampling: Sampling = Sampling.DEFAULT


@dataclass(frozen=True)
class Wrap:
    """`%{a … b$$text}`: a text in place of the ellipsis in another."""

    source: str
    wrapper: Content
    inner: Content


Node: TypeAlias = str | Variants | Assignment | Variable | Wildcard | Wrap
"""A text stands for itself."""

Content: TypeAlias = tuple[Node, ...]
