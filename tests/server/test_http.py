"""HTTP itself: conditional requests, parts of files, slashes at the end, headers for browsers."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.support.live_server import BODY, Live, live
from tests.support.scripted_generator import ScriptedGenerator


def _pictures(running: Live, ask: httpx.Client) -> list[str]:
    """The addresses of one picture: its job's, the history's, and signed links as file and encoded
    again."""
    job = ask.post("/jobs", json=BODY).json()["url"]
    running.until(lambda: ask.get(job).json()["state"] == "done")
    links = [
        ask.post("/v1/images/generations", json={**BODY, "response_format": "url", **more}).json()
        for more in ({}, {"output_format": "jpeg", "output_compression": 40})
    ]
    entry = ask.get("/history").json()["entries"][0]["url"]
    linked = [each["data"][0]["url"].removeprefix(running.url) for each in links]
    return [f"{job}/pictures/0", f"{entry}/picture", *linked]


def test_known_picture_is_not_sent_again(scripted: Live) -> None:
    with scripted.client() as ask:
        for url in _pictures(scripted, ask):
            first = ask.get(url)
            tag = first.headers["etag"]
            for known in (tag, f'"other", W/{tag}', "*"):
                answer = ask.get(url, headers={"If-None-Match": known})
                assert (answer.status_code, answer.content) == (304, b""), (url, known)
                assert answer.headers["etag"] == tag
            for other in ('"other"', "x", tag[:-2] + '"'):
                assert ask.get(url, headers={"If-None-Match": other}).content == first.content
            assert ask.head(url, headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize(
    ("since", "status"),
    [
        ("Thu, 01 Jan 2099 00:00:00 GMT", 304),
        ("Thu, 01 Jan 2015 00:00:00 GMT", 200),
        ("yesterday", 200),
        ("Thu, 01 Jan 2099 00:00:00 -0000", 200),
    ],
)
def test_picture_that_is_older_is_not_sent_again(since: str, status: int, scripted: Live) -> None:
    with scripted.client() as ask:
        url = _pictures(scripted, ask)[0]
        since_then = {"If-Modified-Since": since}
        assert ask.get(url, headers=since_then).status_code == status
        assert ask.get(url, headers={**since_then, "If-None-Match": '"x"'}).status_code == 200
        dated = ask.get(url).headers["last-modified"]
        assert ask.get(url, headers={"If-Modified-Since": dated}).status_code == 304


def test_parts_of_a_picture(scripted: Live) -> None:
    with scripted.client() as ask:
        url = _pictures(scripted, ask)[0]
        whole = ask.get(url).content
        part = ask.get(url, headers={"Range": "bytes=1-3"})
        assert (part.status_code, part.content) == (206, b"PNG")
        for wrong, status in (("bytes=9999999-", 416), ("bytes=x", 400), ("bytes=", 400)):
            answer = ask.get(url, headers={"Range": wrong})
            assert answer.status_code == status, wrong
            assert answer.json()["error"]["message"].startswith("The header Range")
        assert ask.get(url, headers={"Range": "pages=1-2"}).content == whole
        beyond = ask.get(url, headers={"Range": "bytes=9999999-"})
        assert beyond.headers["content-range"] == f"bytes */{len(whole)}"


@pytest.mark.parametrize(
    "path",
    [
        *("/v1/models", "/v1/models/pocket", "/sdapi/v1/options", "/sdapi/v1/sd-models"),
        *("/health", "/livez", "/jobs", "/history", "/docs", "/openapi.json"),
    ],
)
def test_slash_at_the_end_of_a_path_makes_no_difference(path: str, pocket: Live) -> None:
    with pocket.client() as ask:
        plain = ask.get(path)
        for slashes in ("/", "//"):
            answer = ask.get(path + slashes)
            assert answer.status_code == plain.status_code == 200
            assert answer.headers["content-type"] == plain.headers["content-type"]


def test_slash_at_the_end_changes_nothing_for_post_and_needs_the_key(locked: Live) -> None:
    with locked.client() as ask:
        for path in ("/sdapi/v1/txt2img/", "/v1/images/generations/", "/jobs/", "/health/"):
            assert ask.post(path, json=BODY).status_code == 401
        key = {"X-API-Key": "a-key-for-tests"}
        for path in ("/sdapi/v1/txt2img/", "/v1/images/generations/", "/generate/"):
            assert ask.post(path, json=BODY, headers=key).status_code == 200, path
        assert ask.get("/livez/").status_code == 200


def test_browsers_neither_guess_types_nor_frame_answers(locked: Live) -> None:
    key = {"X-API-Key": "a-key-for-tests"}
    with locked.client() as ask:
        job = ask.post("/jobs", json=BODY, headers=key).json()["url"]
        answers = [ask.get(path, headers=key) for path in ("/docs", "/none", job, "/history")]
        for answer in (*answers, ask.get("/docs"), ask.get("/livez")):
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]


def test_public_server_without_a_key_answers_to_local_and_allowed_names(
    tmp_path: Path, generator: ScriptedGenerator
) -> None:
    with (
        live(
            tmp_path,
            lambda _: generator,
            host="0.0.0.0",
            no_auth=True,
            allowed_hosts=("pictures.example",),
        ) as running,
        httpx.Client(base_url=f"http://127.0.0.1:{running.address[1]}") as ask,
    ):
        for name in (
            *("127.0.0.1:7860", "192.168.1.5", "[fd00::1]:7860", "localhost", "gpu-box:7860"),
            *("gpu-box.local", "Pictures.Example:443"),
        ):
            assert ask.get("/health", headers={"Host": name}).status_code == 200, name
        for name in ("evil.example", "evil.example:7860", "x.pictures.example", "1.2.3.4.evil.io"):
            refused = ask.get("/health", headers={"Host": name})
            assert refused.status_code == 403, name
            assert "--allowed-host" in refused.json()["error"]["message"]
        assert ask.get("/livez", headers={"Host": "evil.example"}).status_code == 200


def test_loopback_server_answers_to_an_allowed_name(
    tmp_path: Path, generator: ScriptedGenerator
) -> None:
    with (
        live(tmp_path, lambda _: generator, allowed_hosts=("pictures.example",)) as running,
        running.client() as ask,
    ):
        assert ask.get("/health", headers={"Host": "pictures.example"}).status_code == 200
        for name in ("gpu-box", "192.168.1.5", "evil.example"):
            assert ask.get("/health", headers={"Host": name}).status_code == 403, name


def test_usual_port_in_the_host_is_the_same_origin(locked: Live) -> None:
    with locked.client(headers={"X-API-Key": "a-key-for-tests"}) as ask:
        for host, origin, status in (
            ("a.example:443", "https://a.example", 200),
            ("a.example:80", "http://A.example", 200),
            ("a.example:80", "https://a.example", 403),
            ("a.example:8080", "http://a.example", 403),
        ):
            answer = ask.get("/health", headers={"Host": host, "Origin": origin})
            assert answer.status_code == status, (host, origin)
        assert "--cors" in answer.json()["error"]["message"]
