"""A full pictures folder, and pictures that are not kept."""

from __future__ import annotations

import base64
import logging
import os
import shutil
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from sdtui.core.errors import SettingsError
from sdtui.history import Entry
from sdtui.server.keep import Keep, parse_keep
from sdtui.server.services import retention as retention_module
from sdtui.server.services.retention import Retention
from sdtui.server.services.storage_check import StorageCheck
from tests.support.images import png_base64
from tests.support.live_server import BODY, Live, live, parse_events, post
from tests.support.scripted_generator import ScriptedGenerator

PNG = b"\x89PNG"


class _Usage(NamedTuple):
    total: int
    used: int
    free: int


def _block(running: Live) -> Path:
    """Make the pictures folder unusable; returns the file in its way."""
    folder = running.backend.pictures.folder
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("in the way")
    return folder


def _post(running: Live, path: str, body: dict[str, Any]) -> Any:
    with running.client() as ask:
        return post(ask, path, body)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/generate", {**BODY, "num_images_per_prompt": 3}),
        ("/sdapi/v1/txt2img", {**BODY, "n_iter": 3}),
        ("/sdapi/v1/img2img", {**BODY, "n_iter": 3, "init_images": [png_base64()]}),
        ("/v1/images/generations", {**BODY, "n": 3}),
        ("/v1/images/edits", {**BODY, "n": 3}),
    ],
)
def test_pictures_are_sent_although_they_cannot_be_saved(
    scripted: Live, path: str, body: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    folder = _block(scripted)
    answer = _post(scripted, path, body)
    assert answer.status_code == 200
    assert "can't be saved on the server" in answer.headers["X-Sdtui-Warning"]
    assert str(folder) not in answer.text + str(answer.headers)
    found = answer.json()
    if path == "/generate":
        images = [found["image_base64"], *(each["image_base64"] for each in found["more"])]
        assert "can't be saved" in found["warnings"][0]
    elif path.startswith("/sdapi"):
        images = found["images"]
        assert "can't be saved" in found["info"]
    else:
        images = [each["b64_json"] for each in found["data"]]
    assert len(images) == 3
    assert f"isn't saved: {folder}" in caplog.text
    assert all(base64.b64decode(each)[:4] == PNG for each in images)


def test_unsaved_pictures_are_sent_as_png_link_and_stream(scripted: Live) -> None:
    folder = _block(scripted)
    with scripted.client() as ask:
        png = ask.post("/generate", json=BODY, headers={"Accept": "image/png"})
        assert png.content[:4] == PNG
        assert "X-Sdtui-Warning" in png.headers
        body = {**BODY, "response_format": "url"}
        link = ask.post("/v1/images/generations", json=body).json()["data"][0]["url"]
        assert ask.get(link).content[:4] == PNG
        streamed = ask.post("/v1/images/generations", json={**BODY, "stream": True})
        (event, data) = parse_events(streamed.text)[-1]
        assert event.endswith(".completed")
        assert base64.b64decode(data["b64_json"])[:4] == PNG
        job = ask.post("/jobs", json=BODY).json()
        events = parse_events(ask.get(job["url"] + "/events").text)
        assert events[-1][0] == "failed"
        assert str(folder) not in events[-1][1]["error"]
        state = ask.get(job["url"]).json()
        assert state["state"] == "failed"
        assert str(folder) not in state["error"]
        assert ask.get(state["pictures"][0]).content[:4] == PNG


def test_other_failures_are_no_answers(scripted: Live, generator: ScriptedGenerator) -> None:
    _block(scripted)
    generator.hold_at_picture = 1
    with scripted.client() as ask:
        job = ask.post("/jobs", json={**BODY, "num_images_per_prompt": 3}).json()
        scripted.until(lambda: bool(generator.requests))
        ask.delete(job["url"])
        scripted.until(lambda: ask.get(job["url"]).json()["state"] == "cancelled")
    generator.hold_at_picture = None


def test_server_without_room_is_not_ready(scripted: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted.client() as ask:
        assert ask.get("/readyz").status_code == 200
        monkeypatch.setattr(shutil, "disk_usage", lambda _: _Usage(2**30, 2**30, 2**20))
        assert (ask.get("/readyz").status_code, ask.get("/livez").status_code) == (503, 200)
        assert ask.get("/readyz").text == "pictures can't be saved"
        health = ask.get("/health").json()
        assert health["status"] == "failed"
        assert "1.0 MiB" in health["problem"]
        monkeypatch.undo()
        assert ask.get("/readyz").status_code == 200
        folder = _block(scripted)
        assert ask.get("/readyz").status_code == 503
        folder.unlink()
        monkeypatch.setattr(os, "access", lambda *_: False)  # read-only
        assert ask.get("/readyz").status_code == 503
        assert "can't be written" in ask.get("/health").json()["problem"]


def test_server_whose_pictures_folder_leads_nowhere_is_not_ready(
    scripted: Live, tmp_path: Path
) -> None:
    folder = scripted.backend.pictures.folder
    folder.parent.mkdir(exist_ok=True)
    folder.symlink_to(tmp_path / "not" / "there")
    with scripted.client() as ask:
        assert ask.get("/readyz").status_code == 503


def test_server_whose_disk_takes_no_more_files_is_not_ready(
    scripted: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = SimpleNamespace(f_files=1000, f_favail=0)
    monkeypatch.setattr(os, "statvfs", lambda _: disk)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: _Usage(2**40, 0, 2**40))
    with scripted.client() as ask:
        assert ask.get("/readyz").status_code == 503
        assert "no room for another file" in ask.get("/health").json()["problem"]
        disk.f_files = 0  # btrfs has no such limit
        assert ask.get("/readyz").status_code == 200


def test_server_without_room_in_its_state_folder_is_not_ready(
    scripted: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = scripted.services.uploads._folder.parent
    empty, full = _Usage(2**40, 0, 2**40), _Usage(2**40, 2**40, 0)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full if path == state else empty)
    with scripted.client() as ask:
        assert ask.get("/readyz").status_code == 503
        assert str(state) in ask.get("/health").json()["problem"]


def test_link_out_of_the_pictures_folder_is_no_path_for_clients(
    scripted: Live, tmp_path: Path
) -> None:
    folder = scripted.backend.pictures.folder
    folder.mkdir(parents=True)
    for day in (datetime.now(), datetime.now() + timedelta(days=1)):
        (folder / f"{day:%Y-%m-%d}").symlink_to(tmp_path)
    answer = _post(scripted, "/generate", BODY)
    assert answer.status_code == 200
    warning = answer.headers["X-Sdtui-Warning"]
    assert "leads out of the pictures folder" in warning
    assert "/" not in warning


def test_disk_that_does_not_answer_blocks_one_thread(
    scripted: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    calls = []

    def hang(_: Path) -> _Usage:
        calls.append(1)
        answers.wait()
        return _Usage(2**40, 0, 2**40)

    monkeypatch.setattr(StorageCheck, "timeout_seconds", 0.05)
    monkeypatch.setattr(shutil, "disk_usage", hang)
    with scripted.client() as ask:
        for _ in range(50):
            assert ask.get("/readyz").status_code == 503
        assert "doesn't answer" in ask.get("/health").json()["problem"]
        assert ask.post("/generate", json=BODY).status_code == 200
        assert len(calls) == 1
        answers.set()
        scripted.until(lambda: ask.get("/readyz").status_code == 200)


def test_pictures_that_are_not_kept_are_sent_and_deleted_after_an_hour(
    tmp_path: Path, generator: ScriptedGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with live(tmp_path, lambda _: generator, keep=Keep(days=0)) as running, running.client() as ask:
        made = ask.post("/generate", json=BODY).json()
        body = {**BODY, "response_format": "url"}
        link = ask.post("/v1/images/generations", json=body).json()["data"][0]["url"]
        assert ask.get(link).content[:4] == PNG
        assert ask.get("/history").json()["total"] == 0
        assert not running.backend.pictures.folder.exists()
        path = Path(made["path"])
        assert path.parent.stat().st_mode & 0o777 == 0o700
        running.services.retention.delete_old()
        assert path.exists()
        now = time.time
        monkeypatch.setattr(time, "time", lambda: now() + 3601)
        running.services.retention.delete_old()
        assert not list(path.parent.iterdir())
        assert ask.get(f"/jobs/{made['job']}/pictures/0").status_code == 404


def test_a1111_client_says_whether_pictures_are_kept(scripted: Live) -> None:
    with scripted.client() as ask:
        for save, total in ((False, 0), (None, 1), (True, 2)):
            answer = ask.post("/sdapi/v1/txt2img", json={**BODY, "save_images": save})
            assert len(answer.json()["images"]) == 1
            assert ask.get("/history").json()["total"] == total


def _aged(running: Live, count: int) -> list[Entry]:
    """Make pictures; returns their entries, newest first."""
    with running.client() as ask:
        for _ in range(count):
            ask.post("/generate", json=BODY).raise_for_status()
    return list(running.backend.pictures.entries().entries)


def test_old_pictures_are_deleted_unless_starred(
    scripted: Live, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    pictures = scripted.backend.pictures
    newest, starred, oldest = _aged(scripted, 3)
    pictures.star(starred.id)
    retention = Retention(pictures, Keep(days=30), Path("/nowhere"))

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return newest.time.astimezone(tz) + timedelta(days=30, microseconds=-1)

    retention.delete_old()
    assert pictures.entries().total == 3
    monkeypatch.setattr(retention_module, "datetime", Later)
    retention.delete_old()
    assert [each.id for each in pictures.entries().entries] == [newest.id, starred.id]
    assert not oldest.path.exists()
    assert not oldest.path.with_suffix(".json").exists()
    assert f"{oldest.path} is deleted: it is older than 30 days" in caplog.text


def test_pictures_may_be_kept_for_thousands_of_years(scripted: Live) -> None:
    _aged(scripted, 1)
    keep = parse_keep(("999999d",))
    Retention(scripted.backend.pictures, keep, Path("/nowhere")).delete_old()
    assert scripted.backend.pictures.entries().total == 1


def test_oldest_pictures_are_deleted_beyond_a_size(scripted: Live) -> None:
    pictures = scripted.backend.pictures
    third, _, first = _aged(scripted, 3)
    pictures.star(first.id)
    size = sum(each.stat().st_size for each in first.path.parent.iterdir())
    Retention(pictures, Keep(size=size), Path("/nowhere")).delete_old()
    assert pictures.entries().total == 3
    Retention(pictures, Keep(size=size - 1), Path("/nowhere")).delete_old()
    assert [each.id for each in pictures.entries().entries] == [third.id, first.id]
    Retention(pictures, Keep(size=1), Path("/nowhere")).delete_old()
    assert [each.id for each in pictures.entries().entries] == [first.id]


def test_nothing_is_deleted_after_the_clock_was_set(
    scripted: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    _aged(scripted, 1)
    retention = Retention(scripted.backend.pictures, Keep(size=1), Path("/nowhere"))
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 10 * 31_557_600)
    for _ in range(3):
        retention.delete_old()
    assert scripted.backend.pictures.entries().total == 1


def test_rules_for_keeping_are_parsed() -> None:
    assert parse_keep(()) == Keep()
    assert parse_keep(("none",)).is_nothing
    assert parse_keep(("30d", "20GiB")) == Keep(30, 20 * 2**30)
    for wrong in ("", "30", "0d", "-1d", "1.5GiB", "20GB", "all", "None", "d"):
        with pytest.raises(SettingsError, match="--keep"):
            parse_keep((wrong,))
    with pytest.raises(SettingsError):
        parse_keep(("none", "30d"))
