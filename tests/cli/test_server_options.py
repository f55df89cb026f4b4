"""The options of `sdtui serve` in the config file and the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sdtui.cli.serve import serve
from sdtui.cli.server_options import option_origin, options_from
from sdtui.core.errors import SettingsError
from sdtui.server.keep import Keep
from sdtui.server.options import ServerOptions


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config file to write."""
    monkeypatch.setenv("SDTUI_CONFIG", str(tmp_path / "config.toml"))
    return tmp_path / "config.toml"


def values(*arguments: str) -> dict[str, Any]:
    """The values of the options on a command line."""
    return serve.make_context("serve", list(arguments)).params


def test_flags_count_more_than_the_environment_and_that_more_than_the_file(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text("[server]\nport = 1\nqueue = 2\nmax_grid = 3\n")
    monkeypatch.setenv("SDTUI_SERVER_PORT", "10")
    monkeypatch.setenv("SDTUI_SERVER_QUEUE", "20")
    found = values("--port", "100")
    assert (found["port"], found["queue_limit"], found["max_grid"]) == (100, 20, 3)
    assert found["max_pictures"] == ServerOptions.max_pictures


def test_lists_switches_and_units_of_the_file_are_those_of_the_flags(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text(
        "[server]\ncors = ['http://A.example/']\ntrusted_proxy = '127.0.0.1'\n"
        "no_auth = true\nmax_body = 64\nkeep = ['3d', '20GiB']\nmodel = 'tiny'\n"
    )
    monkeypatch.setenv("SDTUI_SERVER_ALLOWED_HOST", "a.example b.example")
    found = values()
    assert found["model"] == "tiny"
    assert ServerOptions(**options_from(found)) == ServerOptions(
        cors=("http://a.example",),
        trusted_proxies=("127.0.0.1",),
        allowed_hosts=("a.example", "b.example"),
        no_auth=True,
        max_body=64 * 2**20,
        keep=Keep(3, 20 * 2**30),
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("prot = 7860", 'the server has no option "prot". Did you mean "port"?'),
        ("port = 99999", "port: 99999 is not in the range"),
        ("port = true", "port: 'true' is not a valid integer"),
        ("port = [1]", "port: should be one value, not [1]"),
        ("no_auth = 'perhaps'", "no_auth: 'perhaps' is not a valid boolean"),
        ("policy = 'anything'", "policy: 'anything' is not one of"),
        ("cors = {}", "cors: should be one value"),
    ],
)
def test_wrong_line_of_the_file_is_named(config: Path, line: str, words: str) -> None:
    config.write_text(f"model = 'pocket'\n\n[server]\n{line}\n")
    with pytest.raises(SettingsError) as caught:
        values()
    assert str(caught.value).startswith(f"{config}, line 4: {words}")


def test_wrong_variable_is_named(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDTUI_SERVER_PORT", "tcp://10.0.0.1:7860")
    with pytest.raises(SettingsError, match="variable SDTUI_SERVER_PORT: port: 'tcp"):
        values()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("host = '0.0.0.0'", "without an API key"),
        ("keep = '3x'", '"3x" doesn\'t say how long'),
        ("gpus = 'a'", "gpus: there is no device"),
    ],
)
def test_what_the_command_refuses_names_its_line_too(
    config: Path, monkeypatch: pytest.MonkeyPatch, line: str, words: str
) -> None:
    for name in ("log_to_file", "log_to_stderr"):
        monkeypatch.setattr(f"sdtui.cli.logs.{name}", lambda *_: None)
    config.write_text(f"[server]\n{line}\n")
    context = serve.make_context("serve", [])
    with pytest.raises(SettingsError) as caught:
        serve.invoke(context)
    assert str(caught.value).startswith(f"{config}, line 2: {words}")


def test_unknown_variable_gets_a_warning(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SDTUI_SERVER_PROT", "1")
    values()
    assert "SDTUI_SERVER_PROT sets no option" in capsys.readouterr().err


def test_value_of_a_flag_has_no_other_origin(config: Path) -> None:
    config.write_text("[server]\nport = 1\n")
    context = serve.make_context("serve", ["--port", "2"])
    assert option_origin(context, serve.server_options["port"]) is None


def test_help_is_there_with_a_wrong_file(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text("[server]\nprot = 1\n")
    assert serve.main(["--help"], standalone_mode=False) == 0
    assert "--port" in capsys.readouterr().out
