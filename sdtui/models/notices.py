"""What to say before a run about what a model makes of a request."""

from __future__ import annotations

from collections.abc import Iterator

from sdtui.models.description import ModelDescription
from sdtui.models.first_pass import begun_smaller
from sdtui.models.ignored import ignored_fields, left_out_text
from sdtui.models.own_sizes import own_size
from sdtui.requests.request import GenerationRequest

_TOO_LARGE = 4
"""Times as many pixels as a model was made for: twice its width and height."""


def run_notices(model: str, description: ModelDescription, request: GenerationRequest) -> list[str]:
    """Return what to say before a run about what the model, of this name, makes of a request."""
    notices = [left_out_text(model, name) for name in ignored_fields(description, request)]
    return [*notices, *_size_notices(description, request)]


def _size_notices(description: ModelDescription, request: GenerationRequest) -> Iterator[str]:
    """Yield what to say if the picture isn't drawn in the size that was asked for, or shouldn't."""
    native, family = description.native, description.family_name
    width, height = request.width or native.width, request.height or native.height
    if not (native.width and native.height and width and height):
        return
    area = native.width * native.height
    own = own_size(description.pipeline_class, (width, height), area)
    smaller = begun_smaller(description, request)
    if own != (width, height):
        yield (
            f"{family} makes pictures in sizes of its own: "
            f"{own[0]}x{own[1]} in place of {width}x{height}"
        )
    elif smaller is not request:
        yield (
            f"{width}x{height} is more than {family} draws well at once: it begins with "
            f"{smaller.width}x{smaller.height}, and hires fix enlarges it"
        )
    elif width * height >= _TOO_LARGE * area and _begins_with_noise(request):
        yield (
            f"{width}x{height} is far more than {family}'s own {native.width}x{native.height}, "
            "forms may repeat or blur: hires fix enlarges a smaller picture"
        )


def _begins_with_noise(request: GenerationRequest) -> bool:
    """Return whether no picture says what is where."""
    values = request.values()
    return not any(values[name] for name in ("init_image", "controls", "references"))
