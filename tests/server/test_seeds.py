"""Seeds of 64 bits in the three APIs."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from sdtui.requests.request import MAX_SEED
from tests.support.images import open_base64
from tests.support.live_server import QUICK

_SMALL = {"prompt": "a cat", "steps": 1, "width": 64, "height": 64}


def _made(ask: httpx.Client, path: str, body: dict[str, Any]) -> Any:
    answer = ask.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("seed", [2**32, 2**53 + 1, 2**63, MAX_SEED])
def test_seed_of_64_bits_keeps_its_digits(ask: httpx.Client, seed: int) -> None:
    for sent in (seed, str(seed)):
        native = _made(ask, "/generate", {**QUICK, "seed": sent})
        assert (native["seed"], native["record"]["seed"]) == (seed, seed)
    a1111 = _made(ask, "/sdapi/v1/txt2img", {**_SMALL, "seed": seed})
    assert f'"seed": {seed}' in a1111["info"]
    assert f"Seed: {seed}," in a1111["info"]
    openai = _made(
        ask,
        "/v1/images/generations",
        {"prompt": "a cat", "size": "64x64", "steps": 1, "seed": seed},
    )
    assert openai["data"][0]["seed"] == seed
    found = ask.get("/history", params={"q": f"seed:{seed}", "limit": 50}).json()
    assert found["total"] >= 4
    assert {each["seed"] for each in found["entries"]} == {seed}


def test_batch_after_the_largest_seed_begins_at_0(ask: httpx.Client) -> None:
    first = _made(ask, "/generate", {**QUICK, "seed": MAX_SEED, "num_images_per_prompt": 2})
    (second,) = first["more"]
    assert (first["seed"], second["seed"]) == (MAX_SEED, 0)
    alone = _made(ask, "/generate", {**QUICK, "seed": 0})
    pixels = [open_base64(each["image_base64"]).tobytes() for each in (second, alone)]
    assert pixels[0] == pixels[1]


def test_minus_one_is_random_where_clients_send_it(ask: httpx.Client) -> None:
    openai = {"prompt": "a cat", "size": "64x64", "steps": 1}
    for seed in (-1, "-1", -1.0, None):
        made = _made(ask, "/v1/images/generations", {**openai, "seed": seed})
        assert 0 <= made["data"][0]["seed"] < 2**32
        assert _made(ask, "/sdapi/v1/txt2img", {**_SMALL, "seed": seed})["images"]
    assert ask.post("/v1/images/generations", json={**openai, "seed": -2}).status_code == 400


def test_seed_that_is_too_large_is_refused_with_the_limit(ask: httpx.Client) -> None:
    for path in ("/generate", "/sdapi/v1/txt2img", "/v1/images/generations"):
        for seed in (2**64, str(2**64)):
            answer = ask.post(path, json={"prompt": "a cat", "seed": seed})
            assert answer.status_code in (400, 422)
            assert str(MAX_SEED) in answer.text


def test_openapi_document_names_the_limit(ask: httpx.Client) -> None:
    schemas = ask.get("/openapi.json").json()["components"]["schemas"]
    for body in ("GenerateBody", "Txt2ImgBody", "ImagesBody", "EditBody"):
        number, _ = schemas[body]["properties"]["seed"]["anyOf"]
        assert number["maximum"] == float(MAX_SEED)  # FastAPI writes limits as floats
