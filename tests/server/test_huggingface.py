"""Hugging Face's inference API, asked by its own client."""

from __future__ import annotations

import io
from typing import Any

import pytest
from huggingface_hub import ImageToImageTargetSize, InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from PIL import Image

from tests.support.live_server import KEY, Live
from tests.support.scripted_generator import ScriptedGenerator


def _picture(side: int) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((side, side // 2), 50).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


def test_prompt_becomes_a_picture(scripted: Live, generator: ScriptedGenerator) -> None:
    for address in (f"{scripted.url}/models/pocket", scripted.url):
        client = InferenceClient(model=address)
        picture = client.text_to_image(
            "an apple", width=64, height=128, seed=4, scheduler="EulerDiscreteScheduler"
        )
        assert picture.format == "PNG"
    first, second = generator.requests
    assert first == second
    assert (first.prompt, first.seed, first.sampler) == ("an apple", 4, "Euler")
    assert (first.width, first.height) == (64, 128)


def test_picture_is_edited_however_the_client_sends_it(
    scripted: Live, generator: ScriptedGenerator
) -> None:
    client = InferenceClient(model=scripted.url)
    size = ImageToImageTargetSize(width=64, height=64)
    client.image_to_image(_picture(64), prompt="a cat", strength=0.5)
    client.image_to_image(_picture(400), prompt="a cat", target_size=size)
    client.image_to_image(_picture(64), negative_prompt="a dog")
    client.image_to_image(_picture(64))  # as the whole body
    small, large, without_prompt, whole = generator.requests
    for request in generator.requests:
        assert request.image_to_image is not None
    assert (small.prompt, without_prompt.prompt, whole.prompt) == ("a cat", "", "")
    assert small.width is not None
    assert small.height is not None
    assert 1.5 < small.width / small.height < 2.5  # the shape of the picture
    assert (large.width, large.height) == (64, 64)


def test_answer_has_the_accepted_format_and_names_what_was_ignored(scripted: Live) -> None:
    body = {"inputs": "x", "parameters": {"foo": 1}, "options": {"wait_for_model": True}}
    with scripted.client() as ask:
        answer = ask.post("/models/pocket", json=body, headers={"Accept": "image/webp"})
    assert answer.headers["Content-Type"] == "image/webp"
    assert Image.open(io.BytesIO(answer.content)).format == "WEBP"
    assert answer.headers["X-Sdtui-Not-Applied"] == "foo"


def test_errors_are_sentences_for_this_client(locked: Live) -> None:
    def error(token: str, model: str = "pocket", **options: Any) -> str:
        client = InferenceClient(model=f"{locked.url}/models/{model}", token=token)
        with pytest.raises(HfHubHTTPError) as raised:
            client.text_to_image("x", **options)
        return str(raised.value)

    assert "API key is missing or wrong" in error("wrong")
    assert 'no model "nothing"' in error(KEY, "nothing")
    assert "multiple of 8, not 100" in error(KEY, width=100)
    assert "ask for one" in error(KEY, extra_body={"num_images_per_prompt": 2})
    assert not any(locked.services.backend.jobs.jobs())
