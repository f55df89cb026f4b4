"""Many clients, a full queue, clients that go away, and the end of the server."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from uvicorn.protocols.http.h11_impl import H11Protocol

from sdtui.core.settings import Settings
from sdtui.jobs import JobState
from sdtui.server.connection import Connection
from tests.server.live import PATIENCE, Live, as_if_ended, live
from tests.server.test_ours import events_of, png_base64
from tests.tui.scripted import ScriptedGenerator

BODY = {"prompt": "x"}


def state(running: Live, job: dict[str, Any]) -> JobState:
    return running.desk.queue.job(job["id"]).state


def test_a_full_queue_says_when_to_come_again(scripted: Live, generator: ScriptedGenerator) -> None:
    generator.hold.set()
    with scripted.client() as ask:
        first = ask.post("/jobs", json=BODY).json()
        scripted.until(lambda: state(scripted, first) is JobState.RUNNING)
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
        # The body isn't waited for.
        with socket.create_connection(scripted.address) as raw:
            raw.sendall(
                b"POST /sdapi/v1/img2img HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Type: application/json\r\nContent-Length: 30000000\r\n\r\n"
            )
            raw.settimeout(10)
            assert raw.recv(100).startswith(b"HTTP/1.1 429 ")
        assert "sdtui_queue_length 2.0" in ask.get("/metrics").text
        # A waiting one that is cancelled makes room.
        assert ask.delete(waiting[0]["url"]).json()["state"] == "cancelled"
        assert ask.post("/jobs", json=BODY).status_code == 202
        generator.hold.clear()
        scripted.until(lambda: state(scripted, first) is JobState.DONE)


def leave(running: Live, path: str, prompt: str, when: JobState, **body: Any) -> None:
    """Ask, and go away once the job is in this state."""

    def job_is_there() -> bool:
        jobs = running.desk.queue.jobs()
        return any(job.request.prompt == prompt and job.state is when for job in jobs)

    text = json.dumps({"prompt": prompt, **body})
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection(running.address) as client:
        client.sendall(f"{head}Content-Length: {len(text)}\r\n\r\n{text}".encode())
        running.until(job_is_there)


def test_a_client_that_goes_away_cancels_its_own_job(
    scripted: Live, generator: ScriptedGenerator
) -> None:
    def states() -> dict[str, JobState]:
        return {job.request.prompt: job.state for job in scripted.desk.queue.jobs()}

    generator.hold.set()
    with scripted.client() as ask:
        mine = ask.post("/jobs", json={"prompt": "mine"}).json()
        scripted.until(lambda: state(scripted, mine) is JobState.RUNNING)
        for path in ("/generate", "/sdapi/v1/txt2img", "/v1/images/generations"):
            leave(scripted, path, f"waiting {path}", JobState.QUEUED)
            scripted.until(lambda: states()[f"waiting {path}"] is JobState.CANCELLED)  # noqa: B023
        assert state(scripted, mine) is JobState.RUNNING
        generator.hold.clear()
        scripted.until(lambda: state(scripted, mine) is JobState.DONE)
        generator.hold.set()
        for path in ("/generate", "/sdapi/v1/txt2img", "/v1/images/generations"):
            leave(scripted, path, f"running {path}", JobState.RUNNING)
            scripted.until(lambda: states()[f"running {path}"] is JobState.CANCELLED)  # noqa: B023
        leave(scripted, "/v1/images/generations", "streamed", JobState.RUNNING, stream=True)
        scripted.until(lambda: states()["streamed"] is JobState.CANCELLED)
        generator.hold.clear()
        assert ask.post("/generate", json=BODY).status_code == 200


def test_clients_that_never_say_what_they_want_are_hung_up_on(
    tmp_path: Path, generator: ScriptedGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdtui.server.connection._PATIENCE", 0.2)
    head = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
    with live(tmp_path, lambda _: generator) as running, running.client() as ask:
        for said in (b"", head, head + b"\r\n" + head):
            with socket.create_connection(running.address, PATIENCE) as slow:
                slow.sendall(said)
                while slow.recv(10_000):
                    pass
        # One that waits for its picture is no such client.
        generator.step_seconds = 0.2
        assert ask.post("/generate", json=BODY).status_code == 200


def test_a_body_that_trickles_is_ended(
    tmp_path: Path, generator: ScriptedGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdtui.server.body._PATIENCE", 0.5)
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


def test_what_else_is_installed_changes_nothing(scripted: Live) -> None:
    """uvicorn by itself would take httptools and uvloop wherever it finds them."""
    assert issubclass(Connection, H11Protocol)
    assert scripted.server.config.http_protocol_class is Connection
    assert scripted.server.config.loop == "asyncio"


def test_clients_hang_up_before_the_server_does(scripted: Live) -> None:
    """uvicorn's own 5 s are httpx's too: a POST after 5 s of silence was sometimes not answered."""
    assert scripted.server.config.timeout_keep_alive > 15


def test_every_one_of_many_clients_is_answered(
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
    scripted.until(lambda: all(job.state.is_over for job in scripted.desk.queue.jobs()))
    done = sum(job.state is JobState.DONE for job in scripted.desk.queue.jobs())
    assert done >= answers.count("200")
    # Nothing is remembered of those that are over but what `jobs` lists.
    assert not scripted.desk.queue._cancellations


def test_following_a_job_while_it_runs(scripted: Live, generator: ScriptedGenerator) -> None:
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
        # Whoever follows and leaves stops nothing.
        generator.hold.set()
        job = ask.post("/jobs", json=BODY).json()
        with ask.stream("GET", job["url"] + "/events") as stream:
            next(stream.iter_lines())
        generator.hold.clear()
        assert events_of(ask.get(job["url"] + "/events").text)[-1][0] == "finished"


def test_the_end_lets_the_running_picture_finish_and_keeps_the_rest(
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
            running.until(lambda: len(running.desk.queue.jobs()) == number + 1)  # noqa: B023
        with running.client() as ask:
            last = ask.post("/jobs", json={"prompt": "last"}).json()
        running.end()
        running.until(lambda: "waiting" in answers)
        generator.hold.clear()
        for thread in threads:
            thread.join(PATIENCE)
    assert answers["running"].status_code == 200
    assert answers["waiting"].status_code == 503
    kept = answers["waiting"].json()["error"]
    assert kept["type"] == "ShuttingDown"
    ((event, streamed),) = events_of(answers["streamed"].text)
    assert (event, streamed["error"]["code"]) == ("error", "ShuttingDown")

    as_if_ended(tmp_path)
    with live(tmp_path, lambda _: generator) as again, again.client() as ask:
        for job in (kept["job"], last["id"]):
            again.until(lambda: ask.get(f"/jobs/{job}").json()["state"] == "done")  # noqa: B023
    made = [request.prompt for request in generator.requests]
    assert made == ["running", "waiting", "streamed", "last"]


def test_what_is_not_finished_in_time_is_kept_too_and_goes_first(
    tmp_path: Path, generator: ScriptedGenerator
) -> None:
    with live(tmp_path, lambda _: generator, grace=0.2) as running, running.client() as ask:
        generator.hold.set()
        jobs = [ask.post("/jobs", json={"prompt": name}).json() for name in ("long", "next")]
        running.until(lambda: state(running, jobs[0]) is JobState.RUNNING)
    generator.hold.clear()
    generator.requests.clear()
    as_if_ended(tmp_path)
    with live(tmp_path, lambda _: generator) as again, again.client() as ask:
        for job in jobs:
            again.until(lambda: ask.get(job["url"]).json()["state"] == "done")  # noqa: B023
    assert [request.prompt for request in generator.requests] == ["long", "next"]


def test_a_job_that_waits_for_the_engine_is_kept_too(
    tmp_path: Path, generator: ScriptedGenerator
) -> None:
    with live(tmp_path, lambda _: generator, grace=0) as running, running.client() as ask:
        generator.hold.set()
        job = ask.post("/jobs", json=BODY).json()
        running.until(lambda: state(running, job) is JobState.RUNNING)
    generator.hold.clear()
    as_if_ended(tmp_path)
    imported = threading.Event()

    def made_late(_: Settings) -> ScriptedGenerator:
        imported.wait(PATIENCE)
        return generator

    with live(tmp_path, made_late, grace=PATIENCE, warm=False) as again:
        again.until(lambda: state(again, job) is JobState.RUNNING)
        assert again.desk.board.running is None  # taken, but not begun
        again.end()
        again.thread.join(PATIENCE)
        imported.set()
    as_if_ended(tmp_path)
    with live(tmp_path, lambda _: generator) as third, third.client() as ask:
        third.until(lambda: ask.get(job["url"]).json()["state"] == "done")


def test_a_cancelled_job_does_not_come_back(tmp_path: Path) -> None:
    class _Slow(ScriptedGenerator):
        def step(self) -> None:
            time.sleep(0.5)  # no step looks for the cancellation meanwhile

    with live(tmp_path, lambda _: _Slow()) as running, running.client() as ask:
        job = ask.post("/jobs", json=BODY).json()
        running.until(lambda: state(running, job) is JobState.RUNNING)
        ask.delete(job["url"])
        running.end()
    assert not list((tmp_path / "state" / "sdtui" / "server").glob("queue-*"))


class _Looking(ScriptedGenerator):
    """Notes whether each job's picture is there when the job begins."""

    def __init__(self) -> None:
        super().__init__()
        self.there: list[bool] = []

    def generate_with_fallback(self, request: Any, **options: Any) -> Any:
        self.there.append(request.init_image.is_file())
        return super().generate_with_fallback(request, **options)


def test_a_picture_that_was_sent_outlives_the_server_with_its_job(tmp_path: Path) -> None:
    generator = _Looking()
    uploads = tmp_path / "state" / "sdtui" / "server" / "uploads"
    with live(tmp_path, lambda _: generator, grace=0.2) as running, running.client() as ask:
        generator.hold.set()
        jobs = [
            ask.post("/jobs", json={"prompt": "x", "init_image": png_base64()}).json()
            for _ in range(3)
        ]
        running.until(lambda: state(running, jobs[0]) is JobState.RUNNING)
        ask.delete(jobs[2]["url"])
        running.until(lambda: len(list(uploads.iterdir())) == 2)
    assert len(list(uploads.iterdir())) == 2
    generator.hold.clear()
    as_if_ended(tmp_path)
    with live(tmp_path, lambda _: generator) as again, again.client() as ask:
        for job in jobs[:2]:
            again.until(lambda: ask.get(job["url"]).json()["state"] == "done")  # noqa: B023
    assert generator.there == [True, True, True]
    assert not list(uploads.iterdir())


def test_a_picture_that_was_sent_is_there_for_those_behind_a_skipped_one(tmp_path: Path) -> None:
    generator = _Looking()
    body = {"prompt": "x", "n_iter": 3, "init_images": [png_base64()]}
    with live(tmp_path, lambda _: generator) as running, running.client() as ask:
        generator.hold.set()
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(ask.post, "/sdapi/v1/img2img", json=body)
            running.until(lambda: len(generator.there) == 1)
            with running.client() as other:
                other.post("/sdapi/v1/skip")
            running.until(lambda: len(generator.there) == 2)
            time.sleep(0.2)  # the queue's file is written meanwhile, and pictures are cleared away
            generator.hold.clear()
            assert len(waiting.result().json()["images"]) == 2
    assert generator.there == [True, True]


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
    assert process.stderr.readline() == f"sdtui serves http://127.0.0.1:{port}\n"
    return process


def test_sigterm_ends_the_command_with_0_and_sigkill_loses_no_waiting_job(tmp_path: Path) -> None:
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
    process = _begin(tmp_path, port)
    # The one that ran may be what killed it.
    assert httpx.get(f"{url}{jobs[0]['url']}", timeout=PATIENCE).status_code == 404
    assert httpx.get(f"{url}{jobs[1]['url']}", timeout=PATIENCE).status_code == 200
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert told == ""
