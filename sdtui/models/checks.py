"""What a model can't do, found before it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sdtui.core.errors import InvalidRequestError, Problem
from sdtui.models.description import ModelDescription
from sdtui.models.scheduler_kinds import replacement
from sdtui.requests.request import GenerationRequest


def check_values(description: ModelDescription, request: GenerationRequest) -> None:
    """Raise InvalidRequestError if a request has a size, a sampler or pictures that its model, so
    described, can't be used with."""
    _check_pictures(description, request)
    sides = {"width": request.width, "height": request.height}
    given = {name: side for name, side in sides.items() if side is not None}
    problems = _wrong_sides(given, description.size_multiple, description.name)
    samplers = {"sampler": request.sampler}
    if request.hires is not None and request.hires.model is None:
        samplers["hires_sampler"] = request.hires.sampler
    for name, label in samplers.items():
        if label is not None and description.scheduler:
            try:
                replacement(label, description.scheduler)
            except InvalidRequestError as error:
                problems.extend(replace(each, field=name) for each in error.problems)
    if problems:
        raise InvalidRequestError(problems)


def _check_pictures(description: ModelDescription, request: GenerationRequest) -> None:
    """Raise InvalidRequestError if a request has fewer pictures than its model needs, or more than
    it takes."""
    traits, family = description.traits, description.family_name
    references = request.editing.references
    has_start = request.image_to_image is not None
    is_repainted = request.inpainting is not None or request.outpainting is not None
    has_pictures = has_start or references or request.upscale.image is not None
    count = len(references) + (has_start and not is_repainted)
    if references and not traits.edits:
        wrong = "references"
        message = f"{family} takes none: FLUX.2, FLUX.1 Kontext and Qwen-Image-Edit do"
    elif traits.needs_picture and not has_pictures:
        wrong = "init_image"
        message = f"{family} changes a picture, and makes none from text alone: name one"
    elif traits.needs_picture and request.hires is not None:
        wrong, message = "hires_scale", f"{family} makes no second pass: leave hires out"
    elif is_repainted and len(references) > 1:
        wrong, message = "references", "there may be only one beside a mask"
    elif count > 1 and not traits.several_references:
        wrong, message = "references", f"{family} takes one picture, not {count}"
    else:
        return
    raise InvalidRequestError([Problem(wrong, None, message)])


def check_sides(sides: Mapping[str, int], multiple: int, model: str) -> None:
    """Raise InvalidRequestError if width or height, in pixels, are no multiples of `multiple`.
    `model` is what messages call the model."""
    problems = _wrong_sides(sides, multiple, model)
    if problems:
        raise InvalidRequestError(problems)


def _wrong_sides(sides: Mapping[str, int], multiple: int, model: str) -> list[Problem]:
    return [
        Problem(
            name,
            side,
            f"must be a multiple of {multiple} for {model}, not {side}: "
            f"{side // multiple * multiple} or {-(-side // multiple) * multiple}",
        )
        for name, side in sides.items()
        if side % multiple
    ]
