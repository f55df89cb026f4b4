"""The fields in which two pictures' records differ."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from sdtui.requests.request import REQUEST_FIELDS
from sdtui.tui.record_text import field_label, value_text

if TYPE_CHECKING:
    from sdtui.requests.record import GenerationRecord

_PARTS = re.compile(r"\s+|\w+|[^\w\s]")
_PROMPTS = tuple(field_label(name) for name in ("prompt", "negative_prompt"))
_CONTEXT = 12
"""Parts of a text (words, blanks, marks) that are kept before and after a changed one."""


@dataclass(frozen=True)
class DifferentField:
    """A field with two values."""

    label: str
    first: str
    second: str
    is_text: bool = False
    """True for prompts, whose changed words are of interest."""


@dataclass(frozen=True)
class TextPart:
    """A part of a text that was compared with another."""

    text: str
    is_changed: bool


def different_fields(
    first: GenerationRecord, second: GenerationRecord
) -> tuple[DifferentField, ...]:
    """Return the fields in which two pictures differ, in the order of the form."""
    left, right = _texts(first), _texts(second)
    return tuple(
        DifferentField(label, text, right[label], label in _PROMPTS)
        for label, text in left.items()
        if text != right[label]
    )


def _texts(record: GenerationRecord) -> dict[str, str]:
    """Return the values of a picture's fields as texts, by their labels."""
    values = record.values()
    if record.model is not None:
        values["model"] = record.model.name
    used = {"dtype": record.dtype, "memory_mode": record.memory_mode}
    values |= {name: value for name, value in used.items() if value is not None}
    texts = {field_label(name): _text(name, values.get(name)) for name in REQUEST_FIELDS}
    for name in ("width", "height"):
        del texts[field_label(name)]
    return {**texts, "Size": f"{values['width']}×{values['height']}"}


def _text(name: str, value: Any) -> str:
    if value is None:
        return "unknown" if name == "seed" else REQUEST_FIELDS[name].spec.open_text
    return value_text(value)


def changed_parts(first: str, second: str) -> tuple[tuple[TextPart, ...], tuple[TextPart, ...]]:
    """Return two texts in parts that are the same or not, word by word. What is the same is
    shortened to its ends."""
    left, right = _PARTS.findall(first), _PARTS.findall(second)
    # Without autojunk, words that are repeated hundreds of times would take minutes.
    matcher = SequenceMatcher(None, left, right)
    parts: tuple[list[TextPart], list[TextPart]] = ([], [])
    for kind, begin, end, begin_right, end_right in matcher.get_opcodes():
        runs = (left[begin:end], right[begin_right:end_right])
        is_start = begin == begin_right == 0
        is_end = (end, end_right) == (len(left), len(right))
        for found, run in zip(parts, runs, strict=True):
            if run:
                text = _shortened(run, is_start, is_end) if kind == "equal" else "".join(run)
                found.append(TextPart(text, kind != "equal"))
    return tuple(parts[0]), tuple(parts[1])


def _shortened(run: Sequence[str], is_start: bool, is_end: bool) -> str:
    """Return what is the same before, between or after changes, without what is far from them."""
    before, after = (0 if is_start else _CONTEXT), (0 if is_end else _CONTEXT)
    if len(run) <= before + after + 1:
        return "".join(run)
    return f"{''.join(run[:before])}…{''.join(run[len(run) - after :])}"
