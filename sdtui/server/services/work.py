"""How much a request asks for."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from PIL import Image

from sdtui.core.errors import InvalidRequestError, Problem
from sdtui.requests.request import SIZE_MULTIPLE, GenerationRequest
from sdtui.requests.sections.redraw import Redraw
from sdtui.requests.sections.upscale import UpscaledSize
from sdtui.server.services.served_models import ServedModels

_MEGA = 1e6


@dataclass(frozen=True)
class Work:
    """What a request asks for."""

    pixels: int
    """Width times height of the largest picture, with hires and upscaling."""
    megapixel_steps: float
    """Megapixels times steps, of all passes and pictures."""


def work_of(request: GenerationRequest, models: ServedModels) -> Work:
    """Return how much a request asks for; its pictures must be there. Reads the model's configs.

    Raises InvalidRequestError if a picture would become too large, and ModelError.
    """
    size, steps, pixels = _first_size(request, models), _steps(request, models), 0
    work = 0.0
    if request.upscale.image is None:
        work = size[0] * size[1] * steps
        if request.hires is not None:
            size = request.hires.enlarged(*size, SIZE_MULTIPLE).size
            work += size[0] * size[1] * (request.hires.steps or steps)
        pixels = size[0] * size[1]
    if request.upscale.is_wanted:
        try:
            upscaled = request.upscale.size_of(*size)
        except ValueError as error:
            raise InvalidRequestError([Problem("upscale_factor", None, str(error))]) from error
        pixels = max(pixels, upscaled.width * upscaled.height)
        if request.redraw is not None:
            work += _redrawn_pixels(request.redraw, upscaled) * steps
    return Work(pixels, work * request.num_images_per_prompt / _MEGA)


def check_work(
    requests: Iterable[GenerationRequest],
    models: ServedModels,
    most: float | None,
    whose: str = "this server's",
) -> None:
    """Raise InvalidRequestError if a request has more than `most` megapixels times steps; None = no
    limit. `whose` limit it is stands in the message."""
    for request in requests if most is not None else ():
        asked = work_of(request, models).megapixel_steps
        if most is not None and asked > most:
            message = (
                f"{asked:,.4g} megapixels times steps, of all passes and pictures, are more than "
                f"{whose} {most:,g}"
            )
            raise InvalidRequestError([Problem("num_inference_steps", asked, message)])


def _redrawn_pixels(redraw: Redraw, size: UpscaledSize) -> int:
    """Return the pixels of all tiles, each with its padding."""
    tiles = math.ceil(size.width / redraw.tile) * math.ceil(size.height / redraw.tile)
    return tiles * (redraw.tile + 2 * redraw.padding) ** 2


def _first_size(request: GenerationRequest, models: ServedModels) -> tuple[int, int]:
    """Return the size of the first pass, or of the picture that is upscaled in its place."""
    if request.upscale.image is not None:
        with suppress(OSError), Image.open(request.upscale.image) as image:
            return image.size
    if request.width is not None and request.height is not None:
        return request.width, request.height
    width, height = models.native_size(request.model)
    return request.width or width, request.height or height


def _steps(request: GenerationRequest, models: ServedModels) -> int:
    return request.num_inference_steps or models.native_steps(request.model)
