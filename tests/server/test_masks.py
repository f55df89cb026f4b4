"""Masks over the APIs: they are uploads, with A1111's defaults, and OpenAI's are transparent."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from sdtui.core.enums import InpaintFill
from sdtui.server.api.a1111.img2img_body import Img2ImgBody
from sdtui.server.errors import ApiError
from sdtui.server.services.uploads import Uploads
from tests.support.images import open_base64, png_base64

SIZE = (64, 64)


def _encoded(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def _picture() -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    return Image.fromarray(values)


def _mask() -> Image.Image:
    """The left quarter is repainted."""
    mask = Image.new("L", SIZE)
    mask.paste(255, (0, 0, 16, 64))
    return mask


def _right_half(image: Image.Image) -> bytes:
    return image.crop((40, 0, 64, 64)).tobytes()


def test_masks_have_the_defaults_of_a1111() -> None:
    values = Img2ImgBody(init_images=["x"], mask="y").values()
    assert values["mask_image"] == "y"
    assert values["inpaint_fill"] is InpaintFill.FILL
    assert values["only_masked"] is True
    assert values["masked_padding"] == 0
    assert values["soft_inpainting"] is False
    assert values["mask_blur"] == 4


def test_mask_fields_of_a1111_become_the_request() -> None:
    body = Img2ImgBody(
        init_images=["x"],
        mask="y",
        mask_blur=8,
        mask_blur_x=3,
        mask_round=False,
        inpainting_fill=2,
        inpaint_full_res=False,
        inpaint_full_res_padding=16,
        inpainting_mask_invert=1,
        initial_noise_multiplier=0.9,
    )
    values = body.values()
    assert values["mask_blur"] == 8
    assert values["soft_inpainting"] is True
    assert values["inpaint_fill"] is InpaintFill.NOISE
    assert values["only_masked"] is False
    assert values["masked_padding"] == 16
    assert values["mask_invert"] is True
    assert values["noise_multiplier"] == 0.9
    assert body.not_applied() == []


def test_mask_of_a1111_is_blurred_apart_across_and_down(tmp_path: Path) -> None:
    block = Image.new("L", (65, 65))
    block.paste(255, (28, 28, 37, 37))
    for fields, box in (
        ({"mask_blur_x": 1, "mask_blur_y": 0}, (25, 28, 40, 37)),
        ({"mask_blur_y": 1}, (18, 25, 47, 40)),  # across it is A1111's 4
    ):
        body = Img2ImgBody(init_images=["x"], mask=_encoded(block), **fields)
        body.read_mask(Uploads(tmp_path, 10_000))
        values = body.values()
        assert values["mask_blur"] == 0
        assert Image.open(io.BytesIO(values["mask_image"])).getbbox() == box


@pytest.mark.parametrize(
    ("fields", "is_left_out"),
    [
        ({"mask": png_base64(64, "black")}, True),
        ({"mask": png_base64(64, "white"), "inpainting_mask_invert": 1}, True),
        ({"mask": png_base64(64, "black"), "inpainting_mask_invert": 1}, False),
        ({"mask": png_base64(64, "white")}, False),
    ],
)
def test_blank_mask_with_only_masked_is_image_to_image_as_in_a1111(
    fields: dict[str, Any], is_left_out: bool, tmp_path: Path
) -> None:
    body = Img2ImgBody(init_images=["x"], **fields)
    body.read_mask(Uploads(tmp_path, 10_000))
    assert ("mask_image" not in body.values()) == is_left_out
    assert [each.startswith("Unable to perform") for each in body.comments()] == [
        True
    ] * is_left_out


def test_several_init_images_of_a1111_are_a_batch_that_a_blank_mask_keeps(
    ask: httpx.Client,
) -> None:
    sent = [_encoded(_picture()), _encoded(_picture().rotate(90))]
    body = {
        "init_images": sent,
        "mask": png_base64(64, "black"),
        "inpaint_full_res": False,
        "include_init_images": True,
        "n_iter": 2,
        "seed": 7,
        "steps": 1,
        "width": 64,
        "height": 64,
    }
    answer = ask.post("/sdapi/v1/img2img", json=body).json()
    made = [open_base64(each).tobytes() for each in answer["images"]]
    assert made == [open_base64(each).tobytes() for each in sent * 2]
    info = json.loads(answer["info"])
    assert (info["all_seeds"], info["batch_size"]) == ([7, 8, 9, 10], 2)
    assert info["comments"] == ["The mask is blank: the picture stays as it is."]
    assert answer["parameters"]["init_images"] == sent


def test_script_takes_one_init_image() -> None:
    body = Img2ImgBody(
        init_images=["x", "y"],
        script_name="prompt matrix",
        script_args=[False] * 2 + ["positive", "comma", 0],
    )
    with pytest.raises(ApiError, match="takes one picture, not 2"):
        body.script()


@pytest.mark.parametrize(
    ("arguments", "is_soft", "not_applied"),
    [
        ([True], True, []),
        ([True, 1, 0.5, 4, 0, 0.5, 2], True, []),
        ([True, 2, 0.5, 4, 0, 0.4], True, ["schedule bias", "difference threshold"]),
        ([False, 2], False, []),
    ],
)
def test_soft_inpainting_of_a1111_is_that_of_a_request(
    arguments: list[Any], is_soft: bool, not_applied: list[str]
) -> None:
    scripts = {"Soft Inpainting": {"args": arguments}}
    body = Img2ImgBody(init_images=["x"], mask="y", alwayson_scripts=scripts)
    body.check()
    assert body.values()["soft_inpainting"] is is_soft
    assert body.not_applied() == [f"Soft Inpainting: {each}" for each in not_applied]


def test_mask_fields_without_a_mask_are_left_out() -> None:
    values = Img2ImgBody(init_images=["x"], mask_blur=9, inpainting_fill=3).values()
    assert not {"mask_image", "mask_blur", "inpaint_fill"} & values.keys()


@pytest.mark.parametrize("full", [False, True])
def test_a1111_repaints_what_is_masked(ask: httpx.Client, full: bool) -> None:
    body = {
        "prompt": "a red apple",
        "init_images": [_encoded(_picture())],
        "mask": _encoded(_mask()),
        "inpaint_full_res": full,
        "include_init_images": True,
        "steps": 2,
        "width": 64,
        "height": 64,
    }
    answer = ask.post("/sdapi/v1/img2img", json=body)
    assert answer.status_code == 200, answer.text
    result = open_base64(answer.json()["images"][0])
    assert _right_half(result) == _right_half(_picture())
    assert result.crop((0, 0, 8, 64)).tobytes() != _picture().crop((0, 0, 8, 64)).tobytes()
    assert answer.json()["parameters"]["mask"] == body["mask"]
    assert answer.json()["parameters"]["init_images"] == body["init_images"]
    text = json.loads(answer.json()["info"])["infotexts"][0]
    assert "Mask blur: 4" in text
    assert ("Inpaint area: Only masked" in text) == full
    assert "Masked content: fill" in text


def test_native_api_takes_masks_as_uploads_only(ask: httpx.Client) -> None:
    body: dict[str, Any] = {
        "prompt": "a red apple",
        "init_image": _encoded(_picture()),
        "num_inference_steps": 2,
    }
    answer = ask.post("/generate", json={**body, "mask_image": _encoded(_mask())})
    assert answer.status_code == 200, answer.text
    assert _right_half(open_base64(answer.json()["image_base64"])) == _right_half(_picture())
    assert len(answer.json()["record"]["parents"]) == 2
    for path in ("/etc/passwd", "mask.png"):
        refused = ask.post("/generate", json={**body, "mask_image": path})
        assert refused.status_code == 400, refused.text
    alone = ask.post("/generate", json={"prompt": "x", "mask_image": png_base64()})
    assert "only has a meaning together with init_image" in alone.text


def test_native_api_takes_transparency_as_the_mask(ask: httpx.Client) -> None:
    picture = _picture().convert("RGBA")
    picture.putalpha(_mask().point(lambda value: 255 - value))
    body = {"prompt": "a red apple", "init_image": _encoded(picture), "mask_image": "alpha"}
    answer = ask.post("/generate", json={**body, "num_inference_steps": 2})
    assert answer.status_code == 200, answer.text
    assert _right_half(open_base64(answer.json()["image_base64"])) == _right_half(_picture())


def test_native_api_extends_pictures(ask: httpx.Client) -> None:
    body = {"prompt": "a red apple", "init_image": _encoded(_picture()), "outpaint": "left=32"}
    answer = ask.post("/generate", json={**body, "num_inference_steps": 2})
    assert answer.status_code == 200, answer.text
    assert open_base64(answer.json()["image_base64"]).size == (96, 64)


def test_openai_repaints_what_is_transparent(ask: httpx.Client) -> None:
    mask = Image.new("RGBA", SIZE, "black")
    mask.putalpha(_mask().point(lambda value: 255 - value))
    pictures = {"image": _picture(), "mask": mask}
    files = {
        name: (f"{name}.png", base64.b64decode(_encoded(each)), "image/png")
        for name, each in pictures.items()
    }
    answer = ask.post("/v1/images/edits", data={"prompt": "a red apple", "steps": "2"}, files=files)
    assert answer.status_code == 200, answer.text
    result = open_base64(answer.json()["data"][0]["b64_json"])
    assert _right_half(result) == _right_half(_picture())
