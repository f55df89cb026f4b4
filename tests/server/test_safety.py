"""Authentication, limits, and untrusted files."""

from __future__ import annotations

import base64
import gzip
import io
import re
import socket
import struct
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest
import webuiapi
from PIL import Image

from sdtui.cli.main import main
from sdtui.core.errors import SettingsError
from sdtui.jobs import Job
from sdtui.requests.request import GenerationRequest
from sdtui.server.errors import public_message
from sdtui.server.middleware.body_limit import BodyLimitMiddleware
from sdtui.server.options import ServerOptions
from tests.support.live_server import PATIENCE, Live, live
from tests.support.scripted_generator import ScriptedGenerator

KEY = "a-key-of-ours"


@pytest.fixture
def locked(tmp_path: Path, generator: ScriptedGenerator) -> Iterator[Live]:
    """A server with a key and one allowed origin."""
    with live(
        tmp_path,
        lambda _: generator,
        api_key=KEY,
        cors=("http://front.example",),
        max_body=100_000,
        max_upload_pixels=10_000,
    ) as running:
        yield running


def test_every_form_of_the_key_is_accepted(locked: Live) -> None:
    basic = base64.b64encode(f"anyone:{KEY}".encode()).decode()
    with locked.client() as ask:
        for headers in (
            {"Authorization": f"Bearer {KEY}"},
            {"X-API-Key": KEY},
            {"Authorization": f"Basic {basic}"},
        ):
            assert ask.get("/health", headers=headers).status_code == 200
        wrong: tuple[tuple[bytes, bytes], ...] = (
            (b"Accept", b"*/*"),
            (b"Authorization", f"Bearer {KEY}x".encode()),
            (b"X-API-Key", b""),
            (b"X-API-Key", "ключ".encode()),
            (b"Authorization", b"Basic nonsense"),
            (b"Authorization", b"Basic " + base64.b64encode(b"\xff\xfe")),
        )
        for header in wrong:
            refused = ask.get("/health", headers=[header])
            assert refused.status_code == 401
            assert "Basic" in refused.headers["www-authenticate"]
        assert ask.get("/sdapi/v1/options").json()["error"] == "Unauthorized"
        assert ask.get("/v1/models").json()["error"]["code"] == "invalid_api_key"
        for path in ("/docs", "/openapi.json", "/metrics", "/history"):
            assert ask.get(path).status_code == 401
        for path in ("/livez", "/readyz"):
            assert ask.get(path).status_code == 200


def test_basic_auth_of_a1111_clients_is_accepted(locked: Live) -> None:
    api = webuiapi.WebUIApi(baseurl=f"{locked.url}/sdapi/v1", username="me", password=KEY)
    assert api.get_options()["sd_model_checkpoint"] == "pocket"


def test_other_origins_are_refused(locked: Live) -> None:
    headers = {"X-API-Key": KEY}
    with locked.client() as ask:
        welcome = ask.get("/health", headers={**headers, "Origin": "http://front.example"})
        assert welcome.headers["access-control-allow-origin"] == "http://front.example"
        preflight = ask.options(
            "/generate",
            headers={"Origin": "http://front.example", "Access-Control-Request-Method": "POST"},
        )
        assert preflight.status_code == 200
        other = ask.get("/health", headers={**headers, "Origin": "http://evil.example"})
        assert other.status_code == 403
        assert "access-control-allow-origin" not in other.headers
        assert ask.get("/health", headers={**headers, "Origin": locked.url}).status_code == 200


def test_without_a_key_only_local_host_names_are_served(scripted: Live) -> None:
    with scripted.client() as ask:
        assert ask.get("/health", headers={"Host": "localhost:1234"}).status_code == 200
        assert ask.get("/health", headers={"Host": "evil.example"}).status_code == 403
        for origin in ("null", "http://[::1", "://", "http://localhost:1"):
            refused = ask.post("/sdapi/v1/interrupt", headers={"Origin": origin})
            assert refused.status_code == 403, origin


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/generate", b'{"prompt": "x", "sampler": "\\ud800"}'),
        ("/generate", b'{"prompt": "x", "\\ud800": 1}'),
        ("/generate", b'{"prompt": "\xff"}'),
        ("/generate", b'{"prompt": "x", "seed": ' + b"9" * 5000 + b"}"),
        ("/sdapi/v1/options", b'{"sd_model_checkpoint": "\\udfff"}'),
        ("/sdapi/v1/txt2img", b'{"override_settings": {"a": "\\ud800"}}'),
        ("/sdapi/v1/txt2img", b'{"override_settings": ' + b'{"a":' * 500 + b"1" + b"}" * 501),
        ("/v1/images/generations", b"[" * 90_000),
        ("/sdapi/v1/png-info", b'{"image": "\\ud800"}'),
    ],
)
def test_json_that_cannot_be_encoded_again_is_refused(
    scripted: Live, path: str, body: bytes
) -> None:
    with scripted.client() as ask:
        answer = ask.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert "not valid JSON" in answer.text


def test_body_that_is_not_json_is_refused_with_its_content_type(scripted: Live) -> None:
    with scripted.client() as ask:
        header = {"Content-Type": "text/plain"}
        answer = ask.post("/generate", content=b'{"prompt": "x"}', headers=header)
        assert answer.status_code == 422
        assert "Content-Type: application/json" in answer.json()["error"]["message"]
        with_mark = b'\xef\xbb\xbf{"prompt": "x"}'
        headers = {"Content-Type": "application/json"}
        assert ask.post("/jobs", content=with_mark, headers=headers).status_code == 202
        form = ask.post(
            "/v1/images/edits",
            content=b'--a\r\nContent-Disposition: form-data; name="size"\r\n\r\n\\ud800\r\n--a--',
            headers={"Content-Type": "multipart/form-data; boundary=a; charset=unicode_escape"},
        )
        assert form.status_code == 415
        slow_codec = ask.post(
            "/v1/images/edits",
            content=b"--B--",
            headers={"Content-Type": 'multipart/form-data; boundary=B; charset="punycode"'},
        )
        assert slow_codec.status_code == 415
        assert "UTF-8" in slow_codec.json()["error"]["message"]
        as_json = ask.post("/v1/images/edits", json={"prompt": "x"})
        assert as_json.status_code == 415
        assert "must be a form" in as_json.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/generate", "/sdapi/v1/txt2img", "/v1/images/generations"])
def test_json_without_a_content_type_is_accepted(scripted: Live, path: str) -> None:
    with scripted.client() as ask:
        answer = ask.post(path, content=b'{"prompt": "x"}')
        assert "content-type" not in answer.request.headers
        assert answer.status_code == 200
        other = {"Origin": "http://evil.example"}
        assert ask.post(path, content=b'{"prompt": "x"}', headers=other).status_code == 403


@pytest.mark.parametrize("values", [b"[]," * 500_000 + b"[]", b"{}," * 500_000 + b"{}"])
def test_body_of_very_many_values_is_refused(scripted: Live, values: bytes) -> None:
    body = b'{"prompt": "x", "override_settings": {"a": [' + values + b"]}}"
    with scripted.client(headers={"Content-Type": "application/json"}) as ask:
        for path in ("/generate", "/sdapi/v1/txt2img", "/v1/images/generations"):
            answer = ask.post(path, content=body)
            assert answer.status_code == 413
            assert "more than 500,000 values" in answer.text


def test_wrong_method_is_refused_with_the_allowed_ones(scripted: Live) -> None:
    with scripted.client() as ask:
        for path, methods in (
            ("/jobs/1", "DELETE, GET, HEAD"),
            ("/generate", "POST"),
            ("/static-offline-docs/generate", "GET, HEAD"),
        ):
            answer = ask.put(path)
            assert (answer.status_code, answer.headers["allow"]) == (405, methods)


def test_api_documentation_loads_nothing_from_other_hosts(locked: Live) -> None:
    with locked.client(headers={"X-API-Key": KEY}) as ask:
        assert ask.get("/").headers["location"] == "/docs"
        for path in ("/docs", "/redoc"):
            named = re.findall(r"""(?:href|src)=["']([^"']+)""", ask.get(path).text)
            assert named
            for each in named:
                assert each.startswith("/"), each
                assert ask.get(each).status_code == 200, each


def test_head_is_answered_like_get(locked: Live) -> None:
    with locked.client() as ask:
        for path in ("/livez", "/readyz", "/health", "/metrics", "/v1/models", "/generate", "/no"):
            for headers in ({"X-API-Key": KEY}, {}):
                received, whole = ask.head(path, headers=headers), ask.get(path, headers=headers)
                assert received.status_code == whole.status_code, path
                assert received.headers["content-type"] == whole.headers["content-type"]
                assert int(received.headers["content-length"]) > 0
                assert received.content == b""
        metrics = ask.get("/metrics", headers={"X-API-Key": KEY}).text
    assert 'method="HEAD",route="/health",status="200"' in metrics


@pytest.mark.parametrize(
    "lengths",
    [
        "Content-Length: 5\r\nContent-Length: 61",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Content-Length: -5",
    ],
)
def test_request_smuggling_is_refused(scripted: Live, lengths: str) -> None:
    head = f"POST /sdapi/v1/interrupt HTTP/1.1\r\nHost: localhost\r\n{lengths}\r\n\r\n"
    behind = "0\r\n\r\nGET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_connection(scripted.address, PATIENCE) as raw:
        raw.sendall((head + behind).encode())
        answers = b""
        with suppress(ConnectionResetError):
            while part := raw.recv(10_000):
                answers += part
    assert answers.startswith(b"HTTP/1.1 400 ")
    assert answers.count(b"HTTP/1.1 ") == 1


def test_unknown_methods_share_one_metric(scripted: Live) -> None:
    with scripted.client() as ask:
        for method in ("BREW", "A-PROMPT"):
            assert ask.request(method, "/health").status_code == 405
        text = ask.get("/metrics").text
    assert 'method="other"' in text
    assert "BREW" not in text
    assert "A-PROMPT" not in text


def test_openapi_describes_the_key(locked: Live, pocket: Live) -> None:
    with locked.client(headers={"X-API-Key": KEY}) as ask:
        document = ask.get("/openapi.json").json()
    assert {"Bearer": []} in document["security"]
    assert set(document["components"]["securitySchemes"]) == {"Bearer", "X-API-Key", "Basic"}
    assert document["paths"]["/livez"]["get"]["security"] == []
    assert "security" not in document["paths"]["/health"]["get"]
    with pocket.client() as ask:
        assert "security" not in ask.get("/openapi.json").json()


def test_body_size_is_limited_while_it_arrives(locked: Live) -> None:
    headers = {"X-API-Key": KEY, "Content-Type": "application/json"}
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(10_000):
            sent += 10_000
            yield b" " * 10_000

    with locked.client() as ask:
        announced = ask.post("/generate", headers=headers, content=b" " * 100_001)
        assert announced.status_code == 413
        assert announced.json()["error"]["type"] == "ContentTooLarge"
    # The server may also hang up before everything was sent.
    with locked.client() as ask, suppress(httpx.WriteError, httpx.ReadError):
        assert ask.post("/generate", headers=headers, content=chunks()).status_code == 413
    assert sent < 100_000_000
    with locked.client() as ask:
        assert ask.get("/livez").text == "ok"


def test_compressed_bodies_are_refused(locked: Live) -> None:
    headers = {"X-API-Key": KEY, "Content-Encoding": "gzip", "Content-Type": "application/json"}
    with locked.client() as ask:
        refused = ask.post("/generate", headers=headers, content=gzip.compress(b'{"prompt": "x"}'))
        assert refused.status_code == 415
        assert "Content-Encoding" in refused.json()["error"]["message"]
        assert ask.get("/health", headers=headers).status_code == 200


def test_total_size_of_bodies_is_limited(
    tmp_path: Path, generator: ScriptedGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BodyLimitMiddleware, "concurrent_bodies", 1)
    head = "POST /generate HTTP/1.1\r\nHost: localhost\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 90001\r\n\r\n"
    headers = {"Content-Type": "application/json"}
    body = b'{"prompt": "x"}' + b" " * 80_000
    with (
        live(tmp_path, lambda _: generator, queue_limit=1, max_body=100_000) as running,
        running.client() as ask,
    ):
        with ExitStack() as slow:
            for _ in range(2):
                one = slow.enter_context(socket.create_connection(running.address, PATIENCE))
                one.sendall(head.encode() + b" " * 90_000)
            answers: list[httpx.Response] = []
            while not answers or answers[-1].status_code == 200:  # until both have been read
                answers.append(ask.post("/generate", headers=headers, content=body))
            assert answers[-1].status_code == 429
            assert answers[-1].headers["retry-after"] == "5"
            assert "as large as allowed" in answers[-1].json()["error"]["message"]
        running.until(lambda: not running.server.server_state.tasks)
        assert ask.post("/generate", headers=headers, content=body).status_code == 200


def test_errors_have_cors_headers(locked: Live, generator: ScriptedGenerator) -> None:
    def fail(**_: object) -> None:
        raise KeyError("a fault of ours")

    headers = {"X-API-Key": KEY, "Origin": "http://front.example"}
    locked.backend.jobs.submit = fail  # type: ignore[assignment,method-assign]
    with locked.client() as ask:
        answers = {
            500: ask.post("/generate", headers=headers, json={"prompt": "x"}),
            404: ask.get("/jobs/none", headers=headers),
            413: ask.post("/generate", headers=headers, content=b" " * 100_001),
            401: ask.get("/health", headers={"Origin": "http://front.example"}),
        }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == "http://front.example"
        assert "X-Request-ID" in answer.headers["access-control-expose-headers"]
        assert answer.headers["x-request-id"]


def _png_of(width: int, height: int) -> str:
    """Return a PNG whose header declares this size; it has few pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + (chunk(b"IEND", b""))
    )
    return base64.b64encode(data).decode()


def test_huge_picture_is_refused_before_decoding(locked: Live) -> None:
    with locked.client(headers={"X-API-Key": KEY}) as ask:
        for width, height in ((101, 100), (50_000, 50_000), (2**31 - 1, 2**31 - 1)):
            body = {"prompt": "x", "init_image": _png_of(width, height)}
            assert ask.post("/generate", json=body).status_code == 400
        files = {"image": ("a.png", base64.b64decode(_png_of(50_000, 50_000)))}
        edit = ask.post("/v1/images/edits", data={"prompt": "x"}, files=files)
        assert edit.status_code == 400
    assert not list(locked.services.uploads._folder.glob("*"))


def test_paths_outside_the_history_are_refused(scripted: Live, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    with scripted.client() as ask:
        for path in (
            "/pictures/..%2f..%2fsecret.png",
            "/pictures/%2e%2e/secret.png",
            f"/jobs/..%2f..%2f{secret.name}/pictures/0",
            f"/v1/models/{secret}",
            "/history/..%2fsecret",
        ):
            answer = ask.get(path)
            assert answer.status_code in (404, 422), path
            assert b"secret" not in answer.content.replace(secret.name.encode(), b"")


def test_symlinks_out_of_the_history_are_refused(scripted: Live, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    with scripted.client() as ask:
        body = {"prompt": "x", "response_format": "url"}
        link = ask.post("/v1/images/generations", json=body).json()["data"][0]["url"]
        entry = ask.get("/history").json()["entries"][0]
        job = ask.get("/jobs").json()[0]
        urls = [link, entry["url"] + "/picture", job["pictures"][0]]
        assert [ask.get(url).content[:4] for url in urls] == [b"\x89PNG"] * 3
        path = Path(ask.get(entry["url"]).json()["record"]["images"][0]["path"])
        path.unlink()
        path.symlink_to(secret)
        assert [ask.get(url).status_code for url in urls] == [404] * 3


def test_native_size_is_limited_too(tmp_path: Path, generator: ScriptedGenerator) -> None:
    with (
        live(tmp_path, lambda _: generator, max_pixels=100 * 100) as running,
        running.client() as ask,
    ):
        for path in ("/generate", "/jobs", "/sdapi/v1/txt2img", "/v1/images/generations"):
            answer = ask.post(path, json={"prompt": "x"})
            assert answer.status_code in (400, 422), path
            assert "128x128 is more than this server's 10,000 pixels" in answer.text


def test_error_messages_hide_paths_and_secrets() -> None:
    with_picture = GenerationRequest.parse({"prompt": "x", "init_image": "/kept/a.picture"})
    cut = "the init image /kept/a.picture is cut short"
    job = Job(id="1", request=with_picture)
    assert public_message(cut, "ImageError", job) == "the init image that was sent is cut short"
    without = Job(id="1", request=GenerationRequest(prompt="x"))
    assert public_message("None of them fits.", "ModelError", without) == "None of them fits."
    assert "job 1" in public_message("a secret", "", job)
    assert "secret" not in public_message("a secret", "") + public_message("a secret", "", job)


def test_listening_on_other_addresses_needs_a_key() -> None:
    for host in ("0.0.0.0", "::", "192.168.1.5", "example.org"):
        with pytest.raises(SettingsError, match="API key"):
            ServerOptions(host=host).check()
        ServerOptions(host=host, api_key="x").check()
        ServerOptions(host=host, no_auth=True).check()
    for host in ("127.0.0.1", "::1", "localhost", "127.0.0.5"):
        ServerOptions(host=host).check()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--host", "0.0.0.0"], 2, "--no-auth"),
        (["--host", "no.such.host.invalid", "--no-auth"], 2, "can't be used"),
        (["-m", "pokcet"], 1, 'Did you mean "pocket"?'),
        (["--api-key-file", "/dev/null"], 2, "no API key"),
        (["--api-key-file", sys.executable], 2, "no API key"),
        (["--queue", "0"], 2, "--queue"),
        (["--grace", "nan"], 2, "number of seconds"),
        (["--host", "a..b", "--no-auth"], 2, "can't be used"),
    ],
)
def test_serve_refuses_unsafe_options(
    arguments: list[str],
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("log_to_file", "warn_on_stderr"):
        monkeypatch.setattr(f"sdtui.cli.logs.{name}", lambda: None)
    monkeypatch.setattr("sys.argv", ["sdtui", "serve", *arguments])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == code
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("SDTUI_API_KEY", "cl\udce9", "variable SDTUI_API_KEY holds no API key"),
        ("SDTUI_API_KEY", " \n", "variable SDTUI_API_KEY holds no API key"),
        ("SDTUI_API_KEY", "two\nlines", "variable SDTUI_API_KEY holds no API key"),
        ("XDG_STATE_HOME", "/dev/null/state", "index can't be kept in /dev/null/state"),
        ("XDG_STATE_HOME", "in the way", "server can't be made"),
    ],
)
def test_serve_refuses_impossible_options(
    variable: str,
    value: str,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    for name in ("log_to_file", "warn_on_stderr"):
        monkeypatch.setattr(f"sdtui.cli.logs.{name}", lambda: None)
    monkeypatch.setenv("SDTUI_PICTURES", str(tmp_path))
    if value == "in the way":
        value = str(tmp_path / "state")
        (tmp_path / "state" / "sdtui").mkdir(parents=True)
        (tmp_path / "state" / "sdtui" / "server").write_text("in the way")
    monkeypatch.setenv(variable, value)
    monkeypatch.setattr("sys.argv", ["sdtui", "serve", "--port", "0"])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 2
    assert words in capsys.readouterr().err


def test_upload_keeps_its_pixels_even_with_damaged_orientation(
    locked: Live,
) -> None:
    # There is no pixel data after this header.
    assert locked.services.uploads.check(base64.b64decode(_png_of(64, 32))) == (64, 32)
    for kind in ("WEBP", "PNG", "JPEG"):
        buffer = io.BytesIO()
        Image.new("RGB", (64, 64)).save(buffer, kind, exif=b"II*\0")
        body = {"prompt": "x", "init_image": base64.b64encode(buffer.getvalue()).decode()}
        with locked.client(headers={"X-API-Key": KEY}) as ask:
            assert ask.post("/generate", json=body).status_code == 200, kind


def test_event_stream_accepts_a_content_type_header(
    scripted: Live, caplog: pytest.LogCaptureFixture
) -> None:
    with scripted.client() as ask:
        job = ask.post("/jobs", json={"prompt": "x"}).json()
        received = ask.get(job["url"] + "/events", headers={"Content-Encoding": "gzip"})
        assert "event: finished" in received.text
    assert "Traceback" not in caplog.text


def test_upload_in_an_unsupported_format_is_refused(locked: Live) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "TIFF")
    body = {"prompt": "x", "init_image": base64.b64encode(buffer.getvalue()).decode()}
    with locked.client(headers={"X-API-Key": KEY}) as ask:
        assert ask.post("/generate", json=body).status_code == 400


def test_serve_without_a_home_directory_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unknown(*_: object, **__: object) -> Path:
        raise RuntimeError("could not determine the home directory")

    for kind in ("config", "state", "cache"):
        monkeypatch.setattr(f"platformdirs.user_{kind}_path", unknown)
    monkeypatch.setattr("sys.argv", ["sdtui", "serve", "--port", "0"])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 2
    assert "Set HOME" in capsys.readouterr().err
