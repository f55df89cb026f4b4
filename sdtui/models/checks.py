"""What a model can't do, found before it is loaded."""

from __future__ import annotations

from collections.abc import Mapping

from sdtui.core.errors import InvalidRequestError, Problem
from sdtui.models.description import ModelDescription
from sdtui.models.scheduler_kinds import replacement
from sdtui.requests.request import GenerationRequest


def check_values(description: ModelDescription, request: GenerationRequest) -> None:
    """Raise InvalidRequestError if a request has a size or a sampler that its model, so described,
    can't be used with."""
    sides = {"width": request.width, "height": request.height}
    check_sides(
        {name: side for name, side in sides.items() if side is not None},
        description.size_multiple,
        description.name,
    )
    if request.sampler is not None and description.scheduler:
        replacement(request.sampler, description.scheduler)


def check_sides(sides: Mapping[str, int], multiple: int, model: str) -> None:
    """Raise InvalidRequestError if width or height, in pixels, are no multiples of `multiple`.
    `model` is what messages call the model."""
    problems = [
        Problem(
            name,
            side,
            f"must be a multiple of {multiple} for {model}, not {side}: "
            f"{side // multiple * multiple or multiple} or {-(-side // multiple) * multiple}",
        )
        for name, side in sides.items()
        if side % multiple
    ]
    if problems:
        raise InvalidRequestError(problems)
