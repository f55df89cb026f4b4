"""The init images of clients: sizes that fit them, and several in one request."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sdtui.core.errors import SdtuiError
from sdtui.requests.request import GenerationRequest
from sdtui.requests.shapes import size_of_shape
from sdtui.server.dependencies import ServerServices
from sdtui.server.errors import from_sdtui


async def with_each_init_image(
    services: ServerServices, request: GenerationRequest, others: Sequence[str]
) -> list[GenerationRequest]:
    """Return a request for each picture of `request`, which take its init image and `others` in
    turn; `request` itself without others. `others` are base64, data URLs or the names of received
    pictures. If one can't be used, the files of the request are forgotten, too.

    Raises ApiError.
    """
    if not others:
        return [request]
    start = request.image_to_image
    assert start is not None
    try:
        paths = [start.image, *await asyncio.to_thread(_stored, services, others)]
    except SdtuiError as error:
        services.uploads.forget(request.input_images().values())
        raise from_sdtui(error) from error
    return [
        replace(
            counted_on(request, request, done=number, count=1),
            image_to_image=replace(start, image=paths[number % len(paths)]),
        )
        for number in range(request.num_images_per_prompt)
    ]


def counted_on(
    request: GenerationRequest, first: GenerationRequest, *, done: int, count: int
) -> GenerationRequest:
    """Return a request for `count` pictures, whose seeds are those that `first` has after `done`
    pictures."""
    whole = replace(request, seed=first.seed, noise=first.noise, num_images_per_prompt=done + count)
    return whole.without_first(done)


def size_like(services: ServerServices, model: str | None, data: bytes) -> dict[str, int]:
    """Return a size with the aspect ratio of a picture and about as many pixels as the model's
    native size. Raises SdtuiError for a damaged picture, and for a missing or damaged model."""
    shape = services.uploads.check(data)
    models, name = services.models, services.models.resolve(model)
    width, height = size_of_shape(shape, models.native_size(name), models.size_multiple(name))
    return {"width": width, "height": height}


def _stored(services: ServerServices, pictures: Sequence[str]) -> list[Path]:
    """Return the paths of pictures after they are stored. Raises ImageError or OutputError."""
    files = {services.uploads.path_for(each): each for each in pictures}
    services.uploads.keep(files)
    return list(files)
