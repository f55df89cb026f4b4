"""What is said before a run about the size that was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sdtui.models import ModelDescription, NativeValues, run_notices
from sdtui.models.pipeline_traits import traits_of
from tests.support.requests import make_request


def _model(pipeline_class: str, side: int, **values: Any) -> ModelDescription:
    return ModelDescription(
        path=Path("m"),
        family=pipeline_class,
        pipeline_class=pipeline_class,
        parameters={},
        native=NativeValues(side, side, guidance_scale=5),
        traits=traits_of(pipeline_class),
        **values,
    )


def test_size_that_a_model_replaces_is_said_before_the_run() -> None:
    model = _model("HiDreamImagePipeline", 1024)
    request = make_request(Path("m"), width=512, height=384)
    assert run_notices("m", model, request) == [
        "HiDream-I1 makes pictures in sizes of its own: 1168x880 in place of 512x384"
    ]
    assert not run_notices("m", model, make_request(Path("m"), width=1024, height=1024))


@pytest.mark.parametrize(
    ("values", "is_said"),
    [
        ({"width": 1024, "height": 1024}, True),
        ({"width": 2048, "height": 512}, True),
        ({"width": 1024, "height": 960}, False),
        ({"width": 1024, "height": 1024, "init_image": "a.png"}, False),
        ({"width": 1024, "height": 1024, "controls": ["canny:a.png"]}, False),
        ({"width": 512, "height": 512, "hires_scale": 4}, False),
    ],
)
def test_size_far_above_what_a_model_was_made_for_is_said(
    values: dict[str, Any], *, is_said: bool
) -> None:
    model = _model("StableDiffusionPipeline", 512)
    notices = run_notices("m", model, make_request(Path("m"), **values))
    assert any("hires fix" in notice for notice in notices) == is_said


def test_picture_that_begins_smaller_is_said_with_its_size() -> None:
    model = _model("StableDiffusionPipeline", 512, hires_above=768)
    request = make_request(Path("m"), width=1024, height=1024)
    assert run_notices("m", model, request) == [
        "1024x1024 is more than Stable Diffusion draws well at once: it begins with 512x512, and "
        "hires fix enlarges it"
    ]
