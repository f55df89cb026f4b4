"""Limits of API keys, and the file that has them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from sdtui.core.errors import LimitReachedError, SettingsError
from sdtui.jobs.wire import CALLS
from sdtui.requests.request import GenerationRequest
from sdtui.server.services.caller_jobs import Allowance
from sdtui.server.services.key_ring import KeyRing
from tests.support.images import png_base64
from tests.support.live_server import QUICK, Live, live
from tests.support.manual import PAGES
from tests.support.scripted_generator import ScriptedGenerator

KEYS = """
[boss]
key = "key-of-boss"
admin = true

[slow]
key = "key-of-slow"
rate = 2

[few]
key = "key-of-few"
jobs = 2
pictures = 3

[small]
key = "key-of-small"
max_pixels = 4096
max_pictures = 2
max_grid = 2

[light]
key = "key-of-light"
max_work = 0.02

[other]
key = "key-of-other"
models = ["elsewhere"]
"""
_AXIS = {"axis": "steps", "values": "1,2,3"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("limits")
    file = _written(folder, KEYS)
    with live(folder, lambda _: ScriptedGenerator(), keys_file=file, warm=False) as running:
        running.backend.jobs.pause()
        yield running


def _written(folder: Path, text: str) -> Path:
    file = folder / "keys.toml"
    file.write_text(text)
    file.chmod(0o600)
    return file


@pytest.fixture
def ask(server: Live) -> Iterator[Callable[[str], httpx.Client]]:
    """Makes clients with a key by its name."""
    clients: list[httpx.Client] = []

    def client(name: str) -> httpx.Client:
        clients.append(server.client(headers={"Authorization": f"Bearer key-of-{name}"}))
        return clients[-1]

    yield client
    for each in clients:
        each.close()
    for job in server.backend.jobs.jobs():
        server.backend.jobs.cancel(job.id)


Ask = Callable[[str], httpx.Client]


def test_jobs_of_a_key_are_limited_over_all_connections(server: Live, ask: Ask) -> None:
    client = ask("few")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: client.post("/jobs", json=QUICK), range(8)))
    assert sorted(each.status_code for each in answers) == [202] * 2 + [429] * 6
    assert all(each.headers["Retry-After"] for each in answers if each.status_code == 429)
    assert [job.client for job in server.backend.jobs.jobs()] == ["few", "few"]
    assert ask("boss").post("/jobs", json=QUICK).status_code == 202


def test_attached_client_is_limited_too_and_does_not_name_itself(server: Live, ask: Ask) -> None:
    client, call = ask("few"), CALLS["jobs", "submit"]
    request = GenerationRequest.parse({"prompt": "x", "width": 64, "height": 64})
    given: dict[str, Any] = {"request": request, "front": True, "client": "boss"}
    with ThreadPoolExecutor(8) as pool:
        body = call.write_arguments(given)
        answers = list(
            pool.map(lambda _: client.post("/attach/calls/jobs/submit", content=body), range(8))
        )
    assert sorted(each.status_code for each in answers) == [200] * 2 + [400] * 6
    unfinished = [job for job in server.backend.jobs.jobs() if not job.state.is_over]
    assert {job.client for job in unfinished} == {job.output.owner for job in unfinished} == {"few"}
    moved = ask("few").post("/attach/calls/jobs/move", json={"job_id": "x", "position": 0})
    assert moved.json()["type"] == "ForbiddenError"


def test_pictures_of_batches_and_grids_count(ask: Ask) -> None:
    client = ask("few")
    assert client.post("/jobs", json={**QUICK, "num_images_per_prompt": 4}).status_code == 422
    assert client.post("/grids", json={"request": QUICK, "x": _AXIS}).status_code == 202
    assert client.post("/jobs", json=QUICK).status_code == 429


def test_values_of_a_key_are_limited_as_those_of_the_server(ask: Ask) -> None:
    client = ask("small")
    for values in ({"width": 128}, {"num_images_per_prompt": 3}, {"hires_scale": 2}):
        assert client.post("/jobs", json={**QUICK, **values}).status_code == 422, values
    assert client.post("/grids", json={"request": QUICK, "x": _AXIS}).status_code == 422
    options = {"override_settings": {"sd_model_checkpoint": "pocket"}}
    body = {"prompt": "x", "width": 128, "height": 128, "steps": 1}
    assert client.post("/sdapi/v1/txt2img", json={**body, **options}).status_code == 422
    picture = {"prompt": "x", "size": "128x128"}
    assert client.post("/v1/images/generations", json=picture).status_code == 400


def test_upscaled_pictures_have_no_more_pixels_than_a_key_may_ask_for(ask: Ask) -> None:
    client = ask("small")
    assert client.post("/jobs", json={**QUICK, "upscale_factor": 2}).status_code == 422
    picture = {"image": png_base64(64), "upscaler_1": "Lanczos"}
    for size in ({"upscaling_resize": 2}, {"resize_mode": 1, "upscaling_resize_w": 128}):
        answer = client.post("/sdapi/v1/extra-single-image", json={**picture, **size})
        assert answer.status_code == 422, size
        assert "this API key" in answer.text
    reference = {"prompt": "x", "upscale_image": png_base64(64), "upscale_width": 128}
    assert client.post("/jobs", json=reference).status_code == 422


def test_work_counts_steps_hires_tiles_and_all_pictures(ask: Ask) -> None:
    client = ask("light")
    assert client.post("/jobs", json={**QUICK, "num_images_per_prompt": 2}).status_code == 202
    for values in (
        {"num_images_per_prompt": 3},
        {"num_inference_steps": 5},
        {"hires_scale": 2},
        {"upscale_factor": 1, "redraw_strength": 0.5, "redraw_tile": 64, "redraw_padding": 64},
    ):
        answer = client.post("/jobs", json={**QUICK, **values})
        assert answer.status_code == 422, values
        assert "megapixels times steps" in answer.text
    axis = {"axis": "steps", "values": "1,5"}
    assert client.post("/grids", json={"request": QUICK, "x": axis}).status_code == 422


def test_model_that_a_key_may_not_use_is_unknown(ask: Ask) -> None:
    client = ask("other")
    assert client.post("/jobs", json={**QUICK, "model": "pocket"}).status_code == 404
    assert client.get("/models").json() == []
    chosen = {"sd_model_checkpoint": "pocket"}
    assert client.post("/sdapi/v1/options", json=chosen).status_code == 404
    body = {"prompt": "x", "override_settings": chosen}
    assert client.post("/sdapi/v1/txt2img", json=body).status_code == 404
    assert client.post("/attach/calls/models/installed").json() == []
    found = client.post("/attach/calls/models/find", json={"name": "pocket"})
    assert found.json()["type"] == "ModelNotFoundError"


def test_model_is_chosen_for_the_key_alone_and_not_loaded(server: Live, ask: Ask) -> None:
    chosen = {"sd_model_checkpoint": "pocket", "CLIP_stop_at_last_layers": 2}
    client = ask("few")
    assert client.post("/sdapi/v1/options", json=chosen).status_code == 200
    assert client.get("/sdapi/v1/options").json()["CLIP_stop_at_last_layers"] == 2
    assert ask("boss").get("/sdapi/v1/options").json()["CLIP_stop_at_last_layers"] == 1
    assert client.post("/sdapi/v1/unload-checkpoint").status_code == 403
    assert client.post("/sdapi/v1/reload-checkpoint").status_code == 403


def test_rate_is_limited_with_the_time_to_wait(ask: Ask) -> None:
    client = ask("slow")
    assert [client.post("/jobs", json=QUICK).status_code for _ in range(3)] == [202, 202, 429]
    refused = client.post("/v1/images/generations", json={"prompt": "x"})
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 30
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"


def test_allowance_lets_more_than_it_holds_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("sdtui.server.services.caller_jobs.time.monotonic", lambda: now)
    allowance = Allowance(6)
    allowance.check(10)
    allowance.take(10)
    with pytest.raises(LimitReachedError) as found:
        allowance.check(1)
    assert found.value.seconds == pytest.approx(50)
    now += 50
    allowance.check(1)


def test_key_may_be_written_as_its_hash(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"key-of-alice").hexdigest()
    keys = KeyRing("single", _written(tmp_path, f'[alice]\nkey_sha256 = "{digest}"\n'))
    found = keys.find([b"wrong", b"key-of-alice"], "127.0.0.1")
    assert found is not None
    assert (found.name, found.owner, found.is_admin) == ("alice", "alice", False)
    single = keys.find([b"single"], "127.0.0.1")
    assert single is not None
    assert (single.name, single.owner, single.is_admin) == ("127.0.0.1", "", True)
    assert keys.find([b"", digest.encode()], "127.0.0.1") is None


def test_reload_takes_new_keys_and_keeps_the_old_ones_if_the_file_is_wrong(tmp_path: Path) -> None:
    file = _written(tmp_path, '[alice]\nkey = "key-of-alice"\n')
    keys = KeyRing(None, file)
    before = keys.find([b"key-of-alice"], "")
    assert before is not None
    file.write_text("[alice\n")
    with pytest.raises(SettingsError, match="TOML"):
        keys.reload()
    assert keys.find([b"key-of-alice"], "") == before
    file.write_text('[alice]\nkey = "key-of-alice"\nrate = 1.5\n[bob]\nkey = "key-of-bob"\n')
    keys.reload()
    assert keys.find([b"key-of-bob"], "") is not None
    assert not keys.has(before)  # what it follows ends, and begins again with the new limits


def test_another_key_of_the_same_name_does_not_follow_what_the_old_one_did(tmp_path: Path) -> None:
    file = _written(tmp_path, '[alice]\nkey = "key-of-alice"\n')
    keys = KeyRing("single-1", file)
    named, single = (keys.find([key], "") for key in (b"key-of-alice", b"single-1"))
    assert named is not None
    assert single is not None
    assert keys.has(named)
    assert keys.has(single)
    file.write_text('[alice]\nkey = "new-key-of-alice"\n')
    keys.reload()
    keys.replace_single("single-2")
    assert not keys.has(named)
    assert not keys.has(single)


def test_named_key_that_is_the_single_one_too_is_refused(tmp_path: Path) -> None:
    file = _written(tmp_path, '[alice]\nkey = "key-of-alice"\n')
    with pytest.raises(SettingsError, match="same key as --api-key-file"):
        KeyRing("key-of-alice", file)  # its limits wouldn't count
    keys = KeyRing("single-1", file)
    with pytest.raises(SettingsError, match="alice"):
        keys.replace_single("key-of-alice")
    file.write_text('[bob]\nkey = "single-1"\n')
    with pytest.raises(SettingsError, match="bob"):
        keys.reload()
    assert keys.find([b"key-of-alice"], "") == keys.named[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no keys"),
        ('[Alice]\nkey = "12345678"', "can't be the name"),
        ('[a]\nkey = "12345678"\nrats = 1', "rats isn't known"),
        ('[a]\nkey = "12345678"\nrate = 0', "rate must be greater than 0"),
        ('[a]\nkey = "12345678"\nmay = ["fly"]', "may.0"),
        ("[a]\nrate = 1", "needs key or key_sha256"),
        ('[a]\nkey = "12345678"\n[b]\nkey = "12345678"', "a and b have the same key"),
        ('[a]\nkey = "12345678"\nmodels = "b"', "models must be a list"),
        ('[a]\nkey = "12345678 "', "without spaces around"),  # no header could bring it
    ],
)
def test_wrong_file_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        KeyRing(None, _written(tmp_path, text))


def test_file_that_others_can_write_is_refused_and_no_key_is_shown(tmp_path: Path) -> None:
    for text in ('[a]\nkey = "short"', '[a]\nkey = ["short"]', 'a = "short"', 'key = "short"'):
        file = _written(tmp_path, text)
        with pytest.raises(SettingsError) as found:
            KeyRing(None, file)
        assert "short" not in str(found.value)
    file.chmod(0o622)
    with pytest.raises(SettingsError, match="written by others"):
        KeyRing(None, file)


def test_example_of_the_manual_is_right(tmp_path: Path) -> None:
    example = PAGES["operating"].read_text().partition("```ini\n[alice]")[2].partition("```")[0]
    keys = KeyRing(None, _written(tmp_path, f"[alice]{example}"))
    assert keys.find([b"staple-of-the-operator"], "") is not None
