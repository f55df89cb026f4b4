"""Whether a request has the pictures that its model takes is known before it is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sdtui.core.errors import InvalidRequestError
from sdtui.models import ModelDescription, NativeValues, check_values
from sdtui.models.pipeline_traits import traits_of
from tests.support.requests import make_request


@pytest.mark.parametrize(
    ("pipeline", "values", "problem"),
    [
        ("Flux2KleinPipeline", {"init_image": "a", "references": ["b", "c"]}, ""),
        ("Flux2KleinPipeline", {}, ""),
        ("FluxKontextPipeline", {"references": ["a"]}, ""),
        ("FluxKontextPipeline", {"references": ["a", "b"]}, "takes one picture, not 2"),
        ("FluxKontextPipeline", {"init_image": "a", "references": ["b"]}, "takes one picture"),
        ("FluxKontextPipeline", {"init_image": "a", "mask_image": "m", "references": ["b"]}, ""),
        (
            "Flux2KleinPipeline",
            {"init_image": "a", "mask_image": "m", "references": ["b", "c"]},
            "only one beside a mask",
        ),
        ("FluxPipeline", {"references": ["a"]}, "Flux.1 takes none"),
        ("QwenImageEditPlusPipeline", {"references": ["a"]}, ""),
        ("QwenImageEditPlusPipeline", {"upscale_image": "a", "upscale_factor": 2}, ""),
        (
            "QwenImageEditPlusPipeline",
            {"init_image": "a", "hires_scale": 2},
            "makes no second pass",
        ),
        ("QwenImageEditPlusPipeline", {}, "Qwen-Image-Edit changes a picture"),
    ],
)
def test_pictures_of_a_request_are_those_that_its_model_takes(
    pipeline: str, values: dict[str, Any], problem: str
) -> None:
    traits = traits_of(pipeline)
    model = ModelDescription(Path("m"), pipeline, pipeline, {}, NativeValues(), traits=traits)
    request = make_request(Path("m"), **values)
    if not problem:
        check_values(model, request)
        return
    with pytest.raises(InvalidRequestError, match=problem):
        check_values(model, request)
