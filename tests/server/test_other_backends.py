"""A server over a backend that is on another machine and has several devices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from sdtui.core.errors import ModelNotFoundError
from sdtui.core.settings import Settings
from sdtui.models import ModelSource, SourceKind
from sdtui.requests.events import EngineStarting, Loaded, Saved, Superseded, WorkerLost
from sdtui.server.app import make_app
from sdtui.server.dependencies import ServerServices, build_services
from sdtui.server.options import ServerOptions
from sdtui.server.services.job_events import JobEventBroker
from sdtui.server.services.served_models import ServedModels
from tests.support.fakes import FakeBackend, FakeModels, envelope

BODY = {"prompt": "a cat", "width": 64, "height": 64}


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend(models=("pocket", "other"), prompts=("a cat", "a dog"))


@pytest.fixture
def services(own_folders: Path, backend: FakeBackend) -> ServerServices:
    services = build_services(Settings(), ServerOptions(), backend)
    backend.jobs.subscribe(services.job_events.put)
    return services


@pytest.fixture
async def ask(services: ServerServices) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(make_app(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def test_picture_without_a_local_file_is_sent_as_bytes(
    ask: httpx.AsyncClient, backend: FakeBackend
) -> None:
    answer = await ask.get("/history/1/picture")
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.content == backend.pictures.png
    assert (await ask.get("/history/7/picture")).status_code == 404


async def test_picture_of_a_job_is_requested_by_its_index(
    ask: httpx.AsyncClient, backend: FakeBackend
) -> None:
    job = (await ask.post("/jobs", json=BODY)).json()
    backend.jobs.publish(job["id"], Saved(image_index=0, seed=1, path="/elsewhere/1.png"))
    answer = await ask.get(f"{job['url']}/pictures/0")
    assert answer.content == backend.pictures.png


async def test_models_are_those_of_the_backend(ask: httpx.AsyncClient) -> None:
    models = (await ask.get("/models")).json()
    assert [(model["name"], model["family"]) for model in models] == [
        ("pocket", "sd1"),
        ("other", "sd1"),
    ]


async def test_health_names_the_job_that_has_been_running_longest(
    ask: httpx.AsyncClient, services: ServerServices, backend: FakeBackend
) -> None:
    first, second = [(await ask.post("/jobs", json=BODY)).json()["id"] for _ in range(2)]
    backend.jobs.start(first, "cuda:0")
    backend.jobs.start(second, "cuda:1")
    assert [each.job for each in services.job_events.running_jobs()] == [first, second]
    assert (await ask.get("/health")).json()["running"] == first


async def test_every_worker_is_shown_with_its_job(
    ask: httpx.AsyncClient, backend: FakeBackend
) -> None:
    job = (await ask.post("/jobs", json=BODY)).json()
    assert job["worker"] is None
    backend.jobs.start(job["id"], "cuda:1")
    assert (await ask.get(job["url"])).json()["worker"] == "cuda:1"
    (worker,) = (await ask.get("/health")).json()["workers"]
    assert (worker["name"], worker["job"]) == ("cuda:1", job["id"])
    metrics = (await ask.get("/metrics")).text
    assert 'sdtui_worker_running{worker="cuda:1"} 1.0' in metrics
    assert 'sdtui_worker_losses_total{worker="cuda:1"} 0.0' in metrics


def test_models_of_several_workers_are_one_status() -> None:
    broker = JobEventBroker()
    broker.put(envelope("a", _loaded("one"), "cuda:0"))
    broker.put(envelope("b", EngineStarting(), "cuda:1"))
    model = broker.model
    assert model.loaded is not None
    assert (model.loaded.model, model.loading, model.was_loaded) == ("one", "b", True)
    broker.put(envelope("b", _loaded("two"), "cuda:1"))
    broker.put(envelope("a", WorkerLost(error="it died"), "cuda:0"))
    model = broker.model
    assert model.loaded is not None
    assert (model.loaded.model, model.loading) == ("two", None)


def _loaded(model: str) -> Loaded:
    return Loaded(
        model=model, family="sd1", device="cuda", dtype="float16", memory_mode="full", seconds=1.0
    )


async def test_job_is_cancelled_in_the_backend(
    ask: httpx.AsyncClient, backend: FakeBackend
) -> None:
    job = (await ask.post("/jobs", json=BODY)).json()
    assert (await ask.delete(job["url"])).status_code == 200
    assert backend.jobs.cancelled == [job["id"]]


async def test_end_of_a_preload_is_known_before_and_after_it_is_waited_for() -> None:
    broker = JobEventBroker()
    broker.put(envelope("early", Superseded()))
    assert await broker.preload_end("early") == Superseded()
    waiting = asyncio.ensure_future(broker.preload_end("late"))
    await asyncio.sleep(0)
    await asyncio.to_thread(broker.put, envelope("late", Superseded()))
    assert await waiting == Superseded()


def test_name_of_the_hub_is_served_only_if_downloads_are_allowed() -> None:
    class _Hub(FakeModels):
        def find(self, name: str) -> ModelSource:
            if name == "owner/name":
                return ModelSource(name, SourceKind.HUB, None, name)
            return super().find(name)

    allowing = ServedModels(_Hub("pocket"), "pocket", allow_downloads=True)
    assert allowing.resolve("owner/name") == "owner/name"
    for models in (
        ServedModels(_Hub("pocket"), "pocket", allow_downloads=False),
        ServedModels(FakeModels("pocket"), "pocket", allow_downloads=True),
    ):
        with pytest.raises(ModelNotFoundError):
            models.resolve("owner/name")


async def test_client_interrupts_its_own_job_of_several_that_run(
    ask: httpx.AsyncClient, services: ServerServices, backend: FakeBackend
) -> None:
    first, second = [(await ask.post("/jobs", json=BODY)).json()["id"] for _ in range(2)]
    backend.jobs.start(first, "cuda:0")
    backend.jobs.start(second, "cuda:1")
    services.a1111.clients[second] = "127.0.0.1"
    await ask.post("/sdapi/v1/skip")
    assert backend.jobs.cancelled == [second]
