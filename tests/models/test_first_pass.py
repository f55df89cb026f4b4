"""Pictures that are larger than what their model draws well begin smaller."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdtui.models import ModelDescription, NativeValues
from sdtui.models.first_pass import begun_smaller
from sdtui.models.pipeline_traits import traits_of
from tests.support.requests import make_request

_MODEL = ModelDescription(
    path=Path("m"),
    family="sd1",
    pipeline_class="StableDiffusionPipeline",
    parameters={},
    native=NativeValues(512, 512),
    traits=traits_of("StableDiffusionPipeline"),
    hires_above=640,
)


@pytest.mark.parametrize(
    ("size", "first", "scale"),
    [
        ((1024, 1024), (512, 512), 2),
        ((768, 768), (512, 512), 1.5),
        ((1024, 768), (592, 440), 1.75),
        ((768, 1360), (384, 680), 2),
        ((2048, 256), (1448, 184), 1.41),
        ((2048, 2048), (512, 512), 4),
    ],
)
def test_first_pass_has_about_the_native_area_and_the_same_shape(
    size: tuple[int, int], first: tuple[int, int], scale: float
) -> None:
    request = make_request(Path("m"), width=size[0], height=size[1])
    smaller = begun_smaller(_MODEL, request)
    assert (smaller.width, smaller.height) == first
    assert smaller.hires is not None
    assert (smaller.hires.width, smaller.hires.height) == size
    assert smaller.hires.scale == scale
    assert smaller.hires.enlarged(*first, 8).size == size
    assert smaller.seed == request.seed


@pytest.mark.parametrize(
    "values",
    [
        {"width": 640, "height": 640},
        {"width": 1024, "height": 400},  # the same number of pixels
        {"width": None, "height": None},
        {"hires_scale": 2},
        {"init_image": "a.png"},
        {"upscale_image": "a.png", "upscale_factor": 2},
    ],
)
def test_other_requests_stay_as_they_are(values: dict[str, Any]) -> None:
    request = make_request(Path("m"), **{"width": 1024, "height": 1024, **values})
    assert begun_smaller(_MODEL, request) is request


@pytest.mark.parametrize(("size", "first"), [((512, 80), (408, 64)), ((1024, 64), (1024, 64))])
def test_no_side_gets_smaller_than_pictures_may_be(
    size: tuple[int, int], first: tuple[int, int]
) -> None:
    small = replace(_MODEL, native=NativeValues(128, 128), hires_above=144)
    smaller = begun_smaller(small, make_request(Path("m"), width=size[0], height=size[1]))
    assert (smaller.width, smaller.height) == first


def test_the_finished_size_counts_where_the_scale_would_be_beyond_its_limit() -> None:
    small = replace(_MODEL, native=NativeValues(128, 128), hires_above=144)
    smaller = begun_smaller(small, make_request(Path("m"), width=2048, height=2048))
    assert smaller.hires is not None
    assert (smaller.hires.scale, smaller.hires.width) == (8, 2048)


def test_models_that_do_not_say_so_draw_every_size_at_once() -> None:
    request = make_request(Path("m"), width=2048, height=2048)
    assert begun_smaller(replace(_MODEL, hires_above=None), request) is request


def test_family_that_cannot_go_on_from_pictures_draws_every_size_at_once() -> None:
    name = "SanaPipeline"
    sana = replace(_MODEL, pipeline_class=name, family=name, traits=traits_of(name))
    request = make_request(Path("m"), width=2048, height=2048)
    assert begun_smaller(sana, request) is request


def test_native_size_may_be_one_that_begins_smaller() -> None:
    large = replace(_MODEL, native=NativeValues(1024, 1024))
    smaller = begun_smaller(large, make_request(Path("m"), width=None, height=None))
    assert (smaller.width, smaller.height) == (640, 640)
    assert smaller.hires is not None
    assert (smaller.hires.width, smaller.hires.height) == (1024, 1024)


def test_pictures_of_control_nets_do_not_hinder_it() -> None:
    request = make_request(Path("m"), width=1024, height=1024, controls=["canny:a.png"])
    assert begun_smaller(_MODEL, request).width == 512
