"""Trainings over HTTP, by our own routes and by those of attached apps."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest

from sdtui.core.errors import (
    ForbiddenError,
    InvalidRequestError,
    SdtuiError,
    SettingsError,
    TrainingConflictError,
)
from sdtui.jobs.wire import CALLS
from sdtui.requests.events import JobEvent, TrainingProgress
from sdtui.requests.training.events import CheckpointWritten, Sample
from sdtui.requests.training.request import TrainingRequest
from sdtui.requests.training.status import TrainingCondition
from sdtui.server.api.mcp.tools import ToolCall
from sdtui.server.api.mcp.trainings import list_trainings
from sdtui.server.dependencies import ServerServices
from sdtui.server.options import ServerOptions
from sdtui.server.services.training_rules import allowed_request
from sdtui.training.folder import TrainingFolder, begin_training, find_training
from tests.support.backends import attached, until
from tests.support.fake_pictures import FakePictures
from tests.support.live_server import Live, live
from tests.support.scripted_generator import ScriptedGenerator
from tests.support.trainings import script_trainings, training_request

if TYPE_CHECKING:
    from fastapi import Request

    from sdtui.server.api.mcp.progress import Report


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("trainings")
    sets = folder / "sets"
    (sets / "zorb").mkdir(parents=True)
    (sets / "link").symlink_to(folder)
    with (
        pytest.MonkeyPatch.context() as patch,
        live(folder, lambda _: ScriptedGenerator(), warm=False, training_folder=sets) as running,
    ):
        script_trainings(folder, patch)
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        yield running


@pytest.fixture
def ask(server: Live) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client
        for each in server.backend.trainings.all():
            if each.condition in (TrainingCondition.QUEUED, TrainingCondition.RUNNING):
                server.backend.trainings.stop(each.name)
                _until(server, each.name, TrainingCondition.STOPPED)
            server.backend.trainings.delete(each.name)


def _command(name: str, command: str) -> None:
    find_training(name).send(command)


def _until(server: Live, name: str, condition: TrainingCondition) -> None:
    until(lambda: server.backend.trainings.status(name).condition is condition)


def _begin(server: Live, ask: httpx.Client, name: str = "zorb") -> None:
    """Begin a training, and wait until it has made a step."""
    body = {"instance_data_dir": "zorb", "output_name": name}
    answer = ask.post("/trainings", json=body)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == answer.json()["url"]
    until(lambda: ask.get(answer.json()["url"]).json()["step"] == 5)


def _ended(folder: Path, name: str = "zorb") -> TrainingFolder:
    """Return a training that ended long ago, with two checkpoints and a LoRA."""
    found = begin_training(training_request(folder, name), anew=True)
    for step in (1, 2):
        file = folder / f"{name}-{step}.safetensors"
        file.write_text(f"weights of step {step}")
        found.add_event(CheckpointWritten(step=step, path=str(file)))
    return found


def test_training_is_begun_paused_and_goes_on(server: Live, ask: httpx.Client) -> None:
    _begin(server, ask, "my zorb #1")
    (listed,) = ask.get("/trainings").json()
    assert (listed["condition"], listed["step"], listed["steps"]) == ("running", 5, 9)
    url = listed["url"]
    assert url == "/trainings/my%20zorb%20%231"
    assert ask.get(f"{url}/curve").json()["steps"] == [5]
    (worker,) = ask.get("/health").json()["workers"]
    assert worker["training"] == {"name": "my zorb #1", "step": 5, "steps": 9}
    for path, method in ((f"{url}/resume", "POST"), (url, "DELETE")):
        answer = ask.request(method, path)
        assert answer.status_code == 409, path
        assert answer.json()["error"]["type"] == "TrainingConflictError"
    assert ask.post(f"{url}/pause").status_code == 202
    until(lambda: ask.get(url).json()["condition"] == "paused")
    assert ask.post(f"{url}/pause").status_code == 409
    assert ask.post(f"{url}/resume").json()["condition"] in ("queued", "running")
    until(lambda: ask.get(url).json()["condition"] == "running")
    assert ask.post(f"{url}/stop").status_code == 202
    until(lambda: ask.get(url).json()["condition"] == "stopped")
    body = {"instance_data_dir": "zorb", "output_name": "my zorb #1"}
    assert ask.post("/trainings", json=body).status_code == 409  # it isn't finished
    assert ask.post("/trainings?anew=true", json=body).status_code == 202


def test_events_begin_with_the_status_and_end_with_the_training(
    server: Live, ask: httpx.Client
) -> None:
    _begin(server, ask)
    names, ids = [], []
    with ask.stream("GET", "/trainings/zorb/events") as answer:
        for line in answer.iter_lines():
            kind, _, value = line.partition(": ")
            if kind == "event":
                names.append(value)
            elif kind == "id":
                ids.append(value)
            elif kind == "data" and names == ["status"]:
                assert json.loads(value)["condition"] == "running"
                _command("zorb", "finish")
    assert (names, ids) == (["status", "finished"], ["over"])
    again = ask.get("/trainings/zorb/events", headers={"Last-Event-ID": ids[0]})
    assert again.status_code == 204
    assert ask.get("/trainings/zorb/events").text.count("event:") == 1


def test_files_of_a_training_are_downloaded_and_a_checkpoint_is_kept(
    server: Live, ask: httpx.Client, tmp_path: Path
) -> None:
    _ended(tmp_path)
    assert ask.get("/trainings/zorb/lora").status_code == 404
    found = ask.get("/trainings/zorb").json()
    assert (found["lora"], [each["step"] for each in found["checkpoints"]]) == (None, [1, 2])
    url = found["checkpoints"][0]["url"]
    kept = ask.post(f"{url}/keep").json()
    answer = ask.get(kept["lora"])
    assert answer.text == ask.get(url).text == "weights of step 1"
    assert answer.headers["content-disposition"] == 'attachment; filename="zorb.safetensors"'
    known = {"If-None-Match": answer.headers["etag"]}
    assert ask.get(kept["lora"], headers=known).status_code == 304
    assert ask.get(kept["lora"], headers={"Range": "bytes=99-"}).status_code == 416
    assert ask.post("/trainings/zorb/checkpoints/3/keep").status_code == 404
    (tmp_path / "zorb.safetensors").unlink()
    assert ask.get(kept["lora"]).status_code == 404


def test_samples_are_pictures_of_the_history(
    server: Live, ask: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = FakePictures("a zorb")
    (entry,) = pictures.entries("").entries
    monkeypatch.setattr(server.services.backend, "pictures", pictures)
    folder = _ended(tmp_path)
    folder.add_event(Sample(step=2, number=0, prompt="a zorb", path=str(entry.path)))
    (sample,) = ask.get("/trainings/zorb").json()["samples"]
    assert (sample["step"], sample["prompt"]) == (2, "a zorb")
    assert ask.get(sample["url"]).content == pictures.read(entry.id)
    assert ask.get("/trainings/zorb/samples/2/1").status_code == 404
    call = ToolCall(server.services, cast("Request", None), cast("Report", None))
    told = asyncio.run(list_trainings(call, {"name": "zorb"})).data.model_dump()
    assert [each["id"] for each in told["trainings"][0]["samples"]] == [str(entry.id)]


@pytest.mark.parametrize(
    "path", ["/zorb", "/zorb/curve", "/zorb/lora", "/zorb/events", "/zorb/samples/1/1", "/a%2Fb"]
)
def test_unknown_training_is_not_found(ask: httpx.Client, path: str) -> None:
    assert ask.get(f"/trainings{path}").status_code == 404


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"instance_data_dir": "/etc"}, "instance_data_dir"),
        ({"instance_data_dir": "../sets"}, "instance_data_dir"),
        ({"instance_data_dir": "."}, "instance_data_dir"),
        ({"instance_data_dir": "link/state"}, "instance_data_dir"),
        ({"instance_data_dir": "zorb\0"}, "instance_data_dir"),
        ({"class_data_dir": "/etc"}, "class_data_dir"),
        ({"output_dir": "zorb"}, "output_dir"),
        ({"output_name": "../zorb"}, "output_name"),
        ({"output_name": ".."}, "output_name"),
        ({"output_name": "犬" * 100}, "output_name"),
        ({"no": 1}, "no"),
    ],
)
def test_requests_over_the_network_name_nothing_outside_of_the_folder(
    ask: httpx.Client, values: dict[str, str], field: str
) -> None:
    body = {"instance_data_dir": "zorb", "output_name": "zorb", **values}
    answer = ask.post("/trainings", json=body)
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["error"]["problems"]] == [field]
    assert ask.get("/trainings").json() == []


def test_models_and_loras_of_a_training_are_no_paths(ask: httpx.Client, tmp_path: Path) -> None:
    file = tmp_path / "secret.safetensors"
    file.write_text("weights")
    for values in ({"model": str(file)}, {"validation_prompts": [f"a cat <lora:{file}:1>"]}):
        body = {"instance_data_dir": "zorb", "output_name": "zorb", **values}
        assert ask.post("/trainings", json=body).status_code == 404, values


def test_missing_folder_is_named_without_where_it_is(ask: httpx.Client) -> None:
    answer = ask.post("/trainings", json={"instance_data_dir": "no", "output_name": "zorb"})
    assert answer.status_code == 422
    assert "no" in answer.json()["error"]["message"]
    assert "sets" not in answer.text


def test_without_the_option_trainings_are_begun_over_a_private_socket_alone(
    server: Live, ask: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.services, "options", ServerOptions())
    _ended(tmp_path)
    body = {"instance_data_dir": str(tmp_path), "output_name": "zorb"}
    assert ask.post("/trainings", json=body).status_code == 403
    assert ask.delete("/trainings/zorb").status_code == 403
    request = training_request(tmp_path)
    for name, arguments in (("start", {"request": request}), ("delete", {"name": "zorb"})):
        answer = _call(ask, name, **arguments)
        assert answer.json()["type"] == "ForbiddenError"
    assert _call(ask, "all").json()[0]["name"] == "zorb"
    private = _services(server, unix_socket=tmp_path / "socket")
    assert allowed_request(private, request).instance_data_dir == tmp_path
    with pytest.raises(InvalidRequestError, match="an absolute path"):
        allowed_request(private, training_request(Path("pictures")))
    with pytest.raises(ForbiddenError, match="--training-folder"):
        allowed_request(_services(server), request)


def test_folder_of_trainings_that_is_not_there_is_named_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no folder"):
        ServerOptions(training_folder=tmp_path / "no-sets").check()


def _call(ask: httpx.Client, name: str, /, **arguments: Any) -> httpx.Response:
    call = CALLS["trainings", name]
    return ask.post(f"/attach/calls/trainings/{name}", content=call.write_arguments(arguments))


def _services(server: Live, **options: Any) -> ServerServices:
    return replace(server.services, options=ServerOptions(**options))


def test_attached_app_begins_a_training_and_one_that_comes_later_sees_its_step(
    server: Live, ask: httpx.Client
) -> None:
    request = TrainingRequest.parse({"instance_data_dir": "zorb", "output_name": "zorb"})
    with attached(server) as first:
        first.trainings.start(request)
        until(lambda: first.trainings.status("zorb").step == 5)
        with pytest.raises(TrainingConflictError):
            first.trainings.start(request, anew=True)
    with attached(server) as later:
        seen: list[JobEvent] = []
        later.jobs.subscribe(seen.append)
        (worker,) = later.jobs.workers
        assert worker.training == "zorb"
        steps = [each.event for each in seen if isinstance(each.event, TrainingProgress)]
        assert [(each.name, each.event.kind) for each in steps] == [("zorb", "step")]
        later.trainings.pause("zorb")
        until(lambda: [each.event.kind for each in seen][-1:] == ["training"])
        assert later.trainings.curve("zorb", 10).steps == (5,)
        _until(server, "zorb", TrainingCondition.PAUSED)
        with pytest.raises(SdtuiError, match="no checkpoint"):
            later.trainings.keep("zorb", 3)
        later.trainings.delete("zorb")
        assert later.trainings.all() == []


def test_metrics_count_steps_and_ends(server: Live, ask: httpx.Client) -> None:
    def metric(name: str) -> float:
        lines = ask.get("/metrics").text.splitlines()
        return sum(float(each.split()[-1]) for each in lines if each.startswith(name))

    before = metric("sdtui_training_steps_total"), metric('sdtui_trainings_total{state="finished"}')
    _begin(server, ask)
    until(lambda: metric("sdtui_training_loss{") == 1)
    assert metric("sdtui_worker_training{") == 1
    assert metric("sdtui_training_done_ratio{") == pytest.approx(5 / 9)
    _command("zorb", "finish")
    _until(server, "zorb", TrainingCondition.FINISHED)
    until(lambda: metric("sdtui_worker_training{") == 0)
    after = metric("sdtui_training_steps_total"), metric('sdtui_trainings_total{state="finished"}')
    assert after == (before[0] + 1, before[1] + 1)
    assert "sdtui_training_loss{" not in ask.get("/metrics").text
