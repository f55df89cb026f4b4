"""The record of an upscaled picture: the recipe of the picture that it was made of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sdtui.core.enums import UNKNOWN_MODEL
from sdtui.core.upscaler_names import LANCZOS
from sdtui.requests.record import GenerationRecord, ImageRecord, ImageSettings


def upscaled_record(record: GenerationRecord, source: GenerationRecord | None) -> GenerationRecord:
    """Return the record of a run that upscaled a picture, with the recipe of `source`, the record
    of that picture; without a recipe if that is None. One of a run with a model has its own.

    The same picture can be made from the recipe alone, unless it was upscaled before: then its
    request names the picture.
    """
    if record.model is not None or not record.images:
        return record
    upscale = record.request.upscale
    used = {"upscaler": upscale.upscaler or LANCZOS}
    if source is None or not source.images:
        size = record.images[0]
        settings = ImageSettings.model_validate(
            {
                "width": size.width,
                "height": size.height,
                **dict.fromkeys(("batch_size", "vae_slicing", "vae_tiling")),
                **used,
            }
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
        "settings": made.model_copy(update=used) if made is not None else None,
        "model": source.model,
        "dtype": source.dtype,
    }
    before: ImageRecord = source.images[0]
    seeds = {"seed": before.seed, "variation_seed": before.variation_seed}
    return _with_images(record, changes, seeds)


def _with_images(
    record: GenerationRecord, changes: dict[str, Any], of_images: dict[str, Any]
) -> GenerationRecord:
    images = tuple(each.model_copy(update=of_images) for each in record.images)
    return record.model_copy(update={**changes, "images": images})
