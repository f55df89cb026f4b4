"""The commands about styles, wildcards and dynamic prompts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result

from sdtui.cli.commands import sdtui
from sdtui.core.errors import SettingsError
from sdtui.requests.presets import save_preset


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "colour.txt").write_text("red\nblue\n")
    (tmp_path / "w" / "bad.yaml").write_text("[")
    monkeypatch.setenv("SDTUI_WILDCARD_FOLDERS", str(tmp_path / "w"))
    monkeypatch.setenv("SDTUI_STYLES_FILE", str(tmp_path / "styles.csv"))
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(sdtui, arguments, catch_exceptions=False)


def test_styles_are_added_listed_and_removed() -> None:
    run("styles", "add", "film", "{prompt}, grain", "-n", "digital")
    run("styles", "add", "sharp", "sharp")
    assert run("styles").stdout.splitlines() == [
        f"{'film':24}  {{prompt}}, grain  − digital",
        f"{'sharp':24}  sharp",
    ]
    assert json.loads(run("styles", "--json").stdout)[1]["name"] == "sharp"
    run("styles", "remove", "sharp")
    assert len(run("styles").stdout.splitlines()) == 1
    with pytest.raises(SettingsError, match='no style "sharp"'):
        run("styles", "remove", "sharp")


def test_names_of_styles_and_presets_complete_in_shells() -> None:
    run("styles", "add", "film", "x")
    save_preset("draft", {"num_inference_steps": 3})
    completion = ShellComplete(sdtui, {}, "sdtui", "_SDTUI_COMPLETE")
    found = completion.get_completions(["generate", "--style"], "fi")
    assert [each.value for each in found] == ["film"]
    found = completion.get_completions(["generate", "--preset"], "")
    assert [each.value for each in found] == ["draft"]


def test_wildcards_and_their_lines_are_listed() -> None:
    result = run("wildcards")
    assert result.stdout == "colour\n"
    assert "not read:" in result.stderr
    assert run("wildcards", "col*").stdout.splitlines() == ["red", "blue"]
    assert json.loads(run("wildcards", "--json").stdout) == ["colour"]


def test_expand_shows_the_prompt_of_each_picture() -> None:
    run("styles", "add", "film", "grain")
    flags = ("--count", "6", "--seed", "1", "--style", "film", "-n", "{x}")
    made = run("expand", "a __colour__ ball", *flags).stdout.splitlines()
    assert set(made) == {"a red ball, grain  − x", "a blue ball, grain  − x"}
    assert run("expand", "a __colour__ ball", *flags).stdout.splitlines() == made
    combined = run("expand", "{a|b} __colour__", "--dynamic-prompts", "combinatorial", "--json")
    assert [each["prompt"] for each in json.loads(combined.stdout)] == [
        *("a red", "a blue", "b red", "b blue"),
    ]
    plain = run("expand", "a ball", "--count", "2")
    assert plain.stdout.splitlines() == ["a ball", "a ball"]
    assert "no wildcard no" in run("expand", "__no__").stderr
