"""A1111's fields of hires fix."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import httpx
import pytest
from PIL import Image

from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.hires import LATENT_UPSCALERS
from sdtui.server.api.a1111.img2img_body import Img2ImgBody
from sdtui.server.api.a1111.schemas import Txt2ImgBody

_SIZE = {"width": 512, "height": 768}


def _request(**fields: Any) -> GenerationRequest:
    body = Txt2ImgBody(prompt="x", enable_hr=True, **{**_SIZE, **fields})
    return GenerationRequest.parse(body.values())


def test_defaults_are_those_of_the_api() -> None:
    hires = _request().hires
    assert hires is not None
    assert (hires.scale, hires.strength, hires.upscaler) == (2, 0.75, "Latent")
    assert (hires.width, hires.steps, hires.prompt, hires.sampler) == (None, None, "", None)


@pytest.mark.parametrize(
    ("fields", "values"),
    [
        ({"denoising_strength": 0.4}, {"hires_strength": 0.4, "strength": None}),
        ({"denoising_strength": 0}, {"hires_strength": 0}),
        ({"hr_second_pass_steps": 12}, {"hires_steps": 12}),
        ({"hr_upscaler": "lanczos"}, {"hires_upscaler": "lanczos"}),
        ({"hr_resize_x": 1030, "hr_resize_y": 0}, {"hires_width": 1024, "hires_height": None}),
        ({"hr_scale": 0, "hr_resize_y": 1024}, {"hires_scale": 2, "hires_height": 1024}),
        ({"hr_prompt": "a dog", "hr_negative_prompt": "ugly"}, {"hires_prompt": "a dog"}),
        ({"hr_cfg": 4}, {"hires_guidance_scale": 4}),
        ({"hr_sampler_name": "Use same sampler"}, {"hires_sampler": None}),
        ({"hr_sampler_name": "Euler a"}, {"hires_sampler": "Euler a"}),
        (
            {"sampler_name": "DPM++ 2M", "hr_scheduler": "Karras"},
            {"hires_sampler": "DPM++ 2M Karras"},
        ),
        (
            {"firstphase_width": 320, "firstphase_height": 448},
            {"width": 320, "height": 448, "hires_width": 512, "hires_height": 768},
        ),
    ],
)
def test_fields_are_taken(fields: dict[str, Any], values: dict[str, Any]) -> None:
    request = _request(**fields)
    found = request.values()
    assert {name: found[name] for name in values} == values


def test_fields_without_effect_are_listed() -> None:
    body = Txt2ImgBody(prompt="x", enable_hr=True, sampler_name="Euler", hr_sampler_name="DPM fast")
    assert body.not_applied() == ["hr_sampler_name: DPM fast (DPM++ 2M Karras instead)"]
    image = Img2ImgBody(prompt="x", init_images=["AAAA"], enable_hr=True, hr_scale=3)
    assert image.not_applied() == ["enable_hr", "hr_scale"]
    assert "hires_scale" not in image.values()


def test_switched_off_it_leaves_no_trace() -> None:
    values = Txt2ImgBody(prompt="x", enable_hr=False, hr_scale=3, hr_prompt="y").values()
    assert not [name for name in values if name.startswith("hires_")]


def test_upscalers_of_latents_are_listed(ask: httpx.Client) -> None:
    answer = ask.get("/sdapi/v1/latent-upscale-modes").json()
    assert [each["name"] for each in answer] == list(LATENT_UPSCALERS)


def test_picture_is_made_in_the_larger_size(ask: httpx.Client) -> None:
    body = {
        "prompt": "a red apple",
        "steps": 2,
        "width": 64,
        "height": 64,
        "enable_hr": True,
        "hr_scale": 1.5,
        "denoising_strength": 0.5,
    }
    answer = ask.post("/sdapi/v1/txt2img", json=body)
    assert answer.status_code == 200, answer.text
    with Image.open(io.BytesIO(base64.b64decode(answer.json()["images"][0]))) as picture:
        assert picture.size == (96, 96)
    (text,) = json.loads(answer.json()["info"])["infotexts"]
    assert "Size: 64x64" in text
    assert "Denoising strength: 0.5, Hires upscale: 1.5, Hires upscaler: Latent" in text


@pytest.mark.parametrize(
    ("values", "status", "said"),
    [
        ({"hires_scale": 2, "hires_model": "/models/private"}, 404, "no model"),
        ({"refiner": "./private.safetensors"}, 404, "no model"),
        ({"hires_scale": 8}, 422, "512x512 is more than"),
    ],
)
def test_later_passes_have_the_limits_of_the_first(
    ask: httpx.Client, values: dict[str, Any], status: int, said: str
) -> None:
    body = {"prompt": "x", "width": 64, "height": 64, **values}
    answer = ask.post("/generate", json=body)
    assert answer.status_code == status, answer.text
    assert said in answer.text
