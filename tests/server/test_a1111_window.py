"""The routes of A1111's web page that clients use."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from tests.support.live_server import Live
from tests.support.scripted_generator import ScriptedGenerator

TASK = "task(1a2b)"


def _progress(ask: httpx.Client, **changes: Any) -> dict[str, Any]:
    body = {"id_task": TASK, "id_live_preview": -1, **changes}
    answer: dict[str, Any] = ask.post("/internal/progress", json=body).json()
    return answer


def test_progress_is_found_by_the_id_that_the_client_gave(
    scripted: Live, generator: ScriptedGenerator
) -> None:
    generator.hold.set()
    with scripted.client() as ask, ThreadPoolExecutor(2) as pool:
        assert _progress(ask)["textinfo"] == "Waiting..."
        body = {"prompt": "x", "force_task_id": TASK}
        made = pool.submit(ask.post, "/sdapi/v1/txt2img", json=body)
        scripted.until(lambda: _progress(ask)["active"])
        later = {"prompt": "y", "force_task_id": "other"}
        waiting = pool.submit(ask.post, "/sdapi/v1/txt2img", json=later)
        scripted.until(lambda: _progress(ask, id_task="other")["queued"])
        generator.hold.clear()
        assert made.result().json()["parameters"]["force_task_id"] == TASK
        assert waiting.result().status_code == 200
        over = _progress(ask)
        assert (over["active"], over["queued"], over["completed"]) == (False, False, True)
        assert not scripted.services.a1111.tasks.jobs


def test_preview_is_sent_once(scripted: Live, generator: ScriptedGenerator) -> None:
    generator.hold_at_picture = 1
    with scripted.client() as ask, ThreadPoolExecutor(1) as pool:
        body = {"prompt": "x", "n_iter": 2, "force_task_id": TASK}
        made = pool.submit(ask.post, "/sdapi/v1/txt2img", json=body)
        scripted.until(lambda: _progress(ask)["id_live_preview"] >= 0)
        shown = _progress(ask)
        assert shown["live_preview"].startswith("data:image/jpeg;base64,")
        again = _progress(ask, id_live_preview=shown["id_live_preview"])
        assert (again["live_preview"], again["active"]) == (None, True)
        assert _progress(ask, live_preview=False)["live_preview"] is None
        generator.hold_at_picture = None
        made.result()


def test_small_routes_answer_what_clients_read(scripted: Live) -> None:
    with scripted.client() as ask:
        assert ask.get("/internal/ping").json() == {}
        assert ask.get("/sdapi/v1/version").json()["app"] == "sdtui"
        assert ask.get("/app_id").json() == ask.get("/app_id").json()
        assert ask.get("/login_check").json() is None
        lists = {
            each["props"]["elem_id"]: each["props"]["choices"]
            for each in ask.get("/config").json()["components"]
        }
        assert lists["setting_sd_lora"] == ["None"]
        assert {"Latent", "Lanczos"} <= set(lists["txt2img_hr_upscaler"])
        wrong = ask.post("/internal/progress", json={"id_task": 1})
        assert (wrong.status_code, wrong.json()["detail"][:7]) == (422, "id_task")


def test_hint_names_the_list_of_the_api(scripted: Live) -> None:
    units = {"controlnet": {"args": [{"enabled": True, "model": "zzz", "image": "AAAA"}]}}
    with scripted.client() as ask:
        answer = ask.post("/sdapi/v1/txt2img", json={"prompt": "x", "alwayson_scripts": units})
    assert answer.status_code == 404
    assert "/controlnet/model_list lists them" in answer.json()["detail"]
