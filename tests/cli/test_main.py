"""Exit codes and errors of the command line."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from sdtui import __version__
from sdtui.cli.commands import sdtui
from sdtui.cli.main import main
from sdtui.core.samplers import sampler_labels


def test_help_lists_every_command() -> None:
    result = CliRunner().invoke(sdtui, ["--help"])
    assert result.exit_code == 0
    for name in ("generate", "history", "models", "samplers", "doctor"):
        assert name in result.output


def test_version_is_printed() -> None:
    assert CliRunner().invoke(sdtui, ["--version"]).output == f"sdtui, version {__version__}\n"


def test_every_sampler_is_printed() -> None:
    assert CliRunner().invoke(sdtui, ["samplers"]).output.splitlines() == list(sampler_labels())


def test_models_are_printed_as_json() -> None:
    models = json.loads(CliRunner().invoke(sdtui, ["models", "--json"]).output)
    assert models[0]["name"] == "pocket"


def test_doctor_reports_the_chosen_device_and_dtype() -> None:
    report = json.loads(CliRunner().invoke(sdtui, ["doctor", "--json"]).output)
    assert report["device"] == "cpu"
    assert report["dtype"] in ("bfloat16", "float32")
    assert report["versions"]["torch"]
    assert report["places"]["pictures"] in report["places"].values()


def test_error_prints_one_line_and_sets_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SDTUI_DEVICE", "toaster")
    monkeypatch.setattr("sys.argv", ["sdtui", "models"])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert "SDTUI_DEVICE" in error


def test_unknown_command_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["sdtui", "paint"])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 2
    assert "paint" in capsys.readouterr().err
