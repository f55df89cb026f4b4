"""The examples in the OpenAPI document, as "Try it out" on /docs sends them."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from sdtui.server.outcome_headers import NOT_APPLIED
from tests.support.images import png_base64
from tests.support.live_server import Live

MAKING = ("/generate", "/jobs", "/sdapi/v1/txt2img", "/sdapi/v1/img2img", "/v1/images/generations")


@pytest.fixture
def document(scripted: Live) -> dict[str, Any]:
    with scripted.client() as ask:
        found: dict[str, Any] = ask.get("/openapi.json").json()
        return found


def _bodies(document: dict[str, Any], kind: str) -> dict[str, Any]:
    """The descriptions of bodies of a media type, by path."""
    return {
        path: operation["requestBody"]["content"][kind]
        for path, operations in document["paths"].items()
        for operation in operations.values()
        if kind in operation.get("requestBody", {}).get("content", {})
    }


def test_every_json_example_is_accepted(document: dict[str, Any], scripted: Live) -> None:
    bodies = _bodies(document, "application/json")
    assert set(MAKING) < bodies.keys()
    with scripted.client() as ask:
        del bodies["/trainings"]  # its pictures are on the server's machine
        for path, media in bodies.items():
            answer = ask.post(path.replace("{model}", "pocket"), json=media["example"])
            assert answer.status_code in (200, 202), (path, answer.text)
            assert NOT_APPLIED not in answer.headers
            scripted.until(lambda: not scripted.services.backend.jobs.running())


def test_form_with_its_examples_is_accepted(document: dict[str, Any], ask: httpx.Client) -> None:
    bodies = _bodies(document, "multipart/form-data")
    assert list(bodies) == ["/v1/images/edits", "/v1/images/variations"]
    for path, media in bodies.items():
        fields = media["schema"]["properties"]
        values = {name: each["examples"][0] for name, each in fields.items() if "examples" in each}
        assert values["size"]
        pictures = {"image", "image[]", "mask", "markup"} & fields.keys()
        assert pictures == fields.keys() - values.keys()
        shown = {name: value for name, value in values.items() if value != ""}
        for sent in (values | {"steps": "1"}, shown | {"steps": "1"}):
            answer = ask.post(path, data=sent, files={"image": _png()})
            assert answer.status_code == 200, answer.text
            assert NOT_APPLIED not in answer.headers


def _png() -> tuple[str, bytes, str]:
    return ("a.png", base64.b64decode(png_base64()), "image/png")
