"""The server behind a reverse proxy."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from sdtui.core.errors import SettingsError
from sdtui.server.options import ServerOptions
from tests.support.live_server import BODY, live
from tests.support.scripted_generator import ScriptedGenerator

KEY = {"X-API-Key": "secret"}
FORWARDED = {
    "X-Forwarded-Host": "pictures.example",
    "X-Forwarded-Port": "8443",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Prefix": "/sd",
}
LINK = {**BODY, "response_format": "url"}


def _link(ask: httpx.Client) -> str:
    answer = ask.post("/v1/images/generations", json=LINK)
    assert answer.status_code == 200
    return str(answer.json()["data"][0]["url"])


def test_links_have_the_prefix_whether_the_proxy_removes_it_or_not(
    tmp_path: Path, generator: ScriptedGenerator
) -> None:
    with live(tmp_path, lambda _: generator, root_path="/sd") as running, running.client() as ask:
        assert _link(ask).startswith(f"{running.url}/sd/pictures/")
        assert ask.get(_link(ask)).content[:4] == b"\x89PNG"
        job = ask.post("/jobs", json=BODY)
        assert job.headers["location"] == job.json()["url"]
        running.until(lambda: ask.get(job.json()["url"]).json()["state"] == "done")
        entry = ask.get("/history").json()["entries"][0]
        urls = [job.json()["url"], entry["url"], f"{entry['url']}/picture"]
        assert all(url.startswith("/sd/") for url in urls)
        for url in urls:
            assert ask.get(url).status_code == 200
            assert ask.get(url.removeprefix("/sd")).status_code == 200
        for start in ("/", "/sd/"):
            assert ask.get(start).headers["location"] == "/sd/docs"
        assert ask.get("/sd").headers["location"] == f"{running.url}/sd/"
        assert ask.get("/openapi.json").json()["servers"] == [{"url": "/sd"}]
        assert "/sd/openapi.json" in ask.get("/docs").text
        for script in (
            "/static-offline-docs/swagger-ui.css",
            "/sd/static-offline-docs/redoc.standalone.js",
        ):
            assert ask.get(script).status_code == 200
        assert ask.get("/sd/v1/none").json()["error"]["code"] == "NotFound"
        assert ask.get("/sd/sdapi/v1/none").json()["error"] == "NotFound"
        assert ask.put("/sd/jobs").headers["allow"] == "GET, HEAD, POST"


def test_prefix_opens_no_path_that_needs_a_key(
    tmp_path: Path, generator: ScriptedGenerator
) -> None:
    with (
        live(tmp_path, lambda _: generator, api_key="secret", root_path="/pictures/a") as running,
        running.client() as ask,
    ):
        for path in ("/livez", "/pictures/a/livez"):
            assert ask.get(path).status_code == 200, path
        for path in ("/health", "/pictures/a/health", "/pictures/a/docs"):
            assert ask.get(path).status_code == 401, path


def test_headers_of_a_trusted_proxy_are_believed(
    tmp_path: Path, generator: ScriptedGenerator
) -> None:
    with (
        live(
            tmp_path, lambda _: generator, api_key="secret", trusted_proxies=("127.0.0.0/8",)
        ) as running,
        running.client(headers=KEY | FORWARDED) as ask,
    ):
        assert _link(ask).startswith("https://pictures.example:8443/sd/pictures/")
        same = {"Origin": "https://pictures.example:8443"}
        assert ask.post("/jobs", json=BODY, headers=same).status_code == 202
        other = {"Origin": "https://evil.example"}
        assert ask.post("/jobs", json=BODY, headers=other).status_code == 403
        for prefix in ("//evil.example", "https://evil.example", "/sd/../x", "sd"):
            answer = ask.get("/", headers={"X-Forwarded-Prefix": prefix})
            assert answer.headers["location"] == "/docs", prefix


@pytest.mark.parametrize("trusted", [(), ("10.0.0.0/8",)])
def test_headers_of_others_are_ignored(
    trusted: tuple[str, ...], tmp_path: Path, generator: ScriptedGenerator
) -> None:
    with (
        live(tmp_path, lambda _: generator, api_key="secret", trusted_proxies=trusted) as running,
        running.client(headers=KEY | FORWARDED) as ask,
    ):
        host = running.url.removeprefix("http://")
        assert f"//{host}/pictures/" in _link(ask)
        same = {"Origin": "https://pictures.example:8443"}
        assert ask.post("/jobs", json=BODY, headers=same).status_code == 403


@pytest.mark.parametrize("prefix", ["sd", "//evil.example", "/a b", "/sd/", "/a?b"])
def test_wrong_prefix_is_refused(prefix: str) -> None:
    with pytest.raises(SettingsError, match="--root-path"):
        ServerOptions(root_path=prefix).check()
