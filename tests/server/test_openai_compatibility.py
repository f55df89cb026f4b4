"""OpenAI's API as its strict clients expect it: the fields of answers, and what has no effect."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from sdtui.server.api.openai.routes import ROUTERS
from sdtui.server.api.openai.schemas import EditBody, ImagesBody
from sdtui.server.outcome_headers import NOT_APPLIED
from tests.support.images import png_base64
from tests.support.live_server import Live, parse_events
from tests.support.scripted_generator import ScriptedGenerator

ONE_WORD_64_PIXELS = {
    "total_tokens": 17,
    "input_tokens": 1,
    "output_tokens": 16,
    "input_tokens_details": {"text_tokens": 1, "image_tokens": 0},
    "output_tokens_details": {"text_tokens": 0, "image_tokens": 16},
}


@pytest.mark.parametrize(
    ("fields", "listed"),
    [
        ({"quality": "high"}, ["quality"]),
        ({"quality": "hd", "style": "natural"}, ["quality", "style"]),
        ({"input_fidelity": "high"}, ["input_fidelity"]),
        ({"num_inference_steps": 5, "cfg_scale": 3}, ["num_inference_steps", "cfg_scale"]),
        ({"reference_image": "AAAA"}, ["reference_image"]),
        ({"width": 64, "height": 128}, []),
        ({"width": 64, "height": 128, "size": "64x64"}, ["height"]),
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


def test_sides_may_be_given_apart() -> None:
    body = ImagesBody(prompt="x", size="auto", width=64, height=128)
    assert body.values() == {"prompt": "x", "num_images_per_prompt": 1, "width": 64, "height": 128}


def test_picture_for_a_route_without_pictures_is_listed() -> None:
    body = ImagesBody(prompt="x", image="AAAA", strength=0.5)
    assert body.not_applied() == ["image", "strength"]


def test_answer_has_the_fields_of_the_current_api(scripted: Live) -> None:
    with scripted.client() as ask:
        plain = ask.post("/v1/images/generations", json={"prompt": "x"})
        assert NOT_APPLIED not in plain.headers
        answer = plain.json()
        assert answer["usage"] == ONE_WORD_64_PIXELS
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
    assert (completed["usage"], completed["quality"]) == (ONE_WORD_64_PIXELS, "medium")
    assert completed["not_applied"] == ["quality"]


def test_edits_list_fields_of_the_form(scripted: Live) -> None:
    form = {"prompt": "x", "input_fidelity": "high", "quality": "auto", "user": "me"}
    files = {"image": ("a.png", base64.b64decode(png_base64()), "image/png")}
    with scripted.client() as ask:
        answer = ask.post("/v1/images/edits", data=form, files=files)
    assert answer.status_code == 200, answer.text
    assert answer.headers[NOT_APPLIED] == "input_fidelity"
    assert answer.json()["not_applied"] == ["input_fidelity"]


def test_usage_counts_prompts_pictures_that_are_sent_and_all_that_are_made(scripted: Live) -> None:
    form = {"prompt": "a red apple", "negative_prompt": "x", "n": "2"}
    files = {"image": ("a.png", base64.b64decode(png_base64()), "image/png")}
    with scripted.client() as ask:
        usage = ask.post("/v1/images/edits", data=form, files=files).json()["usage"]
    assert usage["input_tokens_details"] == {"text_tokens": 4, "image_tokens": 16}
    assert (usage["output_tokens"], usage["total_tokens"]) == (32, 52)
    # A model may be removed while it makes a picture.
    assert scripted.services.models.tokens("gone", "x") == 0


@pytest.mark.parametrize(
    ("fields", "repeated"),
    [
        ({"user": "me"}, "me"),
        ({"user": "me", "safety_identifier": "i"}, "i"),
        ({"user": "me", "safety_identifier": ""}, "me"),
        ({"user": 1}, None),
        ({"user": "x" * 513}, None),
        ({}, None),
    ],
)
def test_answer_repeats_who_asked(fields: dict[str, Any], repeated: str | None) -> None:
    assert ImagesBody(prompt="x", **fields).identifier == repeated


def test_variations_are_image_to_image_without_a_prompt(
    scripted: Live, generator: ScriptedGenerator
) -> None:
    files = {"image": ("a.png", base64.b64decode(png_base64()), "image/png")}
    with scripted.client() as ask:
        answer = ask.post(
            "/v1/images/variations", data={"n": "2", "model": "dall-e-2"}, files=files
        )
        assert answer.status_code == 200, answer.text
        assert all(each["url"] and "b64_json" not in each for each in answer.json()["data"])
        assert ask.post("/v1/images/variations", data={"n": "2"}).status_code == 400
    (request,) = generator.requests
    assert (request.prompt, request.strength, request.num_images_per_prompt) == ("", 0.6, 2)
    assert request.width == request.height  # the shape of the picture


def test_azure_has_the_model_in_the_path(scripted: Live, generator: ScriptedGenerator) -> None:
    files = {"image[]": ("a.png", base64.b64decode(png_base64()), "image/png")}
    below = "/openai/deployments"
    with scripted.client() as ask:
        for path, model in (
            (f"{below}/pocket/images/generations?api-version=2024-02-01", "no such model"),
            (f"{below}/gpt-image-2/images/generations", None),
            ("/openai/v1/images/generations?api-version=preview", "pocket"),
            ("/openai/images/generations", "pocket"),
        ):
            answer = ask.post(path, json={"prompt": "x", "model": model})
            assert answer.status_code == 200, answer.text
        form = {"prompt": "x", "model": "no such model"}
        answer = ask.post(f"{below}/pocket/images/edits", data=form, files=files)
        assert answer.status_code == 200, answer.text
        other = ask.post(f"{below}/other/images/generations", json={"prompt": "x"})
        assert (other.status_code, other.json()["error"]["code"]) == (404, "model_not_found")
        assert ask.get("/openai/models").json() == ask.get("/v1/models").json()
    assert {each.model for each in generator.requests} == {"pocket"}


def test_azures_paths_are_not_in_the_document() -> None:
    routes = [each for router in ROUTERS for each in router.routes if isinstance(each, APIRoute)]
    assert all(each.path.startswith("/v1/") == each.include_in_schema for each in routes)


def test_prompt_may_have_as_many_characters_as_at_openai(scripted: Live) -> None:
    with scripted.client() as ask:
        for length, status in ((32_000, 200), (32_001, 400)):
            sent: httpx.Response = ask.post("/v1/images/generations", json={"prompt": "x" * length})
            assert sent.status_code == status, length
