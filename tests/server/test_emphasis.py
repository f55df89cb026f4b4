"""Prompt syntax and emphasis through the APIs, and in infotexts."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

SMALL: dict[str, Any] = {"width": 64, "height": 64, "seed": 3}


@pytest.mark.parametrize(
    ("prompt", "mode", "named"),
    [
        ("a (red:1.3) apple", "No norm", "No norm"),
        ("a (red:1.3) apple", "Original", None),
        ("a red apple", "No norm", None),
        ("a [red] apple", "None", "None"),
    ],
)
def test_emphasis_is_named_where_a1111_names_it(
    ask: httpx.Client, prompt: str, mode: str, named: str | None
) -> None:
    body = {**SMALL, "prompt": prompt, "steps": 2, "override_settings": {"emphasis": mode}}
    info = json.loads(ask.post("/sdapi/v1/txt2img", json=body).json()["info"])
    assert info["not_applied"] == []
    assert info["emphasis"] == mode
    (infotext,) = info["infotexts"]
    assert (f"Emphasis: {named}" in infotext) is (named is not None)
    assert ("Emphasis" in infotext) is (named is not None)
    again = ask.post(
        "/sdapi/v1/txt2img", json={**SMALL, "prompt": prompt, "infotext": infotext}
    ).json()
    assert json.loads(again["info"])["emphasis"] == (named or "Original")


def test_native_api_takes_the_syntax(ask: httpx.Client) -> None:
    body = {**SMALL, "prompt": "a (b", "num_inference_steps": 2}
    made = ask.post("/generate", json={**body, "encoding": {"prompt_syntax": "plain"}})
    assert made.status_code == 200, made.text
    (entry,) = ask.get("/history", params={"q": "a (b"}).json()["entries"][:1]
    record = ask.get(f"/history/{entry['id']}").json()["record"]
    assert record["settings"]["prompt_syntax"] == "plain"
    refused = ask.post("/generate", json={**body, "emphasis": "loud"})
    assert refused.status_code in (400, 422)
    assert "emphasis" in refused.text
