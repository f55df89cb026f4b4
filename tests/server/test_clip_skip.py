"""Clip skip through the three APIs, and in the search."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

SMALL: dict[str, Any] = {"width": 64, "height": 64, "seed": 3}


def records(ask: httpx.Client, query: str) -> list[dict[str, Any]]:
    entries = ask.get("/history", params={"q": query}).json()["entries"]
    return [ask.get(f"/history/{each['id']}").json()["record"] for each in entries]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/generate", {**SMALL, "num_inference_steps": 2, "encoding": {"clip_skip": 2}}),
        ("/generate", {**SMALL, "num_inference_steps": 2, "clip_skip": 2}),
        (
            "/sdapi/v1/txt2img",
            {**SMALL, "steps": 2, "override_settings": {"CLIP_stop_at_last_layers": 2}},
        ),
        (
            "/sdapi/v1/txt2img",
            {**SMALL, "steps": 2, "infotext": "x\nSteps: 2, Clip skip: 2, Seed: 1"},
        ),
        ("/v1/images/generations", {"size": "64x64", "seed": 3, "steps": 2, "clip_skip": 2}),
    ],
)
def test_layer_reaches_the_record_and_the_search(
    ask: httpx.Client, path: str, body: dict[str, Any]
) -> None:
    prompt = f"apple {abs(hash((path, json.dumps(body))))}"
    result = ask.post(path, json={**body, "prompt": prompt})
    assert result.status_code == 200, result.text
    (record,) = records(ask, f"{prompt} clip_skip:2")
    assert record["settings"]["clip_skip"] == 2
    assert records(ask, f"{prompt} clip_skip:1") == []


def test_a1111_info_names_the_layer(ask: httpx.Client) -> None:
    body = {**SMALL, "prompt": "a red apple", "steps": 2}
    usual = json.loads(ask.post("/sdapi/v1/txt2img", json=body).json()["info"])
    assert usual["clip_skip"] == 1
    body["override_settings"] = {"CLIP_stop_at_last_layers": 2}
    skipped = json.loads(ask.post("/sdapi/v1/txt2img", json=body).json()["info"])
    assert skipped["clip_skip"] == 2
    assert skipped["not_applied"] == []
    assert "Clip skip: 2" in skipped["infotexts"][0]


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("/generate", {"clip_skip": 13}, "clip_skip"),
        (
            "/sdapi/v1/txt2img",
            {"override_settings": {"CLIP_stop_at_last_layers": 13}},
            "CLIP_stop_at_last_layers",
        ),
        ("/v1/images/generations", {"clip_skip": 13}, "clip_skip"),
    ],
)
def test_wrong_layer_is_refused_under_the_name_of_the_api(
    ask: httpx.Client, path: str, body: dict[str, Any], name: str
) -> None:
    refused = ask.post(path, json={"prompt": "x", **body})
    assert refused.status_code in (400, 422)
    assert f"{name}: must be at most 12" in refused.text
