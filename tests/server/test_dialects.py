"""The names of a request's fields in other APIs."""

from __future__ import annotations

import httpx
import pytest
from pydantic import ValidationError

from sdtui.requests.request import REQUEST_FIELDS
from sdtui.server.api.a1111.img2img_body import Img2ImgBody
from sdtui.server.api.a1111.schemas import Txt2ImgBody
from sdtui.server.api.openai.schemas import EditBody, ImagesBody
from sdtui.server.dialects import names_in, names_in_errors
from tests.support.live_server import Live


def test_every_named_field_is_in_the_bodies() -> None:
    for body in (Txt2ImgBody, Img2ImgBody):
        assert set(names_in("a1111").values()) <= body.model_fields.keys()
    assert set(names_in("openai").values()) <= EditBody.model_fields.keys()
    names = names_in("openai")
    of_pictures = {names[each] for each in REQUEST_FIELDS.orphans(dict.fromkeys(names))}
    assert {"strength", "mask_blur", "outpaint"} <= of_pictures
    assert set(names.values()) - of_pictures <= ImagesBody.model_fields.keys()
    assert "strength" not in ImagesBody.model_fields


def test_limits_of_bodies_are_those_of_the_fields(ask: httpx.Client) -> None:
    schemas = ask.get("/openapi.json").json()["components"]["schemas"]
    for body, names in (("Txt2ImgBody", names_in("a1111")), ("ImagesBody", names_in("openai"))):
        for name in ("num_inference_steps", "guidance_scale"):
            spec = REQUEST_FIELDS[name].spec
            number = schemas[body]["properties"][names[name]]["anyOf"][0]
            assert (number["minimum"], number["maximum"]) == (spec.ge, spec.le)


def test_strength_without_a_picture_is_ignored_by_txt2img() -> None:
    assert "strength" not in Txt2ImgBody(prompt="x", denoising_strength=0.5).values()
    body = Img2ImgBody(prompt="x", init_images=["x"], denoising_strength=0.5)
    assert body.values()["strength"] == 0.5


def test_true_is_one_in_the_numbers_of_a1111_and_openai_only(scripted: Live) -> None:
    body = Txt2ImgBody(prompt="x", seed=True, steps=True, cfg_scale=True, denoising_strength=True)
    assert (body.seed, body.steps, body.cfg_scale, body.denoising_strength) == (1, 1, 1, 1)
    assert ImagesBody(prompt="x", seed=True, steps=True).values()["num_inference_steps"] == 1
    with pytest.raises(ValidationError):
        Txt2ImgBody(prompt="x", width=True)  # 1 is too narrow
    with scripted.client() as ask:
        refused = ask.post("/generate", json={"prompt": "x", "num_inference_steps": True})
    assert refused.status_code == 422
    assert "must not be true" in refused.text


def test_errors_use_the_names_of_the_api() -> None:
    assert names_in_errors("a1111")["guidance_scale"] == "cfg_scale"
    assert names_in_errors("openai")["width"] == "size"


def test_own_api_shows_sections_and_deprecates_flat_names(ask: httpx.Client) -> None:
    schema = ask.get("/openapi.json").json()["components"]["schemas"]["GenerateBody"]
    fields = schema["properties"]
    for name, field in REQUEST_FIELDS.items():
        assert fields[name].get("deprecated", False) is bool(field.section), name
    image = fields["image_to_image"]["anyOf"][0]["properties"]["image"]
    assert image["contentEncoding"] == "base64"
    assert schema["required"] == ["prompt"]
