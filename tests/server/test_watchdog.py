"""A worker that hangs, jobs that take too long, and failures in a row."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from sdtui.jobs import JobState, worker
from sdtui.jobs.execution import carry_out
from tests.support.live_server import BODY, PATIENCE, job_state, live
from tests.support.scripted_generator import ScriptedGenerator


class _Hanging(ScriptedGenerator):
    """Hangs in a step, without looking whether the job is cancelled."""

    def __init__(self) -> None:
        super().__init__()
        self.hang = threading.Event()

    def step(self) -> None:
        while self.hang.is_set():
            time.sleep(0.005)


class _Failing(ScriptedGenerator):
    """Fails with an internal error if the prompt says so."""

    def generate_with_fallback(self, request: Any, **options: Any) -> Any:
        if request.prompt == "fails":
            raise KeyError("a bug")
        return super().generate_with_fallback(request, **options)


class _WithoutTextError(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), _WithoutTextError()])
def test_worker_outlives_every_error(tmp_path: Path, error: BaseException) -> None:
    class Raising(ScriptedGenerator):
        def generate_with_fallback(self, request: Any, **options: Any) -> Any:
            if request.prompt == "fails":
                raise error
            return super().generate_with_fallback(request, **options)

    with live(tmp_path, lambda _: Raising()) as running, running.client() as ask:
        job = ask.post("/jobs", json={"prompt": "fails"}).json()
        running.until(lambda: job_state(running, job) is JobState.FAILED)
        assert ask.post("/generate", json={"prompt": "works"}).status_code == 200


def test_hanging_worker_is_reported_until_it_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    generator = _Hanging()
    with (
        live(tmp_path, lambda _: generator, stall_timeout=0.2, failure_code=0) as running,
        running.client() as ask,
    ):
        time.sleep(0.3)
        assert ask.get("/readyz").status_code == 200  # nothing runs
        generator.hang.set()
        job = ask.post("/jobs", json=BODY).json()
        running.until(lambda: ask.get("/readyz").status_code == 503)
        assert ask.get("/readyz").text == "a job makes no progress"
        assert ask.get("/livez").status_code == 200
        health = ask.get("/health").json()
        assert health["status"] == "failed"
        assert "no step or stage has ended for" in health["problem"]
        running.until(lambda: "the worker may hang" in caplog.text)
        generator.hang.clear()
        running.until(lambda: job_state(running, job) is JobState.DONE)
        assert ask.get("/readyz").status_code == 200
        assert ask.get("/health").json()["status"] == "ok"
        assert caplog.text.count("the worker may hang") == 1


def test_hanging_load_is_reported(tmp_path: Path) -> None:
    generator = ScriptedGenerator()
    with (
        live(tmp_path, lambda _: generator, stall_timeout=0.2, failure_code=0) as running,
        running.client() as ask,
    ):
        generator.engine.hold.set()
        running.backend.jobs.load("another")
        running.until(lambda: ask.get("/readyz").status_code == 503)
        generator.engine.hold.clear()
        running.until(lambda: ask.get("/readyz").status_code == 200)


def test_worker_that_begins_no_job_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()

    def wait_first(*args: Any) -> Any:
        goes_on.wait()
        return carry_out(*args)

    with (
        live(tmp_path, lambda _: ScriptedGenerator(), stall_timeout=0.3, failure_code=0) as running,
        running.client() as ask,
    ):
        assert ask.post("/generate", json=BODY).status_code == 200
        monkeypatch.setattr(worker, "carry_out", wait_first)
        time.sleep(0.4)
        assert ask.get("/readyz").status_code == 200  # nothing waits
        job = ask.post("/jobs", json=BODY).json()
        assert ask.get("/readyz").status_code == 200
        running.until(lambda: ask.get("/readyz").status_code == 503)
        goes_on.set()
        running.until(lambda: job_state(running, job) is JobState.DONE)
        assert ask.get("/readyz").status_code == 200


def test_slow_steps_are_no_stall(tmp_path: Path) -> None:
    generator = ScriptedGenerator(step_seconds=0.5)
    with (
        live(tmp_path, lambda _: generator, stall_timeout=5.0) as running,
        running.client() as ask,
    ):
        job = ask.post("/jobs", json={**BODY, "num_inference_steps": 3}).json()
        while job_state(running, job) is not JobState.DONE:
            assert ask.get("/readyz").status_code == 200


def test_internal_errors_in_a_row_make_the_server_unready(tmp_path: Path) -> None:
    with live(tmp_path, lambda _: _Failing(), failure_code=0) as running, running.client() as ask:

        def post(prompt: str) -> int:
            return ask.post("/generate", json={"prompt": prompt}).status_code

        assert [post("fails") for _ in range(4)] == [500] * 4
        assert post("works") == 200
        assert [post("fails") for _ in range(4)] == [500] * 4
        assert ask.get("/readyz").status_code == 200
        assert post("fails") == 500
        assert (ask.get("/readyz").status_code, ask.get("/readyz").text) == (503, "jobs fail")
        health = ask.get("/health").json()
        assert health["status"] == "failed"
        assert health["problem"].startswith("the last 5 jobs met internal errors")
        assert "a bug" not in health["problem"]
        assert post("works") == 200
        assert ask.get("/readyz").status_code == 200


def test_hanging_worker_ends_the_server_and_its_job_is_kept_once(tmp_path: Path) -> None:
    generator = _Hanging()
    with (
        live(tmp_path, lambda _: generator, stall_timeout=0.2, failure_code=7) as running,
        running.client() as ask,
    ):
        generator.hang.set()
        for prompt in ("hangs", "waits"):
            ask.post("/jobs", json={"prompt": prompt})
        running.thread.join(PATIENCE)
        assert running.server.exit_code == 7
        kept = running.backend.jobs.resumable()
        assert [(job.request.prompt, job.losses) for job in kept] == [("hangs", 1), ("waits", 0)]
        generator.hang.clear()


def test_internal_errors_in_a_row_end_the_server_and_waiting_jobs_are_kept(tmp_path: Path) -> None:
    generator = _Failing()
    with (
        live(tmp_path, lambda _: generator, max_failures=2, failure_code=7) as running,
        running.client() as ask,
    ):
        generator.hold.set()
        for prompt in ("works", "fails", "fails", "waits"):
            ask.post("/jobs", json={"prompt": prompt})
        generator.hold.clear()
        running.thread.join(PATIENCE)
        assert running.server.exit_code == 7
        states = [(job.request.prompt, job.state) for job in running.backend.jobs.jobs()]
        assert ("waits", JobState.QUEUED) in states


@pytest.mark.parametrize("path", ["/generate", "/sdapi/v1/txt2img", "/v1/images/generations"])
def test_job_that_takes_too_long_is_cancelled(tmp_path: Path, path: str) -> None:
    generator = ScriptedGenerator()
    with live(tmp_path, lambda _: generator, job_timeout=0.3) as running, running.client() as ask:
        generator.hold.set()
        answer = ask.post(path, json=BODY)
        assert answer.status_code == 410
        assert "longer than 0.3 s" in answer.text
        generator.hold.clear()
        assert ask.post(path, json=BODY).status_code == 200


def test_waiting_jobs_do_not_time_out(tmp_path: Path) -> None:
    generator = ScriptedGenerator()
    with live(tmp_path, lambda _: generator, job_timeout=1.5) as running, running.client() as ask:
        generator.hold.set()
        first, second = (ask.post("/jobs", json=BODY).json() for _ in range(2))
        running.until(lambda: job_state(running, first) is JobState.CANCELLED)
        generator.hold.clear()
        running.until(lambda: job_state(running, second) is JobState.DONE)
