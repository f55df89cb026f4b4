"""The native API on a real server with the pocket model."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from sdtui.core.enums import MemoryMode
from sdtui.requests.record import Stage
from sdtui.server.api.native.generate import prefers_png
from tests.support.faults import Fault, failing
from tests.support.images import difference, open_base64, png_base64
from tests.support.live_server import QUICK, Live, parse_events


def test_generate_returns_picture_and_record(ask: httpx.Client) -> None:
    answer = ask.post("/generate", json={**QUICK, "seed": 7})
    assert answer.status_code == 200
    body = answer.json()
    assert open_base64(body["image_base64"]).size == (64, 64)
    assert body["seed"] == body["record"]["seed"] == 7
    assert body["generation_time"] == body["record"]["generation_time"] > 0
    assert body["record"]["settings"]["num_inference_steps"] == 2
    assert Path(body["path"]).read_bytes() == base64.b64decode(body["image_base64"])
    assert body["more"] == []


def test_second_picture_is_that_of_the_next_seed(ask: httpx.Client) -> None:
    several = ask.post("/generate", json={**QUICK, "seed": 7, "num_images_per_prompt": 2}).json()
    alone = ask.post("/generate", json={**QUICK, "seed": 8}).json()
    second = several["more"][0]
    assert second["seed"] == 8
    pictures = [open_base64(each["image_base64"]) for each in (second, alone)]
    assert difference(*pictures) <= 2


def test_generate_returns_png_if_accepted(ask: httpx.Client) -> None:
    answer = ask.post("/generate", json={**QUICK, "seed": 5}, headers={"Accept": "image/png"})
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-seed"] == "5"
    image = Image.open(io.BytesIO(answer.content))
    assert "Seed: 5" in image.info["parameters"]
    several = {**QUICK, "num_images_per_prompt": 2}
    assert ask.post("/generate", json=several, headers={"Accept": "image/png"}).status_code == 406


def test_uploaded_init_image_is_used_and_deleted(
    ask: httpx.Client, pocket: Live, tmp_path: Path
) -> None:
    in_lines = base64.encodebytes(base64.b64decode(png_base64(80))).decode()
    body = {**QUICK, "init_image": in_lines, "strength": 0.5}
    answer = ask.post("/generate", json=body)
    assert answer.status_code == 200, answer.text
    record = answer.json()["record"]
    assert record["settings"]["strength"] == 0.5
    assert len(record["parents"]) == 1
    upload = Path(record["request"]["image_to_image"]["image"])
    pocket.until(lambda: not upload.exists())
    # A path is not accepted as a picture, even if the file exists.
    there = tmp_path / "there.png"
    there.write_bytes(base64.b64decode(png_base64()))
    for value in (str(there), there.as_uri(), "http://127.0.0.1:1/picture.png"):
        refused = ask.post("/generate", json={**QUICK, "init_image": value})
        assert refused.status_code == 400
        assert "base64" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    ("values", "status", "words"),
    [
        ({"prompt": ""}, 422, "prompt: must not be empty"),
        ({"width": 100}, 422, "width: "),
        ({"width": 256, "height": 256}, 422, "16,384 pixels"),
        ({"width": 136, "height": None}, 422, "136x128 is more"),
        ({"num_images_per_prompt": 5}, 422, "at most 4"),
        ({"sampler": "DPM++ 2M Caras"}, 422, 'did you mean "DPM++ 2M Karras"?'),
        ({"no_such_field": 1}, 422, "no_such_field"),
        ({f"no_such_field_{number}": 1 for number in range(90)}, 422, "no_such_field_7"),
        ({f"no_such_field_{number}": 1 for number in range(40_000)}, 422, "has 40004 fields"),
        ({"no_such_field" * 1000: 1}, 422, "no_such_field"),
        ({"width": [[]] * 40_000}, 422, "width: must be a whole number, not a list"),
        ({"prompt": {"a": 1}}, 422, "not an object"),
        ({"strength": 0.5}, 422, "init_image"),
        ({"model": "pokcet"}, 404, 'Did you mean "pocket"?'),
        ({"model": "/etc/passwd"}, 404, "there is no model"),
        ({"model": "../pictures"}, 404, "there is no model"),
        ({"model": "owner/name"}, 404, "there is no model"),
        ({"memory_mode": "model_offload"}, 400, "needs a GPU"),
    ],
)
def test_wrong_input_is_refused_with_reason_and_request_id(
    ask: httpx.Client, values: dict[str, Any], status: int, words: str
) -> None:
    answer = ask.post("/generate", json={**QUICK, **values})
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert words in error["message"]
    assert error["id"] == answer.headers["x-request-id"]
    assert "Traceback" not in answer.text
    assert len(answer.content) < 5000


@pytest.mark.parametrize(
    ("accept", "png"),
    [
        ("image/png", True),
        ("IMAGE/PNG", True),
        ("image/*", True),
        ("image/png, */*", True),
        ("text/html, image/png;q=0.9, application/json;q=0.2", True),
        ("", False),
        ("*/*", False),
        ("application/json, image/png", False),
        ("application/json, image/png;q=0", False),
        ("image/png;q=0.1, application/json", False),
        ("image/png;q=x", False),
        ("image/jpeg", False),
    ],
)
def test_accept_header_chooses_png_or_json(accept: str, png: bool) -> None:
    assert prefers_png(accept) == png


def test_submitted_job_can_be_followed_and_fetched(ask: httpx.Client) -> None:
    accepted = ask.post("/jobs", json={**QUICK, "seed": 3})
    assert accepted.status_code == 202
    job = accepted.json()
    assert accepted.headers["location"] == job["url"]
    stream = ask.get(job["url"] + "/events")
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.headers["cache-control"] == "no-store"
    events = parse_events(stream.text)
    kinds = [kind for kind, _ in events]
    assert kinds[0] == "queued"
    assert kinds[-1] == "finished"
    assert {"started", "stage", "step", "preview", "saved"} <= set(kinds)
    over = ask.get(job["url"]).json()
    assert over["state"] == "done"
    assert over["record"]["seed"] == 3
    assert ask.get(over["pictures"][0]).content[:4] == b"\x89PNG"
    assert ask.get(job["url"] + "/pictures/1").status_code == 404
    assert ask.delete(job["url"]).status_code == 409
    # A late subscriber gets the same last event; a reconnecting one gets only the events it missed.
    again = ask.get(job["url"] + "/events").text
    assert parse_events(again)[-1][0] == "finished"
    last, before = re.findall(r"^id: (\S+)$", again, re.MULTILINE)[-1:-3:-1]
    remaining = ask.get(job["url"] + "/events", headers={"Last-Event-ID": before})
    lasting = [kind for kind, _ in parse_events(remaining.text) if kind not in ("step", "preview")]
    assert lasting == ["finished"]
    over_and_out = ask.get(job["url"] + "/events", headers={"Last-Event-ID": last})
    assert (over_and_out.status_code, over_and_out.content) == (204, b"")
    run, _, number = last.partition("-")
    of_another_run = f"{'0' * len(run)}-{number}"
    for wrong in ("-1", "x", "", "9" * 5000, number, of_another_run, f"{run}-{int(number) + 1}"):
        whole = ask.get(job["url"] + "/events", headers={"Last-Event-ID": wrong})
        assert parse_events(whole.text)[0][0] == "queued"
    assert job["id"] in [each["id"] for each in ask.get("/jobs").json()]
    assert ask.get("/jobs/none").status_code == 404


def test_out_of_memory_is_retried_and_reported(ask: httpx.Client, pocket: Live) -> None:
    ask.post("/generate", json=QUICK)
    engine = pocket.generators[0].engine
    engine.modes = (MemoryMode.FULL,)  # the model stays in memory, with the faults in it
    loaded = engine.loaded
    with failing(loaded, Stage.DENOISE, Fault(times=1)):
        answer = ask.post("/generate", json=QUICK)
    assert answer.status_code == 200
    first, second = answer.json()["record"]["attempts"]
    assert "out of memory" in first["error"]
    assert second["rung"]
    with failing(loaded, Stage.DENOISE, Fault(times=1000)):
        failed = ask.post("/generate", json={**QUICK, "policy": "strict"})
    assert failed.status_code == 503
    error = failed.json()["error"]
    assert error["type"] == "OutOfMemoryError"
    assert "memory ran out in the denoise stage" in error["message"]
    assert len(error["attempts"]) >= 2
    assert all("out of memory" in each["error"] for each in error["attempts"])
    assert ask.post("/generate", json=QUICK).status_code == 200
    metrics = ask.get("/metrics").text
    assert 'sdtui_out_of_memory_total{stage="denoise"}' in metrics
    assert f'sdtui_retries_total{{rung="{second["rung"]}",stage="denoise"}}' in metrics


def test_unsaved_picture_can_be_saved_later(scripted: Live) -> None:
    folder = scripted.backend.pictures.folder
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("in the way")
    with scripted.client() as ask:
        unsaved = ask.post("/generate", json={"prompt": "x"})
        assert unsaved.status_code == 200
        job = unsaved.json()["job"]
        assert ask.post(f"/jobs/{job}/save").status_code == 507
        folder.unlink()
        saved = ask.post(f"/jobs/{job}/save")
        assert saved.status_code == 200
        assert (saved.json()["state"], saved.json()["error"]) == ("done", None)
        assert saved.json()["record"]["success"]
        assert saved.json()["record"]["images"][0]["path"].startswith(str(folder))
        assert re.search(r"sdtui_pictures_total\{.*\} 1.0", ask.get("/metrics").text)
        assert ask.get(saved.json()["pictures"][0]).content[:4] == b"\x89PNG"
        assert ask.post(f"/jobs/{job}/save").status_code == 409
        assert ask.post("/jobs/none/save").status_code == 404


def test_damaged_init_image_is_refused_without_its_path(ask: httpx.Client) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((200, 200), 50).save(buffer, "JPEG")
    cut = base64.b64encode(buffer.getvalue()[:-2000]).decode()
    answer = ask.post("/generate", json={**QUICK, "init_image": cut})
    assert answer.status_code == 400
    message = answer.json()["error"]["message"]
    assert "the init image that was sent" in message
    assert "uploads" not in message


def test_unexpected_error_is_logged_and_not_sent(
    ask: httpx.Client, pocket: Live, caplog: pytest.LogCaptureFixture
) -> None:
    ask.post("/generate", json=QUICK)
    fault = Fault(times=1, make=lambda: KeyError("inner secret"))
    with failing(pocket.generators[0].engine.loaded, Stage.DENOISE, fault):
        answer = ask.post("/generate", json=QUICK)
    assert answer.status_code == 500
    assert "inner secret" not in answer.text
    assert answer.json()["error"]["id"] in caplog.text
    assert answer.json()["error"]["job"] in caplog.text
    assert "Traceback" in caplog.text


def test_history_can_be_searched_and_read(ask: httpx.Client) -> None:
    ask.post("/generate", json={**QUICK, "prompt": "a zebra on a tree", "seed": 11})
    page = ask.get("/history", params={"q": "zebra seed:11", "limit": 1}).json()
    assert page["total"] >= 1
    entry = page["entries"][0]
    answer = ask.get(entry["url"]).json()
    assert answer["record"]["prompt"] == "a zebra on a tree"
    assert ask.get(entry["url"] + "/picture").headers["content-type"] == "image/png"
    assert ask.get("/history", params={"q": "colour:red"}).status_code == 422
    assert ask.get("/history/1").status_code == 404


def test_health_models_and_samplers_are_listed(ask: httpx.Client) -> None:
    health = ask.get("/health").json()
    assert health["status"] == "ok"
    assert health["model_loaded"] is True
    assert (health["model"], health["device"]) == ("pocket", "cpu")
    models = ask.get("/models").json()
    assert models[0]["name"] == "pocket"
    assert models[0]["is_default"] is True
    assert "Euler a" in ask.get("/samplers").json()
    assert ask.get("/livez").text == ask.get("/readyz").text == "ok"


def test_metrics_contain_no_prompt(ask: httpx.Client) -> None:
    ask.post("/generate", json={**QUICK, "prompt": "a secret wombat"})
    text = ask.get("/metrics").text
    for name in (
        'sdtui_http_request_seconds_count{method="POST",route="/generate",status="200"}',
        "sdtui_pictures_total",
        "sdtui_steps_total",
        'sdtui_stage_seconds_bucket{le="1.0",stage="decode"}',
        "sdtui_queue_wait_seconds_count",
        'sdtui_model_loads_total{model="pocket"} 1.0',
        "sdtui_queue_length 0.0",
        "process_resident_memory_bytes",
    ):
        assert name in text, name
    assert "wombat" not in text
