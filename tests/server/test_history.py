"""What the native API does with pictures of the history."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from sdtui.requests.request import GenerationRequest
from sdtui.server.api.native.repeating import repeating_values
from tests.support.images import difference, open_base64
from tests.support.live_server import BODY, Live
from tests.support.records import record


def _entry(running: Live, ask: httpx.Client) -> dict[str, Any]:
    job = ask.post("/jobs", json=BODY).json()["url"]
    running.until(lambda: ask.get(job).json()["state"] == "done")
    entry: dict[str, Any] = ask.get("/history").json()["entries"][0]
    return entry


def test_picture_is_starred_and_trashed(scripted: Live) -> None:
    with scripted.client() as ask:
        url = _entry(scripted, ask)["url"]
        for method, starred in (("PUT", True), ("PUT", True), ("DELETE", False)):
            assert ask.request(method, f"{url}/star").json()["starred"] is starred
            assert ask.get(url).json()["entry"]["starred"] is starred
        assert ask.delete(url).status_code == 204
        assert len(scripted.backend.pictures.trashed()) == 1
        for again in (ask.delete(url), ask.put(f"{url}/star"), ask.get(f"{url}/picture?edge=64")):
            assert again.status_code == 404


def test_smaller_copy_of_a_picture_is_kept_by_browsers(scripted: Live) -> None:
    with scripted.client() as ask:
        url = f"{_entry(scripted, ask)['url']}/picture"
        whole, small = ask.get(url), ask.get(url, params={"edge": 16})
        assert max(Image.open(io.BytesIO(whole.content)).size) > 16
        assert max(Image.open(io.BytesIO(small.content)).size) == 16
        assert small.headers["content-type"] == "image/webp"
        assert small.headers["cache-control"].startswith("private, max-age=")
        assert "cache-control" not in whole.headers
        known = {"If-None-Match": small.headers["etag"]}
        assert ask.get(url, params={"edge": 16}, headers=known).status_code == 304
        assert ask.get(url, params={"edge": 1}).status_code == 422


def test_record_has_a_request_that_makes_the_picture_again(ask: httpx.Client) -> None:
    body = {"prompt": "a red apple", "num_inference_steps": 2, "width": 64, "height": 64, "seed": 3}
    first = ask.post("/generate", json={**body, "clip_skip": 2}).json()
    (entry,) = ask.get("/history", params={"q": "seed:3 apple", "limit": 1}).json()["entries"]
    answer = ask.get(entry["url"]).json()
    assert answer["infotext"].startswith("a red apple\n")
    assert "Seed: 3" in answer["infotext"]
    assert answer["request"].items() >= {**body, "clip_skip": 2, "model": "pocket"}.items()
    assert not {"negative_prompt", "memory_mode", "vae"} & answer["request"].keys()
    again = ask.post("/generate", json=answer["request"])
    pictures = [open_base64(each["image_base64"]) for each in (first, again.json())]
    assert difference(*pictures) == 0


def test_pictures_that_a_request_needs_are_left_out_with_their_settings(tmp_path: Path) -> None:
    image = tmp_path / "a.png"
    Image.new("RGB", (64, 64)).save(image)
    request = GenerationRequest.parse({"prompt": "x", "init_image": image, "strength": 0.3})
    values, left_out = repeating_values(record("x").model_copy(update={"request": request}))
    assert left_out == ["init_image"]
    assert not {"init_image", "strength"} & values.keys()
