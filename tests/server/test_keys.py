"""Several API keys, each with its own pictures and jobs."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from sdtui.history import Entry
from sdtui.jobs import JobState, SheetPicture
from sdtui.jobs.wire import CALL_HEADER, CALLS, CLIENT_HEADER
from sdtui.jobs.worker_status import WorkerStatus
from sdtui.requests.request import GenerationRequest
from sdtui.server.services.attach_hub import HistoryChanged
from sdtui.server.services.attach_stream import AttachStream, StreamOptions
from sdtui.server.services.callers import Caller
from sdtui.training.folder import begin_training
from tests.support.live_server import PATIENCE, Live, live
from tests.support.scripted_generator import ScriptedGenerator
from tests.support.trainings import training_request

SECRET = "unicorn"
"""A word in what the other key asked for."""
KEYS = """
[boss]
key = "key-of-boss"
admin = true

[alice]
key = "key-of-alice"

[bob]
key = "key-of-bob"
may = ["delete"]
"""
_TESTED_ELSEWHERE = ("/attach/events", "/mcp")
"""Routes whose answers don't end, or take a second to begin."""
_QUIETLY = {"prompt": SECRET, "num_inference_steps": 1, "width": 64, "height": 64}


@dataclass(frozen=True)
class Theirs:
    """What belongs to bob."""

    entry: Entry
    trashed: Path
    done: str
    """Jobs, by their state."""
    running: str
    waiting: str
    grid: str

    def of_path(self, path: str) -> list[str]:
        """Return paths of a route with what belongs to bob in place of its parameters."""
        fixed = path.replace("{index}", "0").replace("{grid_id}", self.grid)
        fixed = fixed.replace("{entry_id}", str(self.entry.id)).replace("{token}", "a.png")
        fixed = fixed.replace("{name}", "nothing").replace("{name:path}", "nothing")
        return [fixed.replace("{job_id}", job) for job in (self.done, self.running, self.waiting)]


@pytest.fixture(scope="module")
def generator() -> ScriptedGenerator:
    return ScriptedGenerator()


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, generator: ScriptedGenerator
) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("keys")
    file = folder / "keys.toml"
    file.write_text(KEYS)
    file.chmod(0o600)
    with live(folder, lambda _: generator, keys_file=file, warm=False) as running:
        yield running
        generator.hold.clear()


def _client(server: Live, name: str) -> httpx.Client:
    return server.client(headers={"X-API-Key": f"key-of-{name}"})


@pytest.fixture(scope="module")
def boss(server: Live) -> Iterator[httpx.Client]:
    with _client(server, "boss") as client:
        yield client


@pytest.fixture(scope="module")
def alice(server: Live) -> Iterator[httpx.Client]:
    with _client(server, "alice") as client:
        yield client


@pytest.fixture(scope="module")
def bob(server: Live) -> Iterator[httpx.Client]:
    with _client(server, "bob") as client:
        yield client


@pytest.fixture(scope="module")
def theirs(server: Live, bob: httpx.Client, generator: ScriptedGenerator) -> Theirs:
    """Pictures and jobs of bob, of which one runs, one waits and some are done."""
    for _ in range(2):
        assert bob.post("/generate", json=_QUIETLY).status_code == 200
    axis = {"request": {**_QUIETLY, "seed": 1}, "x": {"axis": "steps", "values": "1,2"}}
    grid = bob.post("/grids", json=axis).json()["id"]
    assert server.backend.jobs.sheets(grid, PATIENCE)
    entry, other, *_ = server.backend.pictures.entries("sheet:no grid:no").entries
    trashed = server.backend.pictures.trash(other.id)
    generator.hold.set()
    running, waiting = (bob.post("/jobs", json=_QUIETLY).json()["id"] for _ in range(2))
    server.until(lambda: server.backend.jobs.job(running).state is JobState.RUNNING)
    done = next(job.id for job in server.backend.jobs.jobs() if job.state is JobState.DONE)
    return Theirs(entry, trashed, done, running, waiting, grid)


def _state(server: Live) -> list[object]:
    """Return all that others could change of what bob has."""
    jobs = [(job.id, job.state, job.is_cancelled) for job in server.backend.jobs.jobs()]
    pictures = server.backend.pictures
    entries = [(each.path, each.starred, each.tags) for each in pictures.entries("").entries]
    return [jobs, entries, pictures.trashed(), server.backend.jobs.is_paused]


def _text(alice: httpx.Client, method: str, path: str) -> str:
    """Return the answer of a route. Routes that make pictures are asked for none."""
    return alice.request(method, path, json={"prompt": 5} if method == "POST" else None).text


def test_no_route_tells_of_pictures_and_jobs_of_another_key(
    server: Live, alice: httpx.Client, theirs: Theirs
) -> None:
    before = _state(server)
    app: Any = server.server.config.app
    hidden = (route for route in app.state.routes if not getattr(route, "include_in_schema", 1))
    routes = {route.path: route.methods for route in hidden}
    routes |= alice.get("/openapi.json").json()["paths"]
    asked = [
        (method.upper(), path)
        for pattern, methods in routes.items()
        for method in methods
        for path in dict.fromkeys(theirs.of_path(pattern))
        if path not in _TESTED_ELSEWHERE
    ]
    assert len(asked) > 110
    for method, path in asked:
        answer = _text(alice, method, path)
        assert SECRET not in answer, path
        assert theirs.entry.path.name not in answer, path
    for path in (f"/history/{theirs.entry.id}", f"/jobs/{theirs.running}/events"):
        assert alice.get(path).status_code == 404, path
    for path in (f"entries/{theirs.entry.id}", f"jobs/{theirs.done}/0", f"sheets/{theirs.grid}/0"):
        assert alice.get(f"/attach/pictures/{path}").status_code == 404, path
    assert _state(server) == before


def test_no_tool_of_an_agent_reaches_another_key(
    server: Live, alice: httpx.Client, theirs: Theirs
) -> None:
    before = _state(server)
    pictures = (str(theirs.entry.id), f"{theirs.done}/0", f"{theirs.running}/0")
    calls: list[tuple[str, dict[str, Any]]] = [
        ("search_history", {"query": SECRET}),
        ("list_trainings", {}),
        *(("get_image", {"id": each}) for each in pictures),
        *(("edit_image", {"prompt": "x", "init_image": each}) for each in pictures),
        *(("upscale_image", {"upscale_image": each}) for each in pictures),
    ]
    for name, arguments in calls:
        params = {"name": name, "arguments": arguments}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        answer = alice.post("/mcp", json=message, headers={"Accept": "*/*"})
        assert '"total":0' in answer.text or '"isError":true' in answer.text, (name, answer.text)
        assert theirs.entry.path.name not in answer.text, name
    assert _state(server) == before


def _arguments(theirs: Theirs) -> dict[str, Any]:
    return {
        "job_id": theirs.running,
        "grid_id": theirs.grid,
        "which": theirs.entry.id,
        "picture": SheetPicture(theirs.grid, 0),
        "entry": theirs.entry,
        "ids": [theirs.entry.id],
        "paths": [theirs.trashed],
        "position": 0,
        "tags": ("x",),
        "name": "x",
        "sha256": "0" * 64,
    }


def test_no_call_of_an_attached_client_reaches_another_key(
    server: Live, alice: httpx.Client, theirs: Theirs
) -> None:
    before, given = _state(server), _arguments(theirs)
    for call in CALLS.values():
        named = {name: given[name] for name in call.arguments if name in given}
        answer = alice.post(
            f"/attach/calls/{call.part}/{call.name}", content=call.write_arguments(named)
        )
        if "entry" in named:  # whose path is in the error
            assert answer.status_code == 400, call
        else:
            assert SECRET not in answer.text, call
            assert answer.status_code < 500, call
    counts = alice.post("/attach/calls/pictures/stats").json()
    assert (counts["pictures"], counts["trashed"]) == (0, 0)
    assert _state(server) == before


def test_attached_client_of_another_key_gets_no_event(
    alice: httpx.Client, bob: httpx.Client, theirs: Theirs
) -> None:
    def first_lines(client: httpx.Client) -> str:
        with client.stream("GET", "/attach/events") as answer:
            return next(answer.iter_text())

    def snapshot(client: httpx.Client) -> dict[str, Any]:
        data = first_lines(client).partition("data: ")[2].partition("\n")[0]
        found: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(data)))
        return found

    assert snapshot(bob)["running"]
    others = snapshot(alice)
    assert (others["jobs"], others["running"], others["events"]) == ([], {}, [])
    assert theirs.running not in json.dumps(others)


def test_change_of_pictures_is_told_to_those_who_see_them(server: Live) -> None:
    services = server.services

    def told(owner: str, seen_by: str) -> bool:
        stream = AttachStream(
            services.attach_hub,
            server.backend,
            services.job_events,
            services.attach_receipts,
            lambda _: True,
            Caller(seen_by, seen_by, is_admin=seen_by == "boss"),
            StreamOptions(),
            "",
            lambda: False,
        )
        return bool(stream._messages(HistoryChanged(1, "app", owner)))

    assert not told("bob", seen_by="alice")
    assert told("bob", seen_by="bob")
    assert told("bob", seen_by="boss")
    assert told("", seen_by="alice")  # an admin's, or another program's: they may be anyone's


def test_one_key_can_not_take_the_streams_of_all(
    server: Live, alice: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = server.services.attach_hub
    monkeypatch.setattr(hub, "_wakers", dict.fromkeys(range(50), "alice"))
    assert "50 with this API key" in alice.get("/attach/events").text
    assert hub.clients_of("bob") == 0


def test_events_of_a_job_end_when_the_key_is_removed(
    server: Live, bob: httpx.Client, theirs: Theirs, monkeypatch: pytest.MonkeyPatch
) -> None:
    app: Any = server.server.config.app
    job = bob.post("/jobs", json=_QUIETLY).json()["id"]  # it waits: another one runs
    with bob.stream("GET", f"/jobs/{job}/events") as answer:
        lines = answer.iter_lines()
        assert "event: queued" in (next(lines), next(lines))
        monkeypatch.setattr(app.state.services.keys, "has", lambda _: False)
        server.backend.jobs.cancel(job)
        assert "event: cancelled" not in lines


def test_picture_of_another_key_is_no_init_image(
    alice: httpx.Client, bob: httpx.Client, theirs: Theirs
) -> None:
    request = GenerationRequest.parse({"prompt": "x", "init_image": theirs.entry.path})
    call = CALLS["jobs", "submit"]
    answer = alice.post(
        "/attach/calls/jobs/submit", content=call.write_arguments({"request": request})
    )
    assert answer.status_code == 400
    assert "isn't there" in answer.text
    assert bob.get(f"/history/{theirs.entry.id}").status_code == 200


def test_admin_sees_all_and_the_record_names_the_key(
    boss: httpx.Client, bob: httpx.Client, theirs: Theirs
) -> None:
    assert boss.get(f"/history/{theirs.entry.id}").json()["record"]["owner"] == "bob"
    assert boss.get("/history", params={"q": "owner:bob"}).json()["total"] == 4
    assert boss.get("/history", params={"q": "owner:alice"}).json()["total"] == 0
    assert boss.get("/history", params={"q": "owner:bob sheet:yes"}).json()["total"] == 1
    assert bob.get("/history").json()["total"] == 4
    assert {job["id"] for job in boss.get("/jobs").json()} >= {theirs.running, theirs.waiting}


def test_metrics_need_a_permission(alice: httpx.Client, boss: httpx.Client) -> None:
    assert alice.get("/metrics").status_code == 403
    assert boss.get("/metrics").status_code == 200


def test_export_ids_and_import_know_no_other_key(
    server: Live, alice: httpx.Client, bob: httpx.Client, theirs: Theirs
) -> None:
    ids = {"ids": [theirs.entry.id]}
    exported = [client.post("/attach/export", json=ids).content for client in (alice, bob)]
    assert SECRET.encode() not in exported[0]
    assert SECRET.encode() in exported[1]
    assert alice.post("/attach/ids", json={}).json()["steps"] == []
    assert alice.post("/attach/ids", json={"query": f"{SECRET} -owner:alice"}).json()["steps"] == []
    before = _state(server)
    assert alice.post("/attach/import", content=exported[1]).json()["type"] == "ForbiddenError"
    assert alice.post("/shutdown").status_code == 403
    assert _state(server) == before


def test_answer_of_a_repeated_call_is_for_its_own_key(
    alice: httpx.Client, bob: httpx.Client, theirs: Theirs
) -> None:
    headers = {CLIENT_HEADER: "c", CALL_HEADER: "1"}
    body = {"job_id": theirs.done}
    kept = bob.post("/attach/calls/jobs/job", json=body, headers=headers)
    assert (kept.status_code, SECRET in kept.text) == (200, True)
    asked = alice.post("/attach/calls/jobs/job", json=body, headers=headers)
    assert (asked.status_code, SECRET in asked.text) == (400, False)


def test_only_an_admin_sees_trainings(
    server: Live, alice: httpx.Client, boss: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_training(training_request(Path("/pictures"), SECRET), anew=True)
    trains = (WorkerStatus("cpu", training=SECRET),)
    monkeypatch.setattr(type(server.backend.jobs), "workers", trains)
    assert boss.get("/trainings").json()[0]["name"] == SECRET
    assert boss.get("/health").json()["workers"][0]["training"]["name"] == SECRET
    for path in ("", f"/{SECRET}", f"/{SECRET}/events", f"/{SECRET}/curve"):
        answer = alice.get(f"/trainings{path}")
        assert (answer.status_code, SECRET in answer.text) == (403, False), path
    for path in ("/health", "/attach/state"):
        answer = alice.get(path)
        assert SECRET not in answer.text
        assert '"training":' in answer.text
    assert alice.get("/health").json()["workers"][0]["training"]["name"] is None
    call = alice.post("/attach/calls/trainings/all", content="{}")
    assert call.json()["type"] == "ForbiddenError"
