"""A1111's scripts that upscale and redraw the picture of img2img."""

from __future__ import annotations

import base64
import io
from typing import Any

import httpx
import pytest
from PIL import Image

from sdtui.core.enums import TileOrder
from sdtui.server.api.a1111.scripts.upscale import parse_sd_upscale, parse_ultimate
from sdtui.server.errors import ApiError
from tests.support.images import png_base64

_ULTIMATE = ["", 64, 64, 4, 16, 64, 0.35, 32, 1, True, 1, False, 8, 2, 2, 0, 0, 2]
_VALUES = {"init_image": "x", "strength": 0.5, "width": 64, "height": 96, "prompt": "a cat"}
_UPSCALERS = ("None", "Lanczos", "Nearest")


def test_ultimate_sd_upscale_upscales_by_a_factor_and_redraws() -> None:
    assert parse_ultimate(_ULTIMATE).applied(_VALUES, _UPSCALERS) == {
        "prompt": "a cat",
        "width": 64,
        "height": 96,
        "upscale_image": "x",
        "upscaler": "Lanczos",
        "upscale_factor": 2.0,
        "redraw_strength": 0.5,
        "redraw_tile": 64,
        "redraw_mask_blur": 4,
        "redraw_padding": 16,
        "redraw_order": TileOrder.CHESS,
        "redraw_seams": True,
    }


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        (0, {"upscale_width": 64, "upscale_height": 96}),
        (1, {"upscale_width": 300, "upscale_height": 200}),
        (2, {"upscale_factor": 3.0}),
    ],
)
def test_size_is_that_of_the_request_an_own_one_or_a_factor(
    kind: int, size: dict[str, Any]
) -> None:
    values = parse_ultimate([*_ULTIMATE[:14], kind, 300, 200, 3]).applied(_VALUES, _UPSCALERS)
    names = ("upscale_factor", "upscale_width", "upscale_height")
    assert {name: values[name] for name in names if name in values} == size


def test_redraw_mode_none_upscales_alone() -> None:
    arguments = [*_ULTIMATE[:10], 2, *_ULTIMATE[11:]]
    values = parse_ultimate(arguments).applied(_VALUES, _UPSCALERS)
    assert not any(name.startswith("redraw") for name in values)


def test_sd_upscale_takes_tiles_of_the_requests_width() -> None:
    values = parse_sd_upscale(["", 64, "Nearest", 2]).applied(_VALUES, _UPSCALERS)
    assert (values["redraw_tile"], values["redraw_padding"], values["upscaler"]) == (
        64,
        32,
        "Nearest",
    )


@pytest.mark.parametrize(
    "arguments", [[], ["", 64, 9, 2], ["", "x", 1, 2], ["", 64, 1, None], ["", 64, True, 2]]
)
def test_wrong_arguments_are_refused(arguments: list[Any]) -> None:
    with pytest.raises(ApiError):
        parse_sd_upscale(arguments).applied(_VALUES, _UPSCALERS)


@pytest.mark.parametrize("mode", [1, 2])
def test_picture_of_img2img_is_upscaled_and_redrawn(ask: httpx.Client, mode: int) -> None:
    arguments = [*_ULTIMATE[:10], mode, *_ULTIMATE[11:14], 1, 128, 128, 0]
    body = {
        "prompt": "a red apple",
        "init_images": [png_base64()],
        "steps": 2,
        "width": 64,
        "height": 64,
        "denoising_strength": 0.5,
        "script_name": "Ultimate SD upscale",
        "script_args": arguments,
        "include_init_images": True,
    }
    answer = ask.post("/sdapi/v1/img2img", json=body)
    assert answer.status_code == 200, answer.text
    (text,) = answer.json()["images"]
    with Image.open(io.BytesIO(base64.b64decode(text))) as image:
        assert image.size == (128, 128)


def test_txt2img_has_no_such_script(ask: httpx.Client) -> None:
    body = {"prompt": "x", "script_name": "SD upscale", "script_args": []}
    answer = ask.post("/sdapi/v1/txt2img", json=body)
    assert (answer.status_code, "not found" in answer.text) == (422, True)
