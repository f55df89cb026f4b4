"""The record of an upscaled picture: the recipe of the picture that it was made of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sdtui.core.enums import UNKNOWN_MODEL
from sdtui.requests.record import GenerationRecord, ImageRecord, ImageSettings

_USED = (
    *("upscaler", "upscaler_hash", "second_upscaler", "second_upscaler_visibility"),
    "second_upscaler_hash",
)
"""The settings of an upscaled picture that its original hasn't."""
_UNKNOWN = dict.fromkeys(("batch_size", "vae_slicing", "vae_tiling"))
"""Settings of pictures that no model of the run made."""


def upscaled_record(record: GenerationRecord, source: GenerationRecord | None) -> GenerationRecord:
    """Return the record of a run that upscaled a picture, with the recipe of `source`, the record
    of that picture; without a recipe if that is None. One of a run with a model has its own.

    The same picture can be made from the recipe alone, unless it was upscaled before: then its
    request names the picture.
    """
    if record.model is not None or not record.images:
        return record
    upscale = record.request.upscale
    used = _used(record.settings)
    if source is None or not source.images:
        size = record.images[0]
        settings = ImageSettings.model_validate(
            {**_UNKNOWN, **used, "width": size.width, "height": size.height}
        )
        request = replace(record.request, model=UNKNOWN_MODEL)
        changes = {"request": request, "settings": settings, "seed": None}
        return _with_images(record, changes, {"seed": None, "variation_seed": None})
    if not source.request.upscale.is_wanted:
        upscale = replace(upscale, image=None)
    made = source.settings
    changes = {
        "prompt": source.prompt,
        "negative_prompt": source.negative_prompt,
        "seed": source.seed,
        "request": replace(source.request, upscale=upscale, num_images_per_prompt=1),
        "settings": None if made is None else _made_and_upscaled(made, used),
        "model": source.model,
        "dtype": source.dtype,
    }
    before: ImageRecord = source.images[0]
    seeds = {"seed": before.seed, "variation_seed": before.variation_seed}
    return _with_images(record, changes, seeds)


def _used(settings: ImageSettings | None) -> dict[str, Any]:
    """Return what a picture was upscaled with."""
    return {} if settings is None else {name: value for name, value in settings if name in _USED}


def _made_and_upscaled(made: ImageSettings, used: dict[str, Any]) -> ImageSettings:
    others = {name: value for name, value in made if name not in _USED}
    return ImageSettings.model_validate({**others, **used})


def _with_images(
    record: GenerationRecord, changes: dict[str, Any], of_images: dict[str, Any]
) -> GenerationRecord:
    images = tuple(each.model_copy(update=of_images) for each in record.images)
    return record.model_copy(update={**changes, "images": images})
