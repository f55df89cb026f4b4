"""The retry policy of each API, and what the answers say about changed pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sdtui.core.enums import MemoryMode
from sdtui.requests.record import Stage
from tests.support.faults import Fault, failing
from tests.support.images import png_base64
from tests.support.live_server import Live, parse_events, post

TIMES = 2
"""Memory runs out in the first attempt and in the one after freeing caches."""
TXT2IMG: dict[str, Any] = {"prompt": "x", "steps": 26, "width": 64, "height": 64}
OPENAI: dict[str, Any] = {"prompt": "x", "steps": 26, "size": "64x64"}
NATIVE: dict[str, Any] = {"prompt": "x", "num_inference_steps": 26, "width": 64, "height": 64}


@pytest.fixture
def ask(tiny: Live) -> Iterator[httpx.Client]:
    """A client of the server with the tiny model."""
    with tiny.client() as client:
        yield client


def _post(tiny: Live, ask: httpx.Client, path: str, body: dict[str, Any]) -> httpx.Response:
    ask.post("/generate", json={**NATIVE, "num_inference_steps": 1}).raise_for_status()
    engine = tiny.generators[0].engine
    engine.modes = (MemoryMode.FULL,)  # in parts the model would be loaded without the fault
    with failing(engine.loaded, Stage.DENOISE, Fault(TIMES)):
        return post(ask, path, body)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/sdapi/v1/txt2img", TXT2IMG),
        ("/sdapi/v1/img2img", {**TXT2IMG, "init_images": [png_base64()], "denoising_strength": 1}),
        ("/v1/images/generations", OPENAI),
        ("/v1/images/edits", {**OPENAI, "strength": 1}),
    ],
)
def test_other_apis_change_the_picture_only_if_allowed(
    tiny: Live, ask: httpx.Client, path: str, body: dict[str, Any]
) -> None:
    refused = _post(tiny, ask, path, body)
    assert refused.status_code == 503
    assert "memory ran out" in refused.text
    changed = _post(tiny, ask, path, {**body, "policy": "keep"})
    assert changed.status_code == 200
    assert changed.headers["X-Sdtui-Changed"] == "26 to 25 steps"


def test_unchanged_picture_is_not_said_to_be_changed(ask: httpx.Client) -> None:
    unchanged = ask.post("/sdapi/v1/txt2img", json=TXT2IMG)
    assert unchanged.status_code == 200
    assert "X-Sdtui-Changed" not in unchanged.headers


def test_unknown_policy_is_refused(ask: httpx.Client) -> None:
    wrong = ask.post("/sdapi/v1/txt2img", json={**TXT2IMG, "policy": "anything"})
    assert wrong.status_code == 422


def test_native_api_follows_the_settings_and_says_what_it_changed(
    tiny: Live, ask: httpx.Client
) -> None:
    changed = _post(tiny, ask, "/generate", NATIVE)
    assert changed.headers["X-Sdtui-Changed"] == "26 to 25 steps"
    assert _post(tiny, ask, "/generate", {**NATIVE, "policy": "strict"}).status_code == 503


def test_stream_says_what_was_changed(tiny: Live, ask: httpx.Client) -> None:
    body = {**OPENAI, "stream": True, "policy": "keep"}
    streamed = _post(tiny, ask, "/v1/images/generations", body)
    assert parse_events(streamed.text)[-1][1]["changed"] == ["26 → 25 steps"]
