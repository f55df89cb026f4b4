"""Upscaling by A1111's names, and by the native API."""

from __future__ import annotations

import base64
import io
import json

import httpx
import pytest
from PIL import Image

from sdtui.server.outcome_headers import NOT_APPLIED
from tests.support.images import png_base64

_PICTURE = Image.linear_gradient("L").resize((40, 30))


def _encoded(picture: Image.Image = _PICTURE) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def _decoded(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


def test_upscalers_that_need_no_model_are_listed(ask: httpx.Client) -> None:
    found = ask.get("/sdapi/v1/upscalers").json()
    assert [each["name"] for each in found] == ["None", "Lanczos", "Nearest"]


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({"upscaler_1": "Lanczos"}, (80, 60)),
        ({"upscaler_1": "Nearest", "upscaling_resize": 3}, (120, 90)),
        ({"upscaling_resize": 3}, (40, 30)),
        (
            {
                "upscaler_1": "Lanczos",
                "resize_mode": 1,
                "upscaling_resize_w": 50,
                "upscaling_resize_h": 50,
            },
            (50, 50),
        ),
        (
            {
                "upscaler_1": "Lanczos",
                "resize_mode": 1,
                "upscaling_resize_w": 50,
                "upscaling_resize_h": 60,
                "upscaling_crop": False,
            },
            (80, 60),
        ),
    ],
)
def test_picture_is_upscaled_by_a_factor_or_to_a_size(
    ask: httpx.Client, fields: dict[str, object], size: tuple[int, int]
) -> None:
    answer = ask.post("/sdapi/v1/extra-single-image", json={"image": _encoded(), **fields})
    assert answer.status_code == 200, answer.text
    assert _decoded(answer.json()["image"]).size == size
    assert answer.json()["html_info"] == ""


def test_batch_is_upscaled_in_its_order(ask: httpx.Client) -> None:
    pictures = [_PICTURE, _PICTURE.resize((20, 20))]
    files = [{"data": _encoded(each), "name": "x.png"} for each in pictures]
    body = {"imageList": files, "upscaler_1": "Lanczos", "upscaling_resize": 2}
    answer = ask.post("/sdapi/v1/extra-batch-images", json=body)
    assert [_decoded(each).size for each in answer.json()["images"]] == [(80, 60), (40, 40)]


def test_face_restorers_are_named(ask: httpx.Client) -> None:
    body = {"image": _encoded(), "upscaler_1": "Lanczos", "gfpgan_visibility": 0.5}
    answer = ask.post("/sdapi/v1/extra-single-image", json=body)
    assert "gfpgan_visibility" in answer.json()["html_info"]
    assert answer.headers[NOT_APPLIED] == "gfpgan_visibility"


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"upscaler_1": "4x-Unknown"}, 404, "no upscaler"),
        ({"upscaler_1": "/etc/passwd"}, 404, "no upscaler"),
        ({"upscaling_resize": 0}, 422, "upscaling_resize"),
        ({"image": ""}, 422, "picture"),
        ({"image": "AAAA"}, 400, "picture"),
    ],
)
def test_wrong_requests_are_refused_with_the_reason(
    ask: httpx.Client, fields: dict[str, object], status: int, words: str
) -> None:
    answer = ask.post("/sdapi/v1/extra-single-image", json={"image": _encoded(), **fields})
    assert (answer.status_code, words in answer.text) == (status, True), answer.text


def test_native_api_upscales_a_picture_without_a_prompt(ask: httpx.Client) -> None:
    body = {"prompt": "", "upscale_image": png_base64(), "upscale_factor": 2}
    answer = ask.post("/generate", json=body)
    assert answer.status_code == 200, answer.text
    record = answer.json()["record"]
    assert record["model"] is None
    assert len(record["parents"]) == 1


def test_generated_picture_is_upscaled(ask: httpx.Client) -> None:
    body = {"prompt": "a red apple", "steps": 1, "width": 64, "height": 64, "upscale_factor": 2}
    body |= {"num_inference_steps": body.pop("steps")}
    answer = ask.post("/generate", json=body)
    assert answer.status_code == 200, answer.text
    assert _decoded(answer.json()["image_base64"]).size == (128, 128)
    assert json.loads(answer.text)["record"]["settings"]["upscaler"] == "Lanczos"


def test_no_picture_of_a_batch_is_upscaled_if_one_cannot_be_used(ask: httpx.Client) -> None:
    before = len(ask.get("/jobs").json())
    files = [{"data": _encoded(), "name": "a"}, {"data": "x", "name": "b"}]
    refused = ask.post("/sdapi/v1/extra-batch-images", json={"imageList": files})
    assert refused.status_code == 400
    assert len(ask.get("/jobs").json()) == before
