"""`sdtui history`: stdout is data, stderr narration."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sdtui.cli.history import history as command
from sdtui.core.errors import SdtuiError
from sdtui.core.text import visible
from sdtui.history import History
from tests.support.records import picture, record


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The pictures folder that the commands see."""
    monkeypatch.setenv("SDTUI_CONFIG", str(tmp_path / "none.toml"))
    monkeypatch.setenv("SDTUI_PICTURES", str(tmp_path / "pictures"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "pictures"


def save(pictures: Path, prompt: str = "a cat", seed: int = 1) -> Path:
    with History(pictures) as history:
        return history.save(picture(), record(prompt, seed=seed), 0).path


def run(*arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(command, arguments, input=answer, catch_exceptions=False)


def data(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json").stdout)


def test_list_and_search_print_matching_pictures_newest_first(pictures: Path) -> None:
    cat, dog = save(pictures, "a cat", 1), save(pictures, "a dog on a mat", 2)
    assert run("list").stdout.splitlines() == [
        f"  {dog.parent.name}/{dog.name}  64x64  a dog on a mat",
        f"  {cat.parent.name}/{cat.name}  64x64  a cat",
    ]
    assert "2 of 2 pictures" in run("list").stderr
    assert run("search", "dog", "-cat").stdout.count("\n") == 1
    assert run("search", "on a").stdout.count("\n") == 1
    assert run("search", "mat on a").stdout == ""
    found = data("search", "seed:1")
    assert (found["total"], found["entries"][0]["path"]) == (1, str(cat))
    assert [
        entry["seed"] for entry in data("list", "--limit", "1", "--offset", "1")["entries"]
    ] == [1]


@pytest.mark.parametrize("words", [["a", "-horse"], ["-horse", "a"], ["a", "--", "-horse"]])
@pytest.mark.parametrize("export", [False, True])
def test_words_to_leave_out_are_no_options(
    pictures: Path, tmp_path: Path, words: list[str], export: bool
) -> None:
    save(pictures, "a cat", 1)
    save(pictures, "a horse", 2)
    before = ["export", str(tmp_path / "a.zip")] if export else ["search"]
    line = [sys.executable, "-m", "sdtui", "history", *before, "--json", *words]
    found = json.loads(subprocess.run(line, capture_output=True, check=True).stdout)
    assert found["pictures" if export else "total"] == 1


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (["mat seed:2"], 1),
        (["a -dog"], 1),
        (['"on a" seed:2'], 1),
        (["STEPS<30 mat"], 1),
        (["mat seed:1"], 0),
        (["a dog: on a"], 1),
        (["mat dog"], 0),
    ],
)
def test_query_in_one_argument_is_no_phrase(pictures: Path, query: list[str], found: int) -> None:
    save(pictures, "a cat", 1)
    save(pictures, "a dog on a mat", 2)
    assert data("search", *query)["total"] == found


def test_show_prints_the_record(pictures: Path) -> None:
    path = save(pictures)
    assert "prompt: a cat\n" in run("show", path.name).stdout
    assert data("show", str(path))["settings"]["sampler"] == "DPM++ 2M Karras"


def test_star_and_tag_commands_change_the_picture(pictures: Path) -> None:
    path = save(pictures)
    assert run("star", path.name).stdout.startswith("★")
    assert data("tag", "best", path.name)[0]["tags"] == ["best"]
    assert data("search", "star:yes", "tag:best")["total"] == 1
    assert data("unstar", path.name)[0]["starred"] is False
    assert data("untag", "best", path.name)[0]["tags"] == []


def test_trashed_picture_can_be_restored_or_deleted(pictures: Path) -> None:
    path = save(pictures)
    (trashed,) = data("trash", path.name)
    assert data("trash") == [trashed]
    assert data("restore", path.name)[0]["path"] == str(path)
    run("trash", path.name)
    refused = CliRunner().invoke(command, ["empty"], input="n\n")
    assert refused.exit_code == 1
    assert "1 pictures" in refused.stderr
    assert Path(trashed).exists()
    assert data("empty", "--yes") == {"deleted": 1}
    assert not Path(trashed).exists()


def test_exported_pictures_can_be_imported_again(pictures: Path, tmp_path: Path) -> None:
    path = save(pictures)
    assert data("export", str(tmp_path / "a.zip"), "cat") == {
        "file": str(tmp_path / "a.zip"),
        "pictures": 1,
    }
    path.unlink()
    path.with_suffix(".json").unlink()
    assert len(data("import", str(tmp_path / "a.zip"))["pictures"]) == 1
    assert data("reindex") == {"pictures": 1, "skipped": []}
    assert data("stats")["models"] == {"pocket": 1}
    assert "pictures: 1\n" in run("stats").stdout


def test_skipped_files_are_reported(pictures: Path) -> None:
    save(pictures).with_suffix(".json").write_text("{")
    assert "1 files skipped" in run("list").stderr
    assert "damaged" in run("reindex").stderr
    assert "damaged" in data("reindex")["skipped"][0]["reason"]


def test_output_contains_no_escape_sequences(pictures: Path) -> None:
    path = save(pictures, "a \x1b[31mred\x1b[0m \x9bcat\r\x07 \u202egnp.exe")
    evil = path.with_name("\x1b]0;owned\x07\n.png")
    path.with_suffix(".json").rename(evil.with_suffix(".json"))
    path.rename(evil)
    (pictures / "\x1b[2J.json").write_text("{")
    for arguments in (["list"], ["show", str(evil)], ["star", str(evil)], ["reindex"], ["stats"]):
        for extra in ([], ["--json"]):
            result = run(*arguments, *extra)
            for text in (result.stdout, result.stderr):
                assert visible(text) == text


def test_wrong_arguments_raise_sdtui_errors(pictures: Path) -> None:
    save(pictures)
    for arguments in (["show", "nothing"], ["search", "modell:x"], ["tag", "a b", "x"]):
        with pytest.raises(SdtuiError):
            run(*arguments)


def test_history_imports_neither_torch_nor_a_ui() -> None:
    code = "import sdtui.history, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"torch", "diffusers", "transformers", "textual", "click", "PIL.Image"}
