"""The server between the signal to end and the end of the running picture."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.support.live_server import BODY, PATIENCE, live
from tests.support.scripted_generator import ScriptedGenerator


def test_new_connections_are_told_of_the_shutdown_until_the_picture_is_finished(
    tmp_path: Path, generator: ScriptedGenerator
) -> None:
    with live(tmp_path, lambda _: generator, grace=PATIENCE) as running:
        generator.hold.set()
        with running.client() as ask:
            job = ask.post("/jobs", json=BODY).json()["url"]
            running.until(lambda: ask.get(job).json()["state"] == "running")
        running.end()
        running.until(running.services.closing.is_set)
        for path in ("/jobs", "/generate", "/sdapi/v1/txt2img", "/v1/images/generations"):
            with running.client() as new:
                answer = new.post(path, json=BODY)
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "10"), path
        with running.client() as new:
            assert (new.get("/readyz").status_code, new.get("/readyz").text) == (503, "ending")
            assert new.get("/livez").status_code == 200
            assert new.get("/health").json()["status"] == "ending"
            assert new.get(job).json()["state"] == "running"
        generator.hold.clear()
        running.thread.join(PATIENCE)
        with running.client() as late, pytest.raises(httpx.ConnectError):
            late.get("/livez")
