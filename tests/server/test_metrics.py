"""The metrics for Prometheus after all kinds of jobs."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import httpx
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from sdtui.core.enums import MemoryMode
from sdtui.jobs import JobState
from sdtui.monitor import GpuSample, Sample
from sdtui.requests.events import JobEvent, TrainingProgress
from sdtui.requests.record import Stage
from sdtui.requests.training.events import TrainingStep
from tests.support.faults import Fault, failing
from tests.support.live_server import QUICK, Live, live
from tests.support.manual import metrics

LONG = {**QUICK, "num_inference_steps": 150, "width": 256, "height": 256}


def read(ask: httpx.Client) -> dict[str, float]:
    """Return every sample by its name and labels, in Prometheus' notation."""
    return {
        sample.name + "".join(f" {key}={value}" for key, value in sorted(sample.labels.items())): (
            sample.value
        )
        for family in families(ask)
        for sample in family.samples
    }


def families(ask: httpx.Client) -> Iterable[Metric]:
    answer = ask.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return list(text_string_to_metric_families(answer.text))


def a_day(running: Live, ask: httpx.Client) -> None:
    """Two pictures, one of them after a retry, a final out-of-memory, a full queue, a job cancelled
    while waiting and one while running, and unknown paths."""
    assert ask.post("/generate", json=QUICK).status_code == 200
    engine = running.generators[0].engine
    engine.modes = (MemoryMode.FULL,)  # the model stays in memory, with the faults in it
    model = engine.loaded
    with failing(model, Stage.DENOISE, Fault(times=1)):
        assert ask.post("/generate", json=QUICK).status_code == 200
    with failing(model, Stage.DECODE, Fault(times=1000)):
        strict = {**QUICK, "policy": "strict"}
        assert ask.post("/generate", json=strict).status_code == 503
    runs = ask.post("/jobs", json=LONG).json()["id"]
    running.until(lambda: running.backend.jobs.job(runs).state is JobState.RUNNING)
    waits = ask.post("/jobs", json=QUICK).json()["id"]
    assert ask.post("/generate", json=QUICK).status_code == 429
    assert read(ask)["sdtui_queue_length"] == read(ask)["sdtui_jobs_running"] == 1
    for job in (waits, runs):
        ask.delete(f"/jobs/{job}")
    running.until(lambda: running.backend.jobs.job(runs).state.is_over)
    for number in range(50):
        assert ask.get(f"/made/up/{number}").status_code == 404
        assert ask.get(f"/jobs/{number}").status_code == 404


def _training_step() -> JobEvent:
    values = {"step": 1, "steps": 4, "loss": 0.2, "smoothed": 0.1, "learning_rate": 1e-4}
    step = TrainingStep(**values, seconds=0.5, memory=1)
    return JobEvent(job="a", worker="cpu", time=0, event=TrainingProgress(name="x", event=step))


def test_every_metric_of_the_manual_counts_what_happened(tmp_path: Path) -> None:
    with live(tmp_path, queue_limit=1) as running, running.client() as ask:
        a_day(running, ask)
        card = GpuSample(
            index=0,
            name="A card",
            memory_used=3 * 2**30,
            memory_total=8 * 2**30,
            utilisation=40,
            temperature=61,
            power=210.5,
        )
        running.services.metrics.put(_training_step())
        running.backend.hardware.latest = Sample(time.time(), 1, 2, 1, 0.5, gpus=(card,))
        found = read(ask)
        samples = [sample for family in families(ask) for sample in family.samples]
        exposed = {sample.name: set(sample.labels) for sample in samples}
    manual = metrics()
    assert len(manual) > 8
    for name, labels in manual.items():
        sample = name + ("_count" if name.endswith("_seconds") else "")
        assert exposed[sample] == labels, name
    assert not any(name.endswith("_created") for name in exposed)
    assert any(name.startswith("sdtui_info ") for name in found)
    expected = {
        "sdtui_jobs_total state=finished": 2,
        "sdtui_jobs_total state=failed": 1,
        "sdtui_jobs_total state=cancelled": 2,
        "sdtui_pictures_total api=sdtui model=pocket": 2,
        "sdtui_retries_total rung=free caches stage=denoise": 1,
        "sdtui_out_of_memory_total stage=denoise": 1,
        "sdtui_model_loads_total model=pocket": 1,
        "sdtui_model_load_seconds_count": 1,
        "sdtui_queue_limit": 1,
        "sdtui_training_steps_total": 1,
        "sdtui_training_done_ratio worker=cpu": 0.25,
        "sdtui_training_loss worker=cpu": 0.1,
        "sdtui_queue_length": 0,
        "sdtui_jobs_running": 0,
        "sdtui_queue_wait_seconds_count": 4,
        "sdtui_stage_seconds_count stage=decode": 3,
        "sdtui_vram_used_bytes gpu=0 name=A card": 3 * 2**30,
        "sdtui_vram_total_bytes gpu=0 name=A card": 8 * 2**30,
        "sdtui_gpu_utilisation_ratio gpu=0 name=A card": 0.4,
        "sdtui_gpu_temperature_celsius gpu=0 name=A card": 61,
        "sdtui_gpu_power_watts gpu=0 name=A card": 210.5,
    }
    assert {name: found[name] for name in expected} == expected
    assert "sdtui_stage_seconds_count stage=load" not in found  # it was there for each of them
    # Every attempt that ran out of memory, including the last.
    retries = sum(value for name, value in found.items() if name.startswith("sdtui_retries_total"))
    ran_out = [value for name, value in found.items() if name.startswith("sdtui_out_of_memory_to")]
    assert sum(ran_out) == retries + 1
    assert 6 <= found["sdtui_steps_total"] == found["sdtui_step_seconds_count"] < 6 + 150
    assert found["sdtui_step_seconds_sum"] > 0
    requests = Counter[str]()
    for name, value in found.items():
        if name.startswith("sdtui_http_request_seconds_count"):
            requests[name.partition(" ")[2]] += int(value)
    assert requests["method=GET route=none status=404"] == 50
    assert requests["method=GET route=/jobs/{job_id} status=404"] == 50
    assert requests["method=POST route=/generate status=200"] == 2
    assert requests["method=POST route=/generate status=429"] == 1
    assert requests["method=POST route=/generate status=503"] == 1
    assert len(requests) < 12


def test_metrics_start_at_zero(scripted: Live) -> None:
    with scripted.client() as ask:
        found = read(ask)
    for name in ("sdtui_jobs_total state=failed", "sdtui_out_of_memory_total stage=denoise"):
        assert found[name] == 0


def test_client_that_disconnects_while_sending_is_counted_as_499(scripted: Live) -> None:
    head = b"POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection(scripted.address) as leaves:
        leaves.sendall(head + b'Content-Length: 1000\r\n\r\n{"prompt"')
        scripted.until(lambda: len(scripted.server.server_state.tasks) == 1)
    name = "sdtui_http_request_seconds_count method=POST route=/generate status=499"
    with scripted.client() as ask:
        scripted.until(lambda: read(ask).get(name) == 1)


def test_refused_requests_are_counted_by_route(scripted: Live) -> None:
    with scripted.client() as ask:
        assert ask.get("/health", headers={"Host": "elsewhere.org"}).status_code == 403
        assert ask.get("/made/up", headers={"Host": "elsewhere.org"}).status_code == 403
        assert ask.get("/static-offline-docs/health").status_code == 404
        assert ask.get("/static-offline-docs/swagger-ui.css").status_code == 200
        counted = "sdtui_http_request_seconds_count method=GET route="
        file = f"{counted}/static-offline-docs status=200"
        scripted.until(lambda: file in read(ask))  # it is closed after its last byte was sent
        found = read(ask)
    for route in ("/health status=403", "none status=403", "/static-offline-docs status=404"):
        assert found[counted + route] == 1
    assert f"{counted}/health status=404" not in found
