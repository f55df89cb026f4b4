"""Many clients, a full queue, and clients that disconnect."""

from __future__ import annotations

import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest
from uvicorn.protocols.http.h11_impl import H11Protocol

from sdtui.jobs import JobState
from sdtui.server.connection import Connection
from sdtui.server.middleware.body_limit import BodyLimitMiddleware
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


def test_full_queue_answers_429_with_retry_after(
    scripted: Live, generator: ScriptedGenerator
) -> None:
    generator.hold.set()
    with scripted.client() as ask:
        first = ask.post("/jobs", json=BODY).json()
        scripted.until(lambda: job_state(scripted, first) is JobState.RUNNING)
        waiting = [ask.post("/jobs", json=BODY).json() for _ in range(2)]
        assert [each["position"] for each in waiting] == [1, 2]
        for path, body in (
            ("/jobs", BODY),
            ("/generate", BODY),
            ("/sdapi/v1/txt2img", BODY),
            ("/v1/images/generations", BODY),
        ):
            full = ask.post(path, json=body)
            assert full.status_code == 429
            assert int(full.headers["retry-after"]) >= 1
        # The server doesn't wait for the body.
        with socket.create_connection(scripted.address) as raw:
            raw.sendall(
                b"POST /sdapi/v1/img2img HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Type: application/json\r\nContent-Length: 30000000\r\n\r\n"
            )
            raw.settimeout(10)
            assert raw.recv(100).startswith(b"HTTP/1.1 429 ")
        assert "sdtui_queue_length 2.0" in ask.get("/metrics").text
        # Cancelling a waiting job frees a place.
        assert ask.delete(waiting[0]["url"]).json()["state"] == "cancelled"
        assert ask.post("/jobs", json=BODY).status_code == 202
        generator.hold.clear()
        scripted.until(lambda: job_state(scripted, first) is JobState.DONE)


def test_job_of_a_disconnected_client_is_cancelled(
    scripted: Live, generator: ScriptedGenerator
) -> None:
    def states() -> dict[str, JobState]:
        return {job.request.prompt: job.state for job in scripted.backend.jobs.jobs()}

    generator.hold.set()
    with scripted.client() as ask:
        mine = ask.post("/jobs", json={"prompt": "mine"}).json()
        scripted.until(lambda: job_state(scripted, mine) is JobState.RUNNING)
        for path in ("/generate", "/sdapi/v1/txt2img", "/v1/images/generations"):
            post_and_hang_up(scripted, path, f"waiting {path}", JobState.QUEUED)
            scripted.until(lambda: states()[f"waiting {path}"] is JobState.CANCELLED)  # noqa: B023
        assert job_state(scripted, mine) is JobState.RUNNING
        generator.hold.clear()
        scripted.until(lambda: job_state(scripted, mine) is JobState.DONE)
        generator.hold.set()
        for path in ("/generate", "/sdapi/v1/txt2img", "/v1/images/generations"):
            post_and_hang_up(scripted, path, f"running {path}", JobState.RUNNING)
            scripted.until(lambda: states()[f"running {path}"] is JobState.CANCELLED)  # noqa: B023
        path = "/v1/images/generations"
        post_and_hang_up(scripted, path, "streamed", JobState.RUNNING, stream=True)
        scripted.until(lambda: states()["streamed"] is JobState.CANCELLED)
        generator.hold.clear()
        assert ask.post("/generate", json=BODY).status_code == 200


def test_connection_without_a_complete_request_is_closed(
    tmp_path: Path, generator: ScriptedGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Connection, "head_seconds", 0.2)
    head = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
    with live(tmp_path, lambda _: generator) as running, running.client() as ask:
        for said in (b"", head, head + b"\r\n" + head):
            with socket.create_connection(running.address, PATIENCE) as slow:
                slow.sendall(said)
                while slow.recv(10_000):
                    pass
        # A client that waits for its picture is not one of them.
        generator.step_seconds = 0.2
        assert ask.post("/generate", json=BODY).status_code == 200


def test_oldest_of_too_many_silent_connections_is_closed(
    scripted: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Connection, "max_silent", 5)
    with ExitStack() as stack, scripted.client() as ask:
        silent = []
        for number in range(8):
            silent.append(stack.enter_context(socket.create_connection(scripted.address, PATIENCE)))
            there = min(5, number + 1)
            scripted.until(lambda: len(scripted.server.server_state.connections) == there)  # noqa: B023
        assert [one.recv(1) for one in silent[:3]] == [b""] * 3
        for _ in range(100):  # as fast as it goes
            silent.append(stack.enter_context(socket.create_connection(scripted.address, PATIENCE)))
        scripted.until(lambda: len(scripted.server.server_state.connections) <= 6)
        assert ask.get("/livez").text == "ok"
        silent[-1].sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert silent[-1].recv(100).startswith(b"HTTP/1.1 200")


def test_slow_body_is_answered_with_408(
    tmp_path: Path, generator: ScriptedGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BodyLimitMiddleware, "chunk_seconds", 0.5)
    head = b"POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with live(tmp_path, lambda _: generator) as running:
        with socket.create_connection(running.address, 0.2) as slow:
            slow.sendall(head + b"Content-Length: 1000\r\n\r\n")
            answer = b""
            for _ in range(30):
                slow.sendall(b" ")
                with suppress(TimeoutError):
                    answer = slow.recv(10_000)
                    break
        assert answer.startswith(b"HTTP/1.1 408")


def test_server_uses_its_own_protocol_and_asyncio(scripted: Live) -> None:
    """By default uvicorn uses httptools and uvloop if they are installed."""
    assert issubclass(Connection, H11Protocol)
    assert scripted.server.config.http_protocol_class is Connection
    assert scripted.server.config.loop == "asyncio"


def test_keep_alive_is_longer_than_that_of_clients(scripted: Live) -> None:
    """uvicorn's default of 5 s equals httpx's: a POST after 5 s of silence sometimes got no
    reply."""
    assert scripted.server.config.timeout_keep_alive > 15


def test_many_concurrent_clients_are_all_answered(
    scripted: Live, generator: ScriptedGenerator
) -> None:
    generator.step_seconds = 0.001

    def one(number: int) -> str:
        timeout = 0.02 if number % 5 == 0 else PATIENCE
        try:
            with scripted.client() as ask:
                return str(ask.post("/generate", json=BODY, timeout=timeout).status_code)
        except httpx.TimeoutException:
            return "left"

    with ThreadPoolExecutor(40) as threads:
        answers = list(threads.map(one, range(200)))
    assert set(answers) <= {"200", "429", "left"}
    assert answers.count("200") > 3
    scripted.until(lambda: all(job.state.is_over for job in scripted.backend.jobs.jobs()))
    done = sum(job.state is JobState.DONE for job in scripted.backend.jobs.jobs())
    assert done >= answers.count("200")
    # Only the jobs that `jobs` lists are remembered.
    assert not scripted.backend.jobs._state.cancellations


def test_events_of_a_running_job_are_streamed(scripted: Live, generator: ScriptedGenerator) -> None:
    generator.hold.set()
    with scripted.client() as ask:
        job = ask.post("/jobs", json=BODY).json()
        seen = []
        with ask.stream("GET", job["url"] + "/events") as stream:
            for line in stream.iter_lines():
                if line.startswith("event: "):
                    seen.append(line.removeprefix("event: "))
                    if seen[-1] == "stage":
                        generator.hold.clear()
        assert seen[:3] == ["queued", "started", "stage"]
        assert seen[-1] == "finished"
        # A client that stops following a job doesn't stop the job.
        generator.hold.set()
        job = ask.post("/jobs", json=BODY).json()
        assert ask.head(job["url"] + "/events").headers["content-type"].startswith("text/event-")
        with ask.stream("GET", job["url"] + "/events") as stream:
            next(stream.iter_lines())
        generator.hold.clear()
        assert parse_events(ask.get(job["url"] + "/events").text)[-1][0] == "finished"


def test_jobs_are_listed_in_pages_and_the_last_finished_is_remembered(
    tmp_path: Path, generator: ScriptedGenerator
) -> None:
    generator.hold.set()
    with live(tmp_path, lambda _: generator, queue_limit=210) as running, running.client() as ask:
        first = ask.post("/jobs", json=BODY).json()
        running.until(lambda: job_state(running, first) is JobState.RUNNING)
        waiting = [ask.post("/jobs", json=BODY).json() for _ in range(210)]
        part = ask.get("/jobs", params={"offset": 200, "limit": 5}).json()
        assert [each["position"] for each in part] == [200, 201, 202, 203, 204]
        assert part[0]["id"] == waiting[199]["id"]
        assert ask.get(waiting[209]["url"]).json()["position"] == 210
        assert len(ask.get("/jobs").json()) == 211
        for job in waiting:
            ask.delete(job["url"])
        generator.hold.clear()
        running.until(lambda: job_state(running, first) is JobState.DONE)
        assert ask.get(first["url"]).json()["state"] == "done"
        assert parse_events(ask.get(first["url"] + "/events").text)[-1][0] == "finished"
        assert ask.get(waiting[0]["url"]).status_code == 404


def test_jumping_clock_changes_no_durations(
    scripted: Live, generator: ScriptedGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time
    with scripted.client() as ask:
        for years in (10, -20):
            generator.hold.set()
            job = ask.post("/jobs", json=BODY).json()
            scripted.until(lambda: job_state(scripted, job) is JobState.RUNNING)  # noqa: B023
            waiting = ask.post("/jobs", json=BODY).json()
            seconds = years * 31_557_600
            monkeypatch.setattr(time, "time", lambda: now() + seconds)  # noqa: B023
            generator.hold.clear()
            scripted.until(lambda: job_state(scripted, waiting) is JobState.DONE)  # noqa: B023
        generator.hold.set()
        answers = [ask.post("/jobs", json=BODY) for _ in range(4)]
        assert answers[-1].status_code == 429
        assert 1 <= int(answers[-1].headers["Retry-After"]) < 60
        (sum_of_waits,) = re.findall(
            r"^sdtui_queue_wait_seconds_sum (\S+)", ask.get("/metrics").text, re.M
        )
        assert 0 <= float(sum_of_waits) < PATIENCE
        generator.hold.clear()


def test_retry_after_is_limited(scripted: Live, generator: ScriptedGenerator) -> None:
    scripted.services.job_events._mean_seconds = 1e9
    generator.hold.set()
    with scripted.client() as ask:
        answers = [ask.post("/jobs", json=BODY) for _ in range(4)]
        assert answers[-1].headers["Retry-After"] == "600"
    generator.hold.clear()


def test_client_that_has_its_share_of_jobs_is_refused(
    tmp_path: Path, generator: ScriptedGenerator
) -> None:
    with (
        live(
            tmp_path, lambda _: generator, client_jobs=2, trusted_proxies=("127.0.0.1",)
        ) as running,
        running.client() as ask,
    ):
        generator.hold.set()

        def post(path: str, address: str) -> int:
            answer = ask.post(path, json=BODY, headers={"X-Forwarded-For": address})
            if answer.status_code == 429:
                assert "of your address" in answer.text
                assert "Retry-After" in answer.headers
            return answer.status_code

        assert [post("/jobs", "10.0.0.1") for _ in range(3)] == [202, 202, 429]
        for path in ("/generate", "/sdapi/v1/txt2img", "/v1/images/generations"):
            assert post(path, "10.0.0.1") == 429
        assert post("/jobs", "10.0.0.2") == 202
        generator.hold.clear()
        running.until(lambda: all(job.state.is_over for job in running.backend.jobs.jobs()))
        assert [post("/generate", "10.0.0.1") for _ in range(3)] == [200, 200, 200]
