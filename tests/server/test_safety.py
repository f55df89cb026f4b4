"""Authentication, limits, and untrusted files."""

from __future__ import annotations

import base64
import re
import sys
from pathlib import Path

import pytest
import webuiapi

from sdtui.cli.main import main
from sdtui.core.errors import SettingsError
from sdtui.jobs import Job
from sdtui.requests.events import Failed
from sdtui.requests.record import AttemptRecord
from sdtui.requests.request import GenerationRequest
from sdtui.server.errors import from_failed, public_message
from sdtui.server.options import ServerOptions
from tests.support.live_server import KEY, Live
from tests.support.records import record
from tests.support.scripted_generator import ScriptedGenerator


def test_every_form_of_the_key_is_accepted(locked: Live) -> None:
    basic = base64.b64encode(f"anyone:{KEY}".encode()).decode()
    with locked.client() as ask:
        for headers in (
            {"Authorization": f"Bearer {KEY}"},
            {"X-API-Key": KEY},
            {"api-key": KEY},
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


def test_error_messages_hide_paths_and_secrets() -> None:
    with_picture = GenerationRequest.parse({"prompt": "x", "init_image": "/kept/a.picture"})
    cut = "the init image /kept/a.picture is cut short"
    job = Job(id="1", request=with_picture)
    assert public_message(cut, "ImageError", job) == "the init image that was sent is cut short"
    without = Job(id="1", request=GenerationRequest(prompt="x"))
    assert public_message("None of them fits.", "ModelError", without) == "None of them fits."
    assert "job 1" in public_message("a secret", "", job)
    assert "secret" not in public_message("a secret", "") + public_message("a secret", "", job)
    damaged = "/my models/a b.safetensors is damaged: x/y has values that are no numbers"
    assert public_message(damaged, "ModelDamagedError") == damaged.removeprefix("/my models/")


def test_attempts_of_a_failed_job_hide_paths() -> None:
    request = GenerationRequest.parse({"prompt": "x", "init_image": "/kept/a.picture"})
    attempt = AttemptRecord(number=1, error="/kept/a.picture is cut short")
    made = record().model_copy(update={"attempts": (attempt,)})
    failed = Failed(error="/kept/a.picture is cut short", error_type="ImageError", record=made)
    error = from_failed(failed, Job(id="1", request=request))
    assert error.message == "that was sent is cut short."
    assert error.attempts[0].error == "that was sent is cut short"


def test_listening_on_other_addresses_needs_a_key() -> None:
    for host in ("0.0.0.0", "::", "192.168.1.5", "example.org"):
        with pytest.raises(SettingsError, match="API key"):
            ServerOptions(host=host).check()
        ServerOptions(host=host, api_key="x").check()
        ServerOptions(host=host, no_auth=True).check()
    for host in ("127.0.0.1", "::1", "localhost", "127.0.0.5"):
        ServerOptions(host=host).check()


@pytest.mark.parametrize(
    "origin",
    ["localhost:3000", "http:localhost", "http://a/b", "https://*.example", "http://a:80", "a", ""],
)
def test_origins_that_no_browser_sends_are_refused(origin: str) -> None:
    with pytest.raises(SettingsError, match="--cors"):
        ServerOptions(cors=(origin,)).check()
    usual = ("*", "null", "http://[::1]:3000", "https://a.example", "chrome-extension://abc")
    ServerOptions(cors=usual).check()


def test_every_page_without_a_key_is_worth_a_warning() -> None:
    assert ServerOptions(cors=("http://a.example",)).warnings == ()
    assert ServerOptions(cors=("*",), api_key="12345678").warnings == ()
    assert "--cors" in ServerOptions(cors=("*",)).warnings[0]


def test_key_that_can_be_guessed_is_worth_a_warning() -> None:
    assert "can be guessed" in ServerOptions(api_key="1").warnings[0]


def test_hint_for_a_missing_package_names_no_package_index(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "sdtui.server.lifecycle", None)
    monkeypatch.setattr("sys.argv", ["sdtui", "serve"])
    with pytest.raises(SystemExit):
        main()
    error = capsys.readouterr().err
    assert "run pip install ." in error
    assert "sdtui[" not in error


@pytest.mark.parametrize("name", ["http://a.example", "a.example:80", "a b", "", "*.example"])
def test_allowed_hosts_are_names(name: str) -> None:
    with pytest.raises(SettingsError, match="--allowed-host"):
        ServerOptions(allowed_hosts=(name,)).check()
    ServerOptions(allowed_hosts=("*", "a.example", "fd00::1", "10.0.0.1")).check()


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
        (["--job-timeout", "nan"], 2, "number of seconds"),
        (["--stall-timeout", "nan"], 2, "number of seconds"),
        (["--stall-timeout", "0"], 2, "--stall-timeout"),
        (["--keep", "30"], 2, "--keep"),
        (["--keep", "none", "--keep", "3d"], 2, "--keep"),
        (["--policy", "anything"], 2, "keep"),
        (["--policy", "keep", "--grace", "nan"], 2, "number of seconds"),
        (["--client-jobs", "0"], 2, "--client-jobs"),
    ],
)
def test_serve_refuses_unsafe_options(
    arguments: list[str],
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("log_to_file", "log_to_stderr"):
        monkeypatch.setattr(f"sdtui.cli.logs.{name}", lambda *_: None)
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
    for name in ("log_to_file", "log_to_stderr"):
        monkeypatch.setattr(f"sdtui.cli.logs.{name}", lambda *_: None)
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


def test_event_stream_accepts_a_content_type_header(
    scripted: Live, caplog: pytest.LogCaptureFixture
) -> None:
    with scripted.client() as ask:
        job = ask.post("/jobs", json={"prompt": "x"}).json()
        received = ask.get(job["url"] + "/events", headers={"Content-Encoding": "gzip"})
        assert "event: finished" in received.text
    assert "Traceback" not in caplog.text


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
