"""OpenAI's API as its strict clients expect it: the fields of answers, and what has no effect."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from sdtui.server.api.openai.schemas import EditBody, ImagesBody
from sdtui.server.outcome_headers import NOT_APPLIED
from tests.support.images import png_base64
from tests.support.live_server import Live, parse_events

TOKENS = {"text_tokens": 0, "image_tokens": 0}
USAGE = {
    "total_tokens": 0,
    "input_tokens": 0,
    "output_tokens": 0,
    "input_tokens_details": TOKENS,
    "output_tokens_details": TOKENS,
}


@pytest.mark.parametrize(
    ("fields", "listed"),
    [
        ({"quality": "high"}, ["quality"]),
        ({"quality": "hd", "style": "natural"}, ["quality", "style"]),
        ({"input_fidelity": "high"}, ["input_fidelity"]),
        ({"num_inference_steps": 5, "cfg_scale": 3}, ["num_inference_steps", "cfg_scale"]),
        ({"reference_image": "AAAA"}, ["reference_image"]),
        ({"quality": "auto", "user": "me", "moderation": "low", "style": None}, []),
        ({"quality": "standard", "style": "vivid", "input_fidelity": "low"}, []),
    ],
)
def test_fields_that_would_change_the_picture_are_listed(
    fields: dict[str, Any], listed: list[str]
) -> None:
    for body in (ImagesBody, EditBody):
        assert body(prompt="x", **fields).not_applied() == listed


def test_null_leaves_every_field_open() -> None:
    nulls = dict.fromkeys(ImagesBody.model_fields)
    body = ImagesBody(**nulls | {"prompt": "x", "style": None})
    assert (body.values(), body.not_applied()) == ({"prompt": "x"}, [])


def test_picture_for_a_route_without_pictures_is_listed() -> None:
    body = ImagesBody(prompt="x", image="AAAA", strength=0.5)
    assert body.not_applied() == ["image", "strength"]


def test_answer_has_the_fields_of_the_current_api(scripted: Live) -> None:
    with scripted.client() as ask:
        plain = ask.post("/v1/images/generations", json={"prompt": "x"})
        assert NOT_APPLIED not in plain.headers
        answer = plain.json()
        assert answer["usage"] == USAGE
        assert (answer["quality"], answer["background"]) == ("high", "opaque")
        assert answer.keys() >= {"size", "output_format", "created", "data"}
        assert "not_applied" not in answer
        low = ask.post("/v1/images/generations", json={"prompt": "x", "quality": "low", "style": 1})
        assert low.headers[NOT_APPLIED] == "quality; style"
        assert low.json()["not_applied"] == ["quality", "style"]
        assert low.json()["quality"] == "low"


def test_stream_has_usage_and_what_is_not_applied(scripted: Live) -> None:
    body = {"prompt": "x", "stream": True, "partial_images": 1, "quality": "medium"}
    with scripted.client() as ask:
        answer = ask.post("/v1/images/generations", json=body)
    assert answer.headers[NOT_APPLIED] == "quality"
    *_, (name, completed) = parse_events(answer.text)
    assert name == "image_generation.completed"
    assert (completed["usage"], completed["quality"]) == (USAGE, "medium")
    assert completed["not_applied"] == ["quality"]


def test_edits_list_fields_of_the_form(scripted: Live) -> None:
    form = {"prompt": "x", "input_fidelity": "high", "quality": "auto", "user": "me"}
    files = {"image": ("a.png", base64.b64decode(png_base64()), "image/png")}
    with scripted.client() as ask:
        answer = ask.post("/v1/images/edits", data=form, files=files)
    assert answer.status_code == 200, answer.text
    assert answer.headers[NOT_APPLIED] == "input_fidelity"
    assert answer.json()["not_applied"] == ["input_fidelity"]


def test_prompt_may_have_as_many_characters_as_at_openai(scripted: Live) -> None:
    with scripted.client() as ask:
        for length, status in ((32_000, 200), (32_001, 400)):
            sent: httpx.Response = ask.post("/v1/images/generations", json={"prompt": "x" * length})
            assert sent.status_code == status, length
