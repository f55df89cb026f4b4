"""Shutdown of a server: which jobs finish, which are saved, and what the next server does with
them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from sdtui.core.settings import Settings
from sdtui.jobs import Job, JobPicture, JobState
from tests.support.live_server import (
    BODY,
    PATIENCE,
    Live,
    job_state,
    live,
    parse_events,
    post_and_hang_up,
)
from tests.support.scripted_generator import ScriptedGenerator

pytestmark = pytest.mark.slow


def test_shutdown_finishes_the_running_picture_and_saves_waiting_jobs(
    tmp_path: Path, generator: ScriptedGenerator
) -> None:
    answers: dict[str, httpx.Response] = {}

    def call(name: str, running: Live) -> None:
        body: dict[str, Any]
        path, body = "/generate", {"prompt": name}
        if name == "streamed":
            path, body = "/v1/images/generations", {"prompt": name, "stream": True}
        with running.client() as client:
            answers[name] = client.post(path, json=body)

    with live(tmp_path, lambda _: generator, grace=PATIENCE) as running:
        generator.hold.set()
        threads = []
        for number, name in enumerate(("running", "waiting", "streamed")):
            thread = threading.Thread(target=call, args=(name, running))
            thread.start()
            threads.append(thread)
            running.until(lambda: len(running.backend.jobs.jobs()) == number + 1)  # noqa: B023
        with running.client() as ask:
            last = ask.post("/jobs", json={"prompt": "last"}).json()
        running.end()
        running.until(lambda: "waiting" in answers)
        generator.hold.clear()
        for thread in threads:
            thread.join(PATIENCE)
    assert answers["running"].status_code == 200
    assert answers["waiting"].status_code == 503
    refused = answers["waiting"].json()["error"]
    assert refused["type"] == "ShuttingDown"
    ((event, streamed),) = parse_events(answers["streamed"].text)
    assert (event, streamed["error"]["code"]) == ("error", "ShuttingDown")

    with live(tmp_path, lambda _: generator) as again, again.client() as ask:
        for job in (refused["job"], last["id"]):
            again.until(lambda: ask.get(f"/jobs/{job}").json()["state"] == "done")  # noqa: B023
    result = [request.prompt for request in generator.requests]
    assert result == ["running", "waiting", "streamed", "last"]


def test_job_not_finished_in_time_is_saved_and_resumed_first(
    tmp_path: Path, generator: ScriptedGenerator
) -> None:
    with live(tmp_path, lambda _: generator, grace=0.2) as running, running.client() as ask:
        generator.hold.set()
        jobs = [ask.post("/jobs", json={"prompt": name}).json() for name in ("long", "next")]
        running.until(lambda: job_state(running, jobs[0]) is JobState.RUNNING)
    generator.hold.clear()
    generator.requests.clear()
    with live(tmp_path, lambda _: generator) as again, again.client() as ask:
        for job in jobs:
            again.until(lambda: ask.get(job["url"]).json()["state"] == "done")  # noqa: B023
    assert [request.prompt for request in generator.requests] == ["long", "next"]


def test_lost_gpu_ends_the_server_and_keeps_waiting_jobs(tmp_path: Path) -> None:
    class Lost(ScriptedGenerator):
        def generate_with_fallback(self, request: Any, **options: Any) -> Any:
            if request.prompt == "works":
                return super().generate_with_fallback(request, **options)
            while self.hold.is_set():
                time.sleep(0.005)
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    generator = Lost()
    with live(tmp_path, lambda _: generator) as running, running.client() as ask:
        for prompt in ("fails", "works", "fails"):
            status = 200 if prompt == "works" else 500
            assert ask.post("/generate", json={"prompt": prompt}).status_code == status
        assert ask.get("/readyz").status_code == 200  # the GPU still computes
        generator.hold.set()
        generator.engine.is_lost = True
        last, kept = (ask.post("/jobs", json={"prompt": name}).json() for name in ("fails", "kept"))
        generator.hold.clear()
        running.thread.join(PATIENCE)
        assert running.server.exit_code == 1
        assert job_state(running, last) is JobState.FAILED
        assert job_state(running, kept) is JobState.QUEUED
    with live(tmp_path, lambda _: ScriptedGenerator()) as again, again.client() as ask:
        again.until(lambda: ask.get(kept["url"]).json()["state"] == "done")


def test_job_waiting_for_the_engine_is_saved(tmp_path: Path, generator: ScriptedGenerator) -> None:
    with live(tmp_path, lambda _: generator, grace=0) as running, running.client() as ask:
        generator.hold.set()
        job = ask.post("/jobs", json=BODY).json()
        running.until(lambda: job_state(running, job) is JobState.RUNNING)
    generator.hold.clear()
    imported = threading.Event()

    def import_later(_: Settings) -> ScriptedGenerator:
        imported.wait(PATIENCE)
        return generator

    with live(tmp_path, import_later, grace=PATIENCE, warm=False) as again:
        again.until(lambda: job_state(again, job) is JobState.RUNNING)
        assert again.services.job_events.running is None  # taken, but not begun
        again.end()
        again.thread.join(PATIENCE)
        imported.set()
    with live(tmp_path, lambda _: generator) as third, third.client() as ask:
        third.until(lambda: ask.get(job["url"]).json()["state"] == "done")


def test_cancelled_job_is_not_resumed_after_restart(tmp_path: Path) -> None:
    class _Slow(ScriptedGenerator):
        def step(self) -> None:
            time.sleep(0.5)  # no step looks for the cancellation meanwhile

    with live(tmp_path, lambda _: _Slow()) as running, running.client() as ask:
        job = ask.post("/jobs", json=BODY).json()
        running.until(lambda: job_state(running, job) is JobState.RUNNING)
        ask.delete(job["url"])
        running.end()
    assert not list((tmp_path / "state" / "sdtui" / "server").glob("queue-*"))


@pytest.mark.parametrize(
    ("path", "extra"),
    [
        ("/generate", {}),
        ("/sdapi/v1/txt2img", {}),
        ("/v1/images/generations", {"stream": True}),
    ],
)
def test_job_of_a_client_that_disconnects_during_the_grace_is_cancelled(
    tmp_path: Path, generator: ScriptedGenerator, path: str, extra: dict[str, Any]
) -> None:
    generator.hold.set()
    with live(tmp_path, lambda _: generator, grace=PATIENCE) as running:

        def end_with_one_waiting() -> None:
            with running.client() as ask:
                ask.post("/jobs", json={"prompt": "waits"})
            running.end()
            running.until(running.services.closing.is_set)

        post_and_hang_up(running, path, "left", JobState.RUNNING, end_with_one_waiting, **extra)
        running.until(lambda: running.backend.jobs.jobs()[-1].state is JobState.CANCELLED)
    prompts = [job.request.prompt for job in running.backend.orphaned_jobs()]
    assert prompts == ["waits"]


def test_saved_job_is_not_reported_as_finished(
    tmp_path: Path, generator: ScriptedGenerator
) -> None:
    generator.hold.set()
    with live(tmp_path, lambda _: generator, grace=0.2) as running, running.client() as ask:
        jobs = [ask.post("/jobs", json=BODY).json() for _ in range(2)]
        running.until(lambda: job_state(running, jobs[0]) is JobState.RUNNING)
        received: dict[str, list[str]] = {}

        def follow(url: str) -> None:
            with running.client() as client:
                text = client.get(url + "/events").text
                received[url] = [kind for kind, _ in parse_events(text)]

        threads = [threading.Thread(target=follow, args=(job["url"],)) for job in jobs]
        for thread in threads:
            thread.start()
        running.until(
            lambda: all(running.services.job_events._jobs[job["id"]].subscriptions for job in jobs)
        )
        running.end()
        for thread in threads:
            thread.join(PATIENCE)
    assert received[jobs[0]["url"]][-1] == "stage"
    assert received[jobs[1]["url"]] == ["queued"]


def test_client_that_does_not_read_does_not_delay_shutdown(
    tmp_path: Path, generator: ScriptedGenerator
) -> None:
    with live(tmp_path, lambda _: generator, grace=PATIENCE) as running, _asking_for_much(running):
        time.sleep(0.5)
        assert len(running.server.server_state.tasks) == 1
        began = time.monotonic()
        running.end()
        running.thread.join(PATIENCE)
    assert time.monotonic() - began < 30


def test_slow_reader_gets_its_whole_answer_at_shutdown(
    tmp_path: Path, generator: ScriptedGenerator
) -> None:
    with (
        live(tmp_path, lambda _: generator, grace=PATIENCE) as running,
        _asking_for_much(running) as slow,
    ):
        running.end()
        read = 0
        began = time.monotonic()
        while part := slow.recv(2_000_000):
            read += len(part)
            if time.monotonic() - began < 8:
                time.sleep(len(part) / 1_000_000)
    assert read > _MUCH


_MUCH = 20_000_000


@contextmanager
def _asking_for_much(running: Live) -> Iterator[socket.socket]:
    """Open a connection whose response has begun and is larger than the socket buffers."""
    with running.client() as ask:
        job = ask.post("/jobs", json=BODY).json()["id"]
    (path,) = running.backend.jobs.wait(job, PATIENCE).pictures
    Path(path).write_bytes(bytes(_MUCH))
    token = running.services.links.make(JobPicture(job, 0))
    with socket.create_connection(running.address, PATIENCE) as asking:
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 100_000)
        asking.sendall(f"GET /pictures/{token} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        running.until(lambda: len(running.server.server_state.tasks) == 1)
        yield asking


@pytest.mark.parametrize("body", [{}, {"stream": True}])
def test_cancelled_job_reply_does_not_claim_resume(tmp_path: Path, body: dict[str, Any]) -> None:
    class _Slow(ScriptedGenerator):
        def step(self) -> None:
            time.sleep(1)  # no step looks for the cancellation meanwhile

    answers = []
    with live(tmp_path, lambda _: _Slow(), grace=0) as running:

        def ask_and_wait() -> None:
            with running.client() as client:
                answers.append(client.post("/v1/images/generations", json={**BODY, **body}))

        thread = threading.Thread(target=ask_and_wait)
        thread.start()
        running.until(
            lambda: (
                running.services.job_events.step(running.services.job_events.running) is not None
            )
        )
        with running.client() as ask:
            ask.delete(f"/jobs/{running.services.job_events.running}")
        running.end()
        thread.join(PATIENCE)
    assert "The job was cancelled." in answers[0].text
    assert "kept" not in answers[0].text


@pytest.mark.parametrize("when", ["before", "behind"])
def test_shutdown_during_startup_keeps_saved_queue(
    tmp_path: Path, generator: ScriptedGenerator, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    with live(tmp_path, lambda _: generator, grace=0) as running, running.client() as ask:
        generator.hold.set()
        jobs = [ask.post("/jobs", json=BODY).json()["id"] for _ in range(3)]

    def end_while_adopting(server: Live) -> None:
        adopt = server.backend.adopt_orphaned_jobs

        def end() -> None:
            server.end()
            server.until(server.services.closing.is_set)

        def interrupted(*, twice_lost: bool) -> list[Job]:
            if when == "before":
                end()
            adopted = adopt(twice_lost=twice_lost)
            if when == "behind":
                server.until(lambda: server.backend.jobs.jobs()[0].state is JobState.RUNNING)
                end()
            return adopted

        monkeypatch.setattr(server.backend, "adopt_orphaned_jobs", interrupted)

    with live(
        tmp_path, lambda _: generator, grace=0, warm=False, before_start=end_while_adopting
    ) as again:
        again.thread.join(PATIENCE)
    left = again.backend.orphaned_jobs()
    assert [job.id for job in left] == jobs
    assert {job.state for job in left} == {JobState.QUEUED}


def test_incomplete_body_does_not_delay_shutdown(scripted: Live) -> None:
    head = b"POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection(scripted.address, PATIENCE) as slow:
        slow.sendall(head + b'Content-Length: 1000\r\n\r\n{"prompt"')
        scripted.until(lambda: len(scripted.server.server_state.tasks) == 1)
        began = time.monotonic()
        scripted.end()
        answer = slow.recv(10_000)
        scripted.thread.join(PATIENCE)
    assert answer.startswith(b"HTTP/1.1 503")
    assert time.monotonic() - began < 5


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _begin(tmp_path: Path, port: int) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "SDTUI_PICTURES": str(tmp_path / "pictures"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "sdtui", "serve", "--port", str(port), "--grace", "600"],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stderr is not None
    while (line := process.stderr.readline()) != f"sdtui serves http://127.0.0.1:{port}\n":
        assert "was running when sdtui died" in line or " INFO " in line
    return process


def test_signal_exits_with_0_and_sigkill_loses_no_job(tmp_path: Path) -> None:
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    process = _begin(tmp_path, port)
    body = {"prompt": "x", "num_inference_steps": 150, "width": 64, "height": 64}
    jobs = [httpx.post(f"{url}/jobs", json=body, timeout=PATIENCE).json() for _ in range(2)]
    folder = tmp_path / "state" / "sdtui" / "server"
    end = time.monotonic() + PATIENCE
    while [
        job["state"]
        for file in folder.glob("queue-*.json")
        for job in json.loads(file.read_text())["jobs"]
    ] != ["running", "queued"]:
        assert time.monotonic() < end
        time.sleep(0.01)
    process.kill()
    process.communicate()
    for ending in (signal.SIGTERM, signal.SIGINT):
        process = _begin(tmp_path, port)
        for job in jobs:
            assert httpx.get(f"{url}{job['url']}", timeout=PATIENCE).status_code == 200
        process.send_signal(ending)
        _, received = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
        assert all(" INFO " in line or line[0] == " " for line in received.splitlines())
        (queue_file,) = folder.glob("queue-*.json")
        kept = json.loads(queue_file.read_text())["jobs"]
        assert [job["state"] for job in kept] == ["queued", "queued"]
