"""Variation seeds, seed resize and the source of noise through the three APIs."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

SMALL: dict[str, Any] = {"width": 64, "height": 64, "seed": 3}
VARIED: dict[str, Any] = {"variation_seed": 9, "variation_strength": 0.3}


def records(ask: httpx.Client, query: str) -> list[dict[str, Any]]:
    entries = ask.get("/history", params={"q": query}).json()["entries"]
    return [ask.get(f"/history/{each['id']}").json()["record"] for each in entries]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/generate", {**SMALL, "num_inference_steps": 2, "noise": VARIED}),
        ("/generate", {**SMALL, "num_inference_steps": 2, **VARIED}),
        ("/sdapi/v1/txt2img", {**SMALL, "steps": 2, "subseed": 9, "subseed_strength": 0.3}),
        (
            "/sdapi/v1/txt2img",
            {
                **{**SMALL, "steps": 2},
                "infotext": "x\nSteps: 2, Variation seed: 9, Variation seed strength: 0.3, Seed: 3",
            },
        ),
        ("/v1/images/generations", {"size": "64x64", "seed": 3, "steps": 2, **VARIED}),
    ],
)
def test_variation_reaches_the_record_and_the_search(
    ask: httpx.Client, path: str, body: dict[str, Any]
) -> None:
    prompt = f"apple {abs(hash((path, json.dumps(body))))}"
    result = ask.post(path, json={**body, "prompt": prompt})
    assert result.status_code == 200, result.text
    (record,) = records(ask, f"{prompt} variation_strength:0.3")
    assert record["settings"]["variation_seed"] == 9
    assert record["images"][0]["variation_seed"] == 9
    assert records(ask, f"{prompt} variation_strength:0.4") == []


def test_a1111_info_names_seeds_and_variation_seeds(ask: httpx.Client) -> None:
    body = {**SMALL, "prompt": "a red apple", "steps": 2, "batch_size": 2}
    usual = json.loads(ask.post("/sdapi/v1/txt2img", json=body).json()["info"])
    assert usual["all_seeds"] == usual["all_subseeds"] == [3, 4]
    assert (usual["subseed"], usual["subseed_strength"]) == (3, 0)
    assert (usual["seed_resize_from_w"], usual["seed_resize_from_h"]) == (-1, -1)
    body |= {"subseed": 9, "subseed_strength": 0.3, "seed_resize_from_w": 81}
    body |= {"seed_resize_from_h": 80, "override_settings": {"randn_source": "NV"}}
    varied = json.loads(ask.post("/sdapi/v1/txt2img", json=body).json()["info"])
    assert varied["all_seeds"] == [3, 3]
    assert varied["all_subseeds"] == [9, 10]
    assert (varied["subseed"], varied["subseed_strength"]) == (9, 0.3)
    assert (varied["seed_resize_from_w"], varied["seed_resize_from_h"]) == (80, 80)
    assert varied["not_applied"] == []
    expected = "Variation seed: 10, Variation seed strength: 0.3, Seed resize from: 80x80, RNG: NV"
    assert expected in varied["infotexts"][1]


def test_a1111_values_that_switch_it_off(ask: httpx.Client) -> None:
    body = {**SMALL, "prompt": "a red apple", "steps": 2, "subseed": -1, "subseed_strength": 0}
    body |= {"seed_resize_from_w": 0, "seed_resize_from_h": -1}
    body |= {"override_settings": {"randn_source": "CPU"}}
    info = json.loads(ask.post("/sdapi/v1/txt2img", json=body).json()["info"])
    assert info["not_applied"] == []
    assert "Variation" not in info["infotexts"][0]
    assert "resize" not in info["infotexts"][0]


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("/generate", {"variation_strength": 1.5}, "variation_strength"),
        ("/generate", {"rng": "dice"}, "rng"),
        ("/sdapi/v1/txt2img", {"subseed_strength": 1.5}, "subseed_strength"),
        ("/sdapi/v1/txt2img", {"override_settings": {"randn_source": "dice"}}, "randn_source"),
        ("/v1/images/generations", {"variation_seed": -2}, "variation_seed"),
    ],
)
def test_wrong_value_is_refused_under_the_name_of_the_api(
    ask: httpx.Client, path: str, body: dict[str, Any], name: str
) -> None:
    refused = ask.post(path, json={"prompt": "x", **body})
    assert refused.status_code in (400, 422)
    assert name in refused.text
