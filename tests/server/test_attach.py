"""Apps and commands that are attached to a server."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from sdtui.core.errors import (
    ConnectionLostError,
    HistoryError,
    ImageError,
    ModelNotFoundError,
    SettingsError,
)
from sdtui.jobs import JobPicture, JobState, Output
from sdtui.jobs.backends.remote.backend import RemoteBackend
from sdtui.jobs.backends.remote.calls import Caller
from sdtui.jobs.backends.remote.http import Requests
from sdtui.jobs.wire import CALL_HEADER, PROTOCOL, PROTOCOL_HEADER
from sdtui.requests.events import JobEvent, Preview
from sdtui.requests.grids import Grid, parse_axis
from sdtui.requests.request import GenerationRequest
from tests.support.backends import attached, until
from tests.support.lines import Line
from tests.support.live_server import KEY, PATIENCE, Live, live
from tests.support.scripted_generator import ScriptedGenerator


@pytest.fixture(scope="module")
def generator() -> ScriptedGenerator:
    return ScriptedGenerator()


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, generator: ScriptedGenerator
) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("server")
    with live(folder, lambda _: generator, warm=False, queue_limit=100) as running:
        yield running


@pytest.fixture
def line(server: Live) -> Line:
    return Line(server.address[1])


@pytest.fixture
def remote(server: Live, line: Line, generator: ScriptedGenerator) -> Iterator[RemoteBackend]:
    with attached(server, where=line, pace=20.0) as backend:
        yield backend
        generator.hold.clear()
        until(lambda: all(job.state.is_over for job in server.backend.jobs.jobs()))


def _request(**values: Any) -> GenerationRequest:
    return GenerationRequest.parse({"prompt": "a cat", "num_inference_steps": 1, **values})


def test_missed_events_come_after_a_cut(
    remote: RemoteBackend, line: Line, server: Live, generator: ScriptedGenerator
) -> None:
    events: list[JobEvent] = []
    remote.jobs.subscribe(events.append)
    generator.hold.set()
    jobs = [remote.jobs.submit(_request(prompt=str(number))).id for number in range(4)]
    until(lambda: jobs[0] in remote.jobs.running().values())
    for finished in range(4):
        line.is_down = True
        line.cut()
        until(lambda: not remote.connection.status.is_connected)
        generator.hold.clear()
        if finished == 0:
            until(lambda: server.backend.jobs.job(jobs[1]).state.is_over)
        line.is_down = False
        until(lambda: remote.connection.status.is_connected)
    assert all(remote.jobs.wait(job, PATIENCE).state is JobState.DONE for job in jobs)
    until(lambda: sum(each.event.kind == "finished" for each in events) == 4)
    lasting = Counter(
        (each.job, each.event.kind) for each in events if each.event.kind not in ("step", "preview")
    )
    for job in jobs:
        for kind in ("queued", "started", "saved", "finished"):
            assert lasting[job, kind] == 1, (job, kind)


def test_call_whose_answer_was_lost_is_carried_out_once(server: Live) -> None:
    body = json.dumps({"request": {"prompt": "lost", "num_inference_steps": 1}})
    with server.client() as ask:
        answers = [
            ask.post("/attach/calls/jobs/submit", content=body, headers={CALL_HEADER: "one"})
            for _ in range(2)
        ]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    prompts = [job.request.prompt for job in server.backend.jobs.jobs()]
    assert prompts.count("lost") == 1


def test_call_waits_for_a_line_that_comes_back(remote: RemoteBackend, line: Line) -> None:
    line.is_down = True
    line.cut()
    remote.jobs.pause()
    assert remote.jobs.is_paused
    line.is_down = False
    assert remote.pictures.stats().pictures >= 0
    until(lambda: remote.connection.status.is_connected)
    remote.jobs.resume()


def test_restarted_server_ends_what_it_lost_and_goes_on(tmp_path: Path) -> None:
    generator = ScriptedGenerator()
    generator.hold.set()
    line = Line(0)
    events: list[JobEvent] = []
    with live(tmp_path, lambda _: generator, warm=False, grace=0) as running:
        line.port = running.address[1]
        backend = RemoteBackend(line, cache_folder=tmp_path / "cache")
        backend.start()
        backend.wait_until_connected(PATIENCE)
        backend.jobs.subscribe(events.append)
        jobs = [backend.jobs.submit(_request(prompt=each)).id for each in ("a", "b")]
        until(lambda: jobs[0] in backend.jobs.running().values())
    generator.hold.clear()
    with live(tmp_path, lambda _: generator, warm=False) as running:
        line.port = running.address[1]
        states = [backend.jobs.wait(job, PATIENCE) for job in jobs]
        assert [each.state for each in states] == [JobState.DONE] * 2, [e.error for e in states]
        until(lambda: sum(each.event.kind == "finished" for each in events) == 2)
        for job in jobs:
            kinds = [each.event.kind for each in events if each.job == job]
            assert kinds.count("saved") == kinds.count("finished") == 1
        assert running.backend.pictures.stats().pictures == 2
        backend.close()


def test_late_subscriber_hears_how_far_a_job_is(
    remote: RemoteBackend, server: Live, generator: ScriptedGenerator
) -> None:
    generator.hold.set()
    job = remote.jobs.submit(_request()).id
    until(lambda: job in remote.jobs.running().values())
    until(
        lambda: any(each.event.kind == "stage" for each in server.services.job_events.events(job))
    )
    with attached(server) as other:
        events: list[JobEvent] = []
        other.jobs.subscribe(events.append)
        kinds = [each.event.kind for each in events if each.job == job]
        assert kinds[:2] == ["queued", "started"]
        assert other.jobs.job(job).state is JobState.RUNNING
        other.jobs.cancel(job)
        assert remote.jobs.wait(job, PATIENCE).state is JobState.CANCELLED


def test_grid_that_another_client_cancels_is_seen(
    remote: RemoteBackend, server: Live, generator: ScriptedGenerator
) -> None:
    generator.hold.set()
    grid = Grid(_request(), [parse_axis("X", "steps=1,2,3", _request())])
    jobs = [job.id for job in remote.jobs.submit_grid(grid)]
    until(lambda: jobs[0] in remote.jobs.running().values())
    with attached(server) as other:
        other.jobs.cancel_grid(grid.record.id)
        until(lambda: all(remote.jobs.job(job).is_cancelled for job in jobs))


def test_previews_are_those_of_the_engine(
    server: Live, line: Line, generator: ScriptedGenerator
) -> None:
    with attached(server, where=line, pace=30.0, previews="raw") as raw, attached(server) as small:
        found: dict[str, list[Preview]] = {"raw": [], "webp": []}
        for name, backend in (("raw", raw), ("webp", small)):
            backend.jobs.subscribe(
                lambda each, name=name: (  # type: ignore[misc]
                    found[name].append(each.event) if each.event.kind == "preview" else None
                )
            )
        generator.step_seconds = 0.02
        try:
            job = raw.jobs.submit(_request(num_inference_steps=30)).id
            until(lambda: found["raw"] and found["webp"])
        finally:
            generator.step_seconds = 0.0
            raw.jobs.cancel(job)
        preview = found["webp"][0]
        assert (preview.width, preview.height, len(preview.rgb)) == (16, 16, 16 * 16 * 3)
        assert found["raw"][0].rgb != bytes(16 * 16 * 3)


def test_events_dont_wait_for_previews_that_a_client_has_not_read(
    server: Live, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is between may read ahead of a slow line, as ssh does."""
    receipts = server.services.attach_receipts
    with attached(server, where=line, pace=30.0) as late:
        kinds: list[tuple[str, str]] = []
        late.jobs.subscribe(lambda each: kinds.append((each.job, each.event.kind)))
        monkeypatch.setattr(receipts, "note", lambda *_: None)
        (receipt,) = receipts._receipts.values()
        receipt.sent += 5000
        job = late.jobs.submit(_request(num_inference_steps=30)).id
        until(lambda: (job, "finished") in kinds)
        assert not {(job, "preview"), (job, "step")} & set(kinds)
        monkeypatch.undo()
        receipts.note(next(iter(receipts._receipts)), receipt.sent)
        assert not receipt.is_late


def test_init_image_is_sent_once(
    remote: RemoteBackend, server: Live, tmp_path: Path, generator: ScriptedGenerator
) -> None:
    file = tmp_path / "mine.png"
    Image.new("RGB", (64, 64), "red").save(file)
    sent: list[str] = []
    send = remote._requests.send

    def note(method: str, path: str, *args: Any, **kwargs: Any) -> Any:
        sent.append(f"{method} {path.partition('/uploads')[0]}")
        return send(method, path, *args, **kwargs)

    remote._requests.send = note  # type: ignore[method-assign]
    request = _request(init_image=str(file), strength=0.5)
    remote.models.check_files([request], allow_files=True)
    for _ in range(2):
        job = remote.jobs.submit(request)
        remote.jobs.wait(job.id, PATIENCE)
    assert sent.count("PUT /attach") == 1
    used = generator.requests[-1].input_images()["init_image"]
    assert used != file
    assert used.read_bytes() == file.read_bytes()
    assert used.name == "mine.png"
    assert remote.jobs.job(job.id).request.input_images()["init_image"] == file
    made = remote.pictures.get(Path(remote.jobs.job(job.id).pictures[0]))
    assert remote.pictures.record(made).request.input_images()["init_image"] == file
    assert server.backend.jobs.job(job.id).request.input_images()["init_image"] == used


def test_picture_of_the_history_is_not_sent(
    remote: RemoteBackend, generator: ScriptedGenerator
) -> None:
    made = remote.jobs.wait(remote.jobs.submit(_request()).id, PATIENCE)
    again = _request(init_image=made.pictures[0], strength=0.5)
    remote.jobs.wait(remote.jobs.submit(again).id, PATIENCE)
    assert str(generator.requests[-1].input_images()["init_image"]) == made.pictures[0]


def test_picture_is_fetched_once(remote: RemoteBackend, server: Live, line: Line) -> None:
    job = remote.jobs.wait(remote.jobs.submit(_request()).id, PATIENCE)
    whole = remote.pictures.read(JobPicture(job.id, 0))
    small = remote.pictures.read(JobPicture(job.id, 0), edge=30)
    with Image.open(io.BytesIO(small)) as opened:
        assert opened.format == "WEBP"
    line.is_down = True
    line.cut()
    assert remote.pictures.read(JobPicture(job.id, 0)) == whole
    assert remote.pictures.read(JobPicture(job.id, 0), edge=90) == small
    line.is_down = False
    with server.client() as ask:
        answer = ask.get(f"/attach/pictures/jobs/{job.id}/0")
        tag = {"If-None-Match": answer.headers["ETag"]}
        assert ask.get(f"/attach/pictures/jobs/{job.id}/0", headers=tag).status_code == 304


def test_changes_of_others_are_seen_and_own_are_not(remote: RemoteBackend, server: Live) -> None:
    remote.jobs.wait(remote.jobs.submit(_request()).id, PATIENCE)
    before = remote.pictures.changes_by_others()
    newest = remote.pictures.ids()[0]
    remote.pictures.star(newest)
    with attached(server) as other:
        other.pictures.unstar(newest)
        until(lambda: remote.pictures.changes_by_others() == before + 1)


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (lambda each: each.models.find("/etc/hostname"), ModelNotFoundError),
        (lambda each: each.models.find("../model"), ModelNotFoundError),
        (lambda each: each.pictures.get("/etc/hostname"), HistoryError),
        (lambda each: each.pictures.save_sheets("grid"), SettingsError),
        (lambda each: each.jobs.submit(_request(model="/etc/hostname")), ModelNotFoundError),
        (lambda each: each.jobs.submit(_request(init_image="/etc/nothing")), ImageError),
        (
            lambda each: each.jobs.submit(_request(), Output(folder=Path("/tmp"))),
            SettingsError,
        ),
    ],
)
def test_files_of_the_server_are_out_of_reach(
    remote: RemoteBackend, ask: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        ask(remote)


def test_client_without_the_key_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with live(tmp_path, lambda _: ScriptedGenerator(), warm=False, api_key=KEY) as running:
        backend = RemoteBackend(Line(running.address[1]), cache_folder=tmp_path / "cache")
        with pytest.raises(ConnectionLostError, match=r"gpu1 wants an API key"):
            backend.pictures.stats()
        monkeypatch.setenv("SDTUI_API_KEY", "wrong")
        backend.start()
        with pytest.raises(ConnectionLostError, match=r"API key"):
            backend.wait_until_connected(PATIENCE)
        backend.close()
        monkeypatch.setenv("SDTUI_API_KEY", KEY)
        with attached(running) as allowed:
            assert allowed.jobs.jobs() == []


def test_other_protocols_are_named_with_what_to_update(
    server: Live, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = PROTOCOL + 1
    monkeypatch.setattr("sdtui.jobs.backends.remote.http.PROTOCOL", newer)
    with (
        closing(Requests(line, lambda: None)) as requests,
        pytest.raises(ConnectionLostError, match=rf"protocol {PROTOCOL} .* Update sdtui on gpu1"),
    ):
        requests.send("GET", "/attach/state")
    with server.client() as ask:
        answer = ask.post("/attach/calls/pictures/stats", headers={PROTOCOL_HEADER: str(newer)})
    assert answer.status_code == 400
    assert answer.json()["hint"] == "Update the server"


def test_server_of_something_else_is_named(server: Live, line: Line) -> None:
    line.prefix = "/docs"
    with (
        closing(Requests(line, lambda: None)) as requests,
        pytest.raises(ConnectionLostError, match="no server of sdtui"),
    ):
        Caller(requests).state("pictures", "folder")


def test_line_that_is_down_is_named(line: Line) -> None:
    line.is_down = True
    requests = Requests(line, lambda: None)
    with pytest.raises(ConnectionLostError, match=r"gpu1 can't be reached: Connection refused"):
        requests.send("GET", "/attach/state", patience=0)


def test_damaged_and_foreign_uploads_are_refused(server: Live) -> None:
    with server.client() as ask:
        assert _put(ask, b"text").status_code == 400
        assert ask.put(f"/attach/uploads/{'0' * 64}", content=b"text").status_code == 400
        assert ask.get("/attach/uploads/../secret").status_code in (404, 422)
        assert ask.head(f"/attach/uploads/{'0' * 64}").status_code == 404
        assert ask.post("/attach/calls/jobs/close").status_code == 404
        assert ask.post("/attach/calls/pictures/get", content=b"{").status_code == 422


def _put(ask: httpx.Client, data: bytes) -> httpx.Response:
    return ask.put(f"/attach/uploads/{hashlib.sha256(data).hexdigest()}", content=data)
