"""What attached clients may do over the network."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sdtui.core.errors import OutputError
from sdtui.jobs.prompts import PicturePrompts, ResolvedPrompts
from sdtui.jobs.wire import CALL_HEADER, CALLS, CLIENT_HEADER
from sdtui.requests.request import GenerationRequest
from sdtui.requests.styles import Style
from sdtui.server.api.attach.network_rules import is_decided, restricted
from sdtui.server.services.attach_threads import AttachThreads
from sdtui.server.services.attach_uploads import AttachUploads
from sdtui.server.services.client_jobs import ClientJobs
from tests.support.live_server import Live, live
from tests.support.scripted_generator import ScriptedGenerator


def _request(**values: Any) -> GenerationRequest:
    return GenerationRequest.parse({"prompt": "a cat", "num_inference_steps": 1, **values})


_REQUEST = _request(width=64, height=64)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("server")
    limits: dict[str, Any] = {
        "queue_limit": 2,
        "max_pictures": 4,
        "max_grid": 4,
        "max_pixels": 256 * 256,
    }
    with live(folder, lambda _: ScriptedGenerator(), warm=False, **limits) as running:
        running.backend.jobs.pause()
        yield running


@pytest.fixture
def ask(server: Live) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client
        for job in server.backend.jobs.jobs():
            server.backend.jobs.cancel(job.id)


def _call(ask: httpx.Client, name: str, /, **arguments: Any) -> httpx.Response:
    call = CALLS[name.split("/")[0], name.split("/")[1]]
    return ask.post(f"/attach/calls/{name}", content=call.write_arguments(arguments))


def _refusal(ask: httpx.Client, name: str, /, **arguments: Any) -> str:
    answer = _call(ask, name, **arguments)
    assert answer.status_code in (400, 422), answer.text
    return str(answer.json()["type"])


def test_every_argument_that_may_name_a_file_has_a_rule() -> None:
    undecided = [
        f"{call.part}.{call.name}: {name}"
        for call in CALLS.values()
        for name in call.arguments
        if not is_decided(call, name, call.hints[name])
    ]
    assert not undecided, "Decide in network_rules.py what a client over the network may give"


def test_argument_without_a_rule_is_refused() -> None:
    call = CALLS["pictures", "star"]
    decided: tuple[Any, ...] = (Path | None, list[Path], int, Path)
    for hint in decided:
        assert is_decided(call, "new", hint)
    for hint in (str, list[str], dict[str, Path], object, Any):
        assert not is_decided(call, "new", hint)


def test_models_files_are_no_paths(ask: httpx.Client, tmp_path: Path) -> None:
    file = tmp_path / "secret.safetensors"
    file.write_bytes(b"weights")
    for values in (
        {"vae": str(file)},
        {"prompt": f"<lora:{file}:1>"},
        {"upscaler": str(file), "upscale_image": str(file)},
        {"hires_scale": 2, "hires_upscaler": str(file)},
        {"refiner": str(file)},
    ):
        kind = _refusal(ask, "jobs/submit", request=_request(**values))
        assert kind in ("ModelNotFoundError", "ImageError", "InvalidRequestError"), values
    template = _request(prompt="{a|b}", dynamic_prompts="random")
    prompts = ResolvedPrompts(template, (PicturePrompts(f"<lora:{file}:1>"),))
    assert _refusal(ask, "jobs/submit", request=template, prompts=prompts) == "ModelNotFoundError"
    assert _refusal(ask, "jobs/load", model=str(file)) == "ModelNotFoundError"
    assert _refusal(ask, "jobs/load", model="owner/not-here") == "ModelNotFoundError"
    for name in ("find_vae", "find_lora", "check_upscaler", "find_controlnet"):
        answer = _refusal(ask, f"models/{name}", name=str(file), allow_files=True)
        assert answer == "ModelNotFoundError"


def test_paths_outside_of_the_history_are_refused(
    ask: httpx.Client, server: Live, tmp_path: Path
) -> None:
    folder = server.backend.pictures.folder
    folder.mkdir(exist_ok=True)
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    link = folder / "link.png"
    link.symlink_to(secret)
    for path in (
        str(secret),
        str(link),
        f"{folder}/../../secret.png",
        "../secret.png",
        "~/secret.png",
        "pyproject.toml",  # of the working folder
        "secret\0.png",
        "x" * 5000,
    ):
        for call in ("get", "lineage", "star", "trash", "delete_unless_starred", "restore"):
            assert _refusal(ask, f"pictures/{call}", which=path) == "HistoryError", (call, path)
        assert _refusal(ask, "pictures/delete_trashed", paths=[path]) == "HistoryError"
        if path.endswith("secret.png"):
            request = _request(init_image=path)
            assert _refusal(ask, "jobs/submit", request=request) == "ImageError", path
    assert secret.exists()
    link.unlink()


def test_record_of_an_entry_elsewhere_is_not_read(ask: httpx.Client, tmp_path: Path) -> None:
    entry = {
        **{"id": 1, "path": str(tmp_path / "a.png"), "time": "2026-01-01T00:00:00Z", "prompt": ""},
        **{"negative_prompt": "", "model": "", "sampler": "", "seed": None, "width": 1},
        **{"height": 1, "steps": None, "guidance": None, "starred": False, "tags": []},
        "problem": "",
    }
    answer = _call(ask, "pictures/record", entry=entry).json()
    assert answer["what"].startswith("the history has no picture")


def test_limits_hold_for_attached_clients(ask: httpx.Client) -> None:
    for request in (_request(num_images_per_prompt=5), _request(width=512, height=512)):
        assert _refusal(ask, "jobs/submit", request=request) == "InvalidRequestError"
        prompts = ResolvedPrompts(request)
        kind = _refusal(ask, "jobs/submit", request=_REQUEST, prompts=prompts)
        assert kind == "InvalidRequestError"
    prompts = ResolvedPrompts(_REQUEST, (PicturePrompts("a"),) * 5)
    kind = _refusal(ask, "jobs/submit", request=_REQUEST, prompts=prompts)
    assert kind == "InvalidRequestError"
    combinations = _request(prompt="{a|b|c|d|e}", dynamic_prompts="combinatorial")
    resolved = _call(ask, "prompts/resolve", request=combinations, most=10**9).json()
    assert len(resolved["prompts"]) == 4
    job = _call(ask, "jobs/submit", request=combinations).json()
    assert job["request"]["num_images_per_prompt"] == 4


def test_long_arguments_and_answers_are_limited(ask: httpx.Client, server: Live) -> None:
    """What a client says is kept in memory, in pictures or in files, and sent to others."""
    long = "x" * 40_000
    prompts = ResolvedPrompts(_REQUEST, (PicturePrompts(long),))
    refused: dict[str, dict[str, Any]] = {
        "jobs/submit": {"request": _REQUEST, "prompts": prompts},
        "pictures/tag": {"which": 1, "tags": (long,)},
        "pictures/entries": {"limit": -1},
        "pictures/entries_of": {"ids": [1] * 20_000},
        "models/find_lora": {"name": long},
    }
    for name, arguments in refused.items():
        assert _refusal(ask, name, **arguments) == "InvalidRequestError", name
    assert _refusal(ask, "prompts/save_style", style=Style("x", long)) == "SettingsError"
    assert ask.post("/attach/calls/jobs/submit", content=b" " * 2**20 + b"{}").status_code == 413
    limited = restricted(server.services, CALLS["pictures", "entries"], {"limit": 10**9})
    assert limited == {"limit": 1000}


def test_jobs_are_those_of_an_address_whatever_the_client_says(ask: httpx.Client) -> None:
    job = _call(ask, "jobs/submit", request=_REQUEST, client="somebody else").json()
    assert job["client"] == "127.0.0.1"


def test_only_quick_calls_are_batched(ask: httpx.Client) -> None:
    body = [{"part": "pictures", "name": "reindex", "arguments": "{}"}]
    assert ask.post("/attach/batch", json=body).status_code == 422


def test_archives_that_become_large_are_refused(ask: httpx.Client) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(2**25))
    for data in (buffer.getvalue(), b"PK\x01\x02" * 60_000, b"no archive"):
        answer = ask.post("/attach/import", content=data)
        assert (answer.status_code, answer.json()["type"]) == (400, "OutputError")


async def test_slow_calls_of_one_caller_leave_threads_for_others() -> None:
    threads = AttachThreads(threads=2, most_of_one=1)
    over = threading.Event()
    slow = [asyncio.ensure_future(threads.run("a", over.wait, 10)) for _ in range(3)]
    assert await threads.run("b", lambda: "answer") == "answer"
    over.set()
    assert all(await asyncio.gather(*slow))


def test_front_of_the_queue_has_limits(ask: httpx.Client) -> None:
    made = [_call(ask, "jobs/submit", request=_REQUEST, front=True) for _ in range(4)]
    assert made[-1].status_code == 400
    assert made[-1].json()["type"] == "QueueFullError"
    assert _refusal(ask, "jobs/submit", request=_REQUEST, job_id="../x") == "InvalidRequestError"


def test_jobs_of_an_address_are_counted(
    ask: httpx.Client, server: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.services, "client_jobs", ClientJobs(server.backend.jobs, 1))
    assert _call(ask, "jobs/submit", request=_REQUEST).status_code == 200
    assert _refusal(ask, "jobs/submit", request=_REQUEST) == "QueueFullError"


def test_call_ids_of_other_clients_and_calls_are_others(ask: httpx.Client) -> None:
    def answer(name: str, client: str) -> Any:
        headers = {CALL_HEADER: "same", CLIENT_HEADER: client}
        return ask.post(f"/attach/calls/{name}", headers=headers).json()

    assert "pictures" in answer("pictures/stats", "one")
    assert isinstance(answer("models/installed", "one"), list)
    assert "pictures" in answer("pictures/stats", "two")


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("pictures/entries_of", '{"ids": [1, "x"]}'),
        ("pictures/entries_of", '{"ids": [99999999999999999999999]}'),
        ("pictures/entries", '{"offset": 99999999999999999999999}'),
        ("pictures/entries", '{"limit": -5, "offset": -1}'),
        ("pictures/star", '{"which": 99999999999999999999999}'),
        ("pictures/attachments", '{"picture": 99999999999999999999999}'),
        ("pictures/attachments", '{"picture": {"job": "x", "index": 99999999999999999999}}'),
        ("pictures/attachments", '{"picture": {"grid": "../x", "index": -1}}'),
        ("pictures/tag", '{"which": 1, "tags": ["\\u0000"]}'),
        ("pictures/is_parent", '{"sha256": "\\u0000"}'),
        ("jobs/move", '{"job_id": "x", "position": -99999999999999999999}'),
        ("jobs/submit", '{"request": ' + "[" * 9000 + "]" * 9000 + "}"),
        ("jobs/submit_grid", '{"grid": 1}'),
        ("jobs/submit_grid", '{"grid": {"request": {"prompt": ""}, "record": {}, "cells": []}}'),
        ("jobs/save_again", '{"job_id": "x"}'),
        ("jobs/sheets", '{"grid_id": "x", "timeout": 1e300}'),
        ("prompts/save_style", '{"style": {"name": "\\u0000"}}'),
        ("models/describe", '{"source": {"name": "\\u0000", "kind": "file", "path": null}}'),
        ("models/find", '{"name": "\\ud800"}'),
        ("models/find", '{"name": ""}'),
        ("models/download", '{"hub_id": "../.."}'),
    ],
)
def test_bad_input_is_answered(ask: httpx.Client, name: str, body: str) -> None:
    assert ask.post(f"/attach/calls/{name}", content=body).status_code in (200, 400, 422)


@pytest.mark.parametrize("body", ["[1", '[{"part": "x", "name": "y", "arguments": ""}]', "[[]]"])
def test_bad_batch_is_answered(ask: httpx.Client, body: str) -> None:
    assert ask.post("/attach/batch", content=body).status_code == 422


def test_many_values_streams_and_event_ids_are_refused_or_skipped(
    ask: httpx.Client, server: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = b'{"ids": [' + b"1," * 1_000_001
    assert ask.post("/attach/calls/pictures/entries_of", content=body).status_code == 413
    assert ask.post("/attach/batch", content=body).status_code == 413
    hub = server.services.attach_hub
    assert hub.number_of(f"{hub.run}-7") == 7
    assert hub.number_of(f"{hub.run}-{'9' * 5000}") is None
    monkeypatch.setattr(hub, "_wakers", dict.fromkeys(range(200)))
    assert ask.get("/attach/events").status_code == 503


def test_name_of_a_sent_picture_fits_every_file_system(tmp_path: Path) -> None:
    uploads = AttachUploads(tmp_path, lambda _: None, set)
    kept = uploads.keep(hashlib.sha256(b"x").hexdigest(), b"x", "図" * 100 + ".png")
    assert kept.name.endswith("図.png")
    assert len(kept.name.encode()) <= 100


def test_sent_pictures_dont_fill_the_disk(tmp_path: Path) -> None:
    uploads = AttachUploads(tmp_path, lambda _: None, set, most_bytes=10)
    for number in range(4):
        data = b"%010d" % number
        uploads.keep(hashlib.sha256(data).hexdigest(), data)
    with pytest.raises(OutputError, match="Try again later"):
        uploads.keep(hashlib.sha256(b"more").hexdigest(), b"more")
    for file in tmp_path.glob("*/*"):
        os.utime(file, (1, 1))
    uploads.keep(hashlib.sha256(b"more").hexdigest(), b"more")
    assert len(list(tmp_path.glob("*/*"))) == 1
