"""The size in which a picture begins: where its model draws well at once."""

from __future__ import annotations

import math

from sdtui.models.description import ModelDescription
from sdtui.models.ignored import starts_from_pictures
from sdtui.requests.request import SMALLEST_SIDE, GenerationRequest

_LARGEST_SCALE = 8.0
"""Of `hires_scale`. The sides of the finished picture count, whatever the scale is."""


def begun_smaller(description: ModelDescription, request: GenerationRequest) -> GenerationRequest:
    """Return a request with hires fix if its picture is larger than the model's `hires_above`, so
    that it begins in about the model's native size; else the same request.

    A request that has hires fix is left as it is, and so is one with a picture that says what is
    where: an init image, a reference or one to upscale.
    """
    native, above = description.native, description.hires_above
    width, height = request.width or native.width, request.height or native.height
    if above is None or not (native.width and native.height and width and height):
        return request
    if width * height <= above**2 or not _may_begin_smaller(description, request):
        return request
    area = min(native.width * native.height, above**2)
    scale = math.sqrt(area / (width * height))
    # No side gets smaller than pictures may be, as the shape is kept.
    scale = max(scale, SMALLEST_SIDE / min(width, height))
    multiple = description.size_multiple
    first = [max(1, round(side * scale / multiple)) * multiple for side in (width, height)]
    if first[0] >= width or first[1] >= height:
        return request
    return request.changed(
        width=first[0],
        height=first[1],
        hires_scale=min(_LARGEST_SCALE, round(max(width / first[0], height / first[1]), 2)),
        hires_width=width,
        hires_height=height,
    )


def _may_begin_smaller(description: ModelDescription, request: GenerationRequest) -> bool:
    has_picture = (
        request.image_to_image is not None
        or request.editing.references
        or request.upscale.image is not None
    )
    return request.hires is None and not has_picture and starts_from_pictures(description)
