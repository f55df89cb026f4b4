"""The request that makes a picture again in a larger size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sdtui.core.enums import UNKNOWN_MODEL
from sdtui.core.typed_paths import typed_text
from sdtui.tui.fields import field_text, form_texts, parse_form
from sdtui.tui.variations import picture_request

if TYPE_CHECKING:
    from sdtui.history import Entry
    from sdtui.requests.record import GenerationRecord
    from sdtui.requests.request import GenerationRequest


def hires_request(
    entry: Entry, made: GenerationRecord, recipe: Mapping[str, str], values: Mapping[str, Any]
) -> GenerationRequest:
    """Return the request for a hires pass that begins with a picture itself, with the prompts, the
    values and the seed of the record `made`, as the hires button of A1111's gallery does
    (`txt2img_upscale` in modules/txt2img.py).

    Fields of hires that aren't in `values` are as in `recipe`, the texts of the recipe, if that has
    hires. Raises InvalidRequestError.
    """
    from sdtui.requests.request import SIZE_MULTIPLE
    from sdtui.requests.sections.upscale import Upscale

    request = picture_request(made)
    plain = replace(
        request, inpainting=None, outpainting=None, hires=None, upscale=Upscale(), redraw=None
    )
    texts = form_texts(plain)
    if request.model == UNKNOWN_MODEL:
        texts["model"] = recipe["model"]
    if not request.prompt.strip():
        texts |= {name: recipe[name] for name in ("prompt", "negative_prompt")}
    if recipe["hires_scale"].strip():
        texts |= {name: text for name, text in recipe.items() if name.startswith("hires_")}
    texts |= {name: field_text(value) for name, value in values.items()}
    start = {
        "init_image": typed_text(entry.path),
        "strength": "0",
        "width": str(entry.width // SIZE_MULTIPLE * SIZE_MULTIPLE),
        "height": str(entry.height // SIZE_MULTIPLE * SIZE_MULTIPLE),
    }
    return parse_form({**texts, **start})
