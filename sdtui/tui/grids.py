"""Grids as the app asks for them: axes by the letters of fields, and one value over several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sdtui.tui.fields import field_text

if TYPE_CHECKING:
    from sdtui.requests.grids import Axis, Grid
    from sdtui.requests.request import GenerationRequest

LETTERS = ("X", "Y", "Z")
_SIZE = {"width", "height"}


def axis_letters() -> Mapping[str, str]:
    """Return the labels of the axes that have a key: letter → label."""
    from sdtui.requests.grids import axis_kinds

    found = {kind.letter: kind.label for kind in axis_kinds() if kind.letter}
    return {"p": "Prompt S/R", **found}


def parse_axes(texts: Sequence[str], request: GenerationRequest) -> list[Axis]:
    """Return the axes for texts such as "t=10-30 [3]" or "steps=10,20"; an empty text is no axis.
    Raises InvalidRequestError."""
    from sdtui.requests.grids import NOTHING, make_axis, parse_axis

    letters = axis_letters()
    axes = []
    for letter, text in zip(LETTERS, texts, strict=True):
        name, equals, values = text.strip().partition("=")
        if not text.strip():
            axes.append(make_axis(letter, NOTHING, "", request))
        elif equals and name.strip() in letters:
            axes.append(make_axis(letter, letters[name.strip()], values.strip(), request))
        else:
            axes.append(parse_axis(letter, text.strip(), request))
    return axes


def as_grid(requests: Sequence[GenerationRequest]) -> Grid | None:
    """Return the grid of requests that differ in one field or in their size alone; None if there is
    only one, or if they differ in more."""
    from sdtui.requests.grids import Axis, Grid, GridOptions, field_kind, find_axis_kind

    values = [request.values() for request in requests]
    differing = {
        name for name in values[0] if any(each[name] != values[0][name] for each in values)
    }
    if not differing or (len(differing) > 1 and differing != _SIZE):
        return None
    if differing <= _SIZE:
        kind = find_axis_kind("Size")
        texts = [f"{each['width']}x{each['height']}" for each in values]
    else:
        (name,) = differing
        kind = field_kind(name)
        texts = [field_text(each[name]) for each in values]
    axis = Axis(kind, tuple(texts), ",".join(texts))
    return Grid(requests[0], [axis], GridOptions(keeps_random_seeds=True))
