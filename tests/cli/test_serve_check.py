"""`sdtui serve --check`, and what is said at the start."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from sdtui.cli import serve_check
from sdtui.cli.logs import LogFormat
from sdtui.cli.serve import serve
from sdtui.cli.server_start import announce
from sdtui.core.settings import Settings
from sdtui.server.options import ServerOptions


@pytest.fixture
def _no_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(serve_check, "_device", lambda _: "cpu")
    monkeypatch.setenv("SDTUI_PICTURES", str(tmp_path / "pictures"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def check(*arguments: str) -> int:
    """Run the command; returns its exit code."""
    code = serve.main(["--check", *arguments], standalone_mode=False)
    assert isinstance(code, int)
    return code


@pytest.mark.usefixtures("_no_torch")
def test_each_problem_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "state").write_text("in the way")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code = check("--json", "--port", port, "-m", "pokcet", "--cors", "localhost")
    found = {each["about"]: each["level"] for each in json.loads(capsys.readouterr().out)}
    assert code == 1
    assert {about for about, level in found.items() if level == "problem"} == {
        *("access", "address", "model", "state")
    }


@pytest.mark.usefixtures("_no_torch")
def test_model_that_a_key_names_and_that_is_not_here_gets_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "keys.toml"
    file.write_text('[bot]\nkey = "key-of-bot"\nmodels = ["pocket", "pokcet"]\n')
    file.chmod(0o600)
    assert check("--port", "0", "--keys-file", str(file)) == 0
    lines = capsys.readouterr().out.splitlines()
    warnings = [line for line in lines if line.startswith("warning")]
    assert warnings == ["warning  keys      there is no model pokcet, which [bot] may use"]


@pytest.mark.usefixtures("_no_torch")
def test_options_are_listed_with_their_origin(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDTUI_SERVER_PORT", "0")
    assert check() == 0
    lines = capsys.readouterr().out.splitlines()
    assert "ok       option    port = 0 (the environment variable SDTUI_SERVER_PORT)" in lines
    assert lines[-1] == "no problems"


def test_start_says_where_everything_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    settings, options = Settings(pictures=tmp_path), ServerOptions(root_path="/sd")
    announce("http://127.0.0.1:7860", settings, options, LogFormat.TEXT)
    said = capsys.readouterr().err
    assert said.startswith("sdtui serves http://127.0.0.1:7860\n")
    for words in ("without a key, from this machine", "pocket", str(tmp_path), "7860/sd/docs"):
        assert words in said
    caplog.set_level("INFO")
    announce("http://127.0.0.1:7860", settings, options, LogFormat.JSON)
    assert capsys.readouterr().err == ""
    assert vars(caplog.records[-1])["fields"]["pictures"] == str(tmp_path)
