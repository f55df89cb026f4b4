"""Editing: pictures that a model changes or combines as the prompt says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from sdtui.core.fields import FieldSpec, Section
from sdtui.core.text import named_in_utf8

MOST_REFERENCES = 10
"""Pictures; FLUX.2 was trained with up to ten (its model card)."""


def _named_in_utf8(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    """Raise ValueError for names that no text can hold."""
    return tuple(map(named_in_utf8, paths))


@dataclass(frozen=True)
class Editing(Section):
    """The references of an editing model. An init image precedes them, unless it has a mask."""

    references: Annotated[
        tuple[Path, ...],
        FieldSpec(
            label="References",
            help="Pictures that an editing model (FLUX.2, FLUX.1 Kontext, Qwen-Image-Edit) uses"
            " besides the prompt. An init image is the first of them.",
            flags=("--reference",),
            group="Start from",
            letter="j",
            check=_named_in_utf8,
            max_length=MOST_REFERENCES,
            open_text="none",
        ),
    ] = ()
