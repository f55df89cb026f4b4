"""The size in which a picture begins: one that its model draws well at once."""

from __future__ import annotations

import math

from sdtui.models.description import ModelDescription
from sdtui.models.ignored import starts_from_pictures
from sdtui.models.own_sizes import Size
from sdtui.requests.request import SMALLEST_SIDE, GenerationRequest

_LARGEST_SCALE = 8.0
"""Of `hires_scale`. The sides of the finished picture count, whatever the scale is."""


def begun_smaller(description: ModelDescription, request: GenerationRequest) -> GenerationRequest:
    """Return a request with hires fix if its picture is larger than what the model draws well at
    once; else the same request.

    A request that has hires fix is left as it is, and so is one with a picture that says what is
    where: an init image, a reference or one to upscale.
    """
    native = description.native
    width, height = request.width or native.width, request.height or native.height
    has_picture = (
        request.image_to_image is not None
        or request.editing.references
        or request.upscale.image is not None
    )
    if not width or not height or has_picture or request.hires is not None:
        return request
    first = first_size(description, (width, height))
    if first is None:
        return request
    return request.changed(
        width=first[0],
        height=first[1],
        hires_scale=scale_between(first, (width, height)),
        hires_width=width,
        hires_height=height,
    )


def first_size(description: ModelDescription, size: Size) -> Size | None:
    """Return the size in which a picture without others to start from begins, in the same shape
    with about the native area; None if it is drawn at once."""
    native, above = description.native, description.hires_above
    if above is None or not (native.width and native.height and starts_from_pictures(description)):
        return None
    area = math.prod(size)
    if area <= above**2:
        return None
    scale = math.sqrt(min(native.width * native.height, above**2) / area)
    # No side gets smaller than pictures may be, as the shape is kept.
    scale = max(scale, SMALLEST_SIDE / min(size))
    multiple = description.size_multiple
    width, height = (max(1, round(side * scale / multiple)) * multiple for side in size)
    return (width, height) if width < size[0] and height < size[1] else None


def scale_between(first: Size, finished: Size) -> float:
    """Return how many times larger the finished picture is, as `hires_scale` says it."""
    scale = max(after / before for before, after in zip(first, finished, strict=True))
    return min(_LARGEST_SCALE, round(scale, 2))
