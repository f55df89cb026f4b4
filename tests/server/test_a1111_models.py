"""Choosing models with A1111's API."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from sdtui.core.errors import ModelDamagedError
from sdtui.core.settings import Settings
from sdtui.models import describe_model, text_widths
from sdtui.pocket import MODEL_FOLDER
from tests.support.embeddings import make_embedding
from tests.support.live_server import PATIENCE, live
from tests.support.model_files import safetensors, sd1_folder
from tests.support.scripted_generator import ScriptedGenerator


def folder_of(tmp_path: Path, *names: str) -> Path:
    """A folder of small models."""
    models = tmp_path / "models"
    for name in names:
        sd1_folder(models / name)
    return models


def test_unusable_models_are_not_offered_and_refused_with_the_reason(
    tmp_path: Path, generator: ScriptedGenerator
) -> None:
    models = folder_of(tmp_path, "good", "index-only")
    shutil.rmtree(models / "index-only" / "unet")
    safetensors(models / "lora.safetensors", {"x": (1,)})
    (models / "old.ckpt").write_bytes(b"")
    settings = Settings(device="cpu", model_folders=(models,))
    with live(tmp_path, lambda _: generator, settings=settings) as running, running.client() as ask:
        titles = [each["title"] for each in ask.get("/sdapi/v1/sd-models").json()]
        assert titles == [each["id"] for each in ask.get("/v1/models").json()["data"]]
        assert titles == ["pocket", "good"]
        assert ask.get("/v1/models/lora").status_code == 404
        problems = {each["name"]: each.get("problem") for each in ask.get("/models").json()}
        assert "the part unet is missing" in problems["index-only"]
        for name, reason in {
            "index-only": "the part unet is missing",
            "lora": "holds no Stable Diffusion",
            "old.ckpt": "pickle file",
        }.items():
            chosen = ask.post("/sdapi/v1/options", json={"sd_model_checkpoint": name})
            assert chosen.is_error
            assert reason in chosen.text
            refused = ask.post("/generate", json={"prompt": "x", "model": name})
            assert refused.is_error
            assert reason in refused.text
        assert ask.get("/sdapi/v1/options").json()["sd_model_checkpoint"] == "pocket"
    assert not generator.requests


def test_chosen_model_is_loaded(tmp_path: Path, generator: ScriptedGenerator) -> None:
    models = folder_of(tmp_path, "one", "two")
    settings = Settings(device="cpu", model_folders=(models,))
    with live(tmp_path, lambda _: generator, settings=settings) as running, running.client() as ask:
        ask.post("/sdapi/v1/options", json={"sd_model_checkpoint": "two [abcdef1234]"})
        assert generator.engine.loaded == ["pocket", "two"]
        for options in ({}, {"sd_model_checkpoint": ""}, {"sd_model_checkpoint": None}):
            assert ask.post("/sdapi/v1/options", json=options).status_code == 200
        assert ask.get("/sdapi/v1/options").json()["sd_model_checkpoint"] == "two"
        ask.post("/sdapi/v1/txt2img", json={"prompt": "x"})
        override = {"sd_model_checkpoint": "one.safetensors"}
        ask.post("/sdapi/v1/txt2img", json={"prompt": "x", "override_settings": override})
        assert [request.model for request in generator.requests] == ["two", "one"]
        assert ask.get("/sdapi/v1/options").json()["sd_model_checkpoint"] == "two"
        lasting = {"override_settings": override, "override_settings_restore_afterwards": False}
        ask.post("/sdapi/v1/txt2img", json={"prompt": "x", **lasting})
        assert ask.get("/sdapi/v1/options").json()["sd_model_checkpoint"] == "one"
        named = {"infotext": "a cat\nSteps: 2, Sampler: Euler, Model: two"}
        ask.post("/sdapi/v1/txt2img", json=named)
        assert [request.model for request in generator.requests[2:]] == ["one", "two"]
        # Restoring has no effect if nothing was overridden.
        ask.post("/sdapi/v1/options", json={"sd_model_checkpoint": "two"})
        ask.post("/sdapi/v1/txt2img", json={**named, "override_settings_restore_afterwards": False})
        assert ask.get("/sdapi/v1/options").json()["sd_model_checkpoint"] == "two"


def test_similar_model_titles_are_distinguished(
    tmp_path: Path, generator: ScriptedGenerator
) -> None:
    models = folder_of(tmp_path, "one", "two [best]")
    settings = Settings(device="cpu", model=str(models / "one"), model_folders=(models,))
    with live(tmp_path, lambda _: generator, settings=settings) as running, running.client() as ask:
        titles = [each["title"] for each in ask.get("/sdapi/v1/sd-models").json()]
        # The default model, configured by its path, is listed once.
        assert titles == [str(models / "one"), "pocket", "two [best]"]
        for title in (*titles, "pocket [abcdef1234]", "pocket.safetensors"):
            options = {"sd_model_checkpoint": title}
            assert ask.post("/sdapi/v1/options", json=options).status_code == 200, title
    assert generator.engine.loaded == [*titles, "pocket"]


def test_model_that_fails_to_load_is_refused_and_not_chosen(
    tmp_path: Path, generator: ScriptedGenerator
) -> None:
    models = folder_of(tmp_path, "one")
    settings = Settings(device="cpu", model_folders=(models,))
    broken = ModelDamagedError("its unet is cut short", "Fetch it again")
    one = {"sd_model_checkpoint": "one"}
    generator.engine.failure = broken
    with (
        live(tmp_path, lambda _: generator, settings=settings, warm=False) as running,
        running.client() as ask,
    ):
        # The default model, too.
        running.until(lambda: ask.get("/health").json()["status"] == "failed")
        assert ask.get("/health").json()["problem"] == "its unet is cut short. Fetch it again."
        not_ready = ask.get("/readyz")
        assert (not_ready.status_code, not_ready.text) == (503, "no model can be read")
        assert 'sdtui_jobs_total{state="failed"} 0.0' in ask.get("/metrics").text
        refused = ask.post("/sdapi/v1/options", json=one)
        assert refused.status_code == 400
        assert refused.json()["error"] == "ModelDamagedError"
        assert refused.json()["detail"] == "its unet is cut short. Fetch it again."
        assert ask.get("/sdapi/v1/options").json()["sd_model_checkpoint"] == "pocket"
        # The chosen model is loaded again once its file is valid.
        generator.engine.failure = None
        same = {"sd_model_checkpoint": "pocket"}
        assert ask.post("/sdapi/v1/options", json=same).status_code == 200
        assert generator.engine.loaded == ["pocket"]
        assert ask.get("/readyz").text == "ok"
        assert ask.get("/health").json()["problem"] is None
        # The load waits for a job, but the request doesn't.
        generator.hold.set()
        job = ask.post("/jobs", json={"prompt": "x"}).json()
        running.until(lambda: running.services.job_events.running == job["id"])
        assert ask.post("/sdapi/v1/options", json=one).status_code == 200
        assert ask.get("/sdapi/v1/options").json()["sd_model_checkpoint"] == "one"
        generator.hold.clear()
        running.until(lambda: generator.engine.loaded[-1] == "one")


def test_choosing_a_model_replaces_the_one_that_is_loading(
    tmp_path: Path, generator: ScriptedGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = folder_of(tmp_path, "one", "two", "three")
    settings = Settings(device="cpu", model_folders=(models,))
    with (
        live(tmp_path, lambda _: generator, settings=settings) as running,
        ThreadPoolExecutor(3) as threads,
    ):

        def choose(name: str) -> httpx.Response:
            with running.client() as client:
                return client.post("/sdapi/v1/options", json={"sd_model_checkpoint": name})

        queue = running.services.backend.jobs
        load, loads = queue.load, list[str]()

        def noted(name: str, *options: Any) -> str:
            loads.append(name)
            return load(name, *options)

        monkeypatch.setattr(queue, "load", noted)
        generator.engine.hold.set()
        first = threads.submit(choose, "one")
        running.until(lambda: running.services.job_events.model.loading is not None)
        same = threads.submit(choose, "one")
        running.until(lambda: loads == ["one", "one"])  # or it would come after the second
        with running.client() as ask:
            assert ask.get("/sdapi/v1/progress").json()["state"]["job_count"] == 1
        second = threads.submit(choose, "two")
        assert first.result(PATIENCE).status_code == 409
        same.result(PATIENCE)
        generator.engine.hold.clear()
        assert second.result(PATIENCE).status_code == 200
        generator.engine.hold.set()
        third = threads.submit(choose, "three")
        running.until(lambda: running.services.job_events.model.loading is not None)
        running.end()
        assert third.result(PATIENCE).status_code == 503
        assert running.services.a1111.checkpoint == "two"
        generator.engine.hold.clear()


def test_two_clients_that_choose_one_model_wait_for_one_load(
    tmp_path: Path, generator: ScriptedGenerator
) -> None:
    settings = Settings(device="cpu", model_folders=(folder_of(tmp_path, "one"),))
    with (
        live(tmp_path, lambda _: generator, settings=settings) as running,
        running.client() as ask,
        ThreadPoolExecutor(2) as threads,
    ):
        generator.engine.hold.set()
        one = {"sd_model_checkpoint": "one"}
        first = threads.submit(ask.post, "/sdapi/v1/options", json=one)
        running.until(lambda: running.services.job_events.model.loading is not None)
        second = threads.submit(ask.post, "/sdapi/v1/options", json=one)
        time.sleep(0.2)
        generator.engine.hold.clear()
        assert first.result(PATIENCE).status_code == second.result(PATIENCE).status_code == 200
    assert generator.engine.loaded == ["pocket", "one"]


def test_default_model_can_be_chosen_by_its_other_name(
    tmp_path: Path, generator: ScriptedGenerator
) -> None:
    models = folder_of(tmp_path, "real")
    (models / "default").symlink_to(models / "real")
    settings = Settings(device="cpu", model="default", model_folders=(models,))
    with live(tmp_path, lambda _: generator, settings=settings) as running, running.client() as ask:
        assert {"default", "real"} <= {each["name"] for each in ask.get("/models").json()}


def test_load_error_is_reported_even_if_a_job_fails_too(tmp_path: Path) -> None:
    models = folder_of(tmp_path, "broken")
    settings = Settings(device="cpu", model="broken", model_folders=(models,))
    with live(tmp_path, settings=settings, warm=False) as running, running.client() as ask:
        running.until(lambda: ask.get("/health").json()["status"] == "failed")
        problem = ask.get("/health").json()["problem"]
        size = {"width": 64, "height": 64}
        assert ask.post("/generate", json={"prompt": "x", **size}).status_code >= 400
        assert ask.get("/health").json()["problem"] == problem
        assert ask.get("/readyz").text == "no model can be read"


def test_unloaded_checkpoint_is_reloaded(tmp_path: Path, generator: ScriptedGenerator) -> None:
    with live(tmp_path, lambda _: generator) as running, running.client() as ask:
        assert ask.post("/sdapi/v1/unload-checkpoint").status_code == 200
        assert generator.engine.loaded == ["pocket", ""]
        health = ask.get("/health").json()
        assert (health["status"], health["model_loaded"]) == ("ok", False)
        assert ask.get("/readyz").text == "ok"
        assert ask.post("/sdapi/v1/reload-checkpoint").status_code == 200
        assert ask.get("/health").json()["model"] == "pocket"
        # The load waits for the running job.
        generator.hold.set()
        job = ask.post("/jobs", json={"prompt": "x"}).json()
        running.until(lambda: running.services.job_events.running == job["id"])
        assert ask.post("/sdapi/v1/unload-checkpoint").status_code == 200
        assert ask.get("/health").json()["model"] == "pocket"
        generator.hold.clear()
        running.until(lambda: ask.get("/health").json()["model"] is None)


def test_generation_after_unloading_loads_the_model_again(tmp_path: Path) -> None:
    with live(tmp_path) as running, running.client() as ask:
        assert ask.post("/sdapi/v1/unload-checkpoint").status_code == 200
        assert running.generators[0].engine.loaded is None
        body = {"prompt": "x", "steps": 1, "width": 64, "height": 64}
        assert ask.post("/sdapi/v1/txt2img", json=body).status_code == 200
        assert ask.get("/health").json()["model"] == "pocket"


def test_embeddings_are_listed_by_whether_they_fit(
    tmp_path: Path, generator: ScriptedGenerator
) -> None:
    (width,) = text_widths(describe_model(MODEL_FOLDER))
    folder = tmp_path / "embeddings"
    make_embedding(folder / "good.safetensors", width, vectors=3)
    make_embedding(folder / "other.safetensors", width + 1)
    (folder / "old.pt").write_bytes(b"\x80")
    settings = Settings(device="cpu", embedding_folders=(folder,))
    with live(tmp_path, lambda _: generator, settings=settings) as running, running.client() as ask:
        listed = ask.get("/sdapi/v1/embeddings").json()
        assert {name: each["vectors"] for name, each in listed["loaded"].items()} == {"good": 3}
        assert {name: each["shape"] for name, each in listed["skipped"].items()} == {
            "other": width + 1
        }
        assert ask.post("/sdapi/v1/refresh-embeddings").status_code == 200
