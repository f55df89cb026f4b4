"""Wildcard files: their names and lines."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sdtui.core.settings import Settings
from sdtui.models.wildcards import WildcardFiles

_BOMB = "l0: &l0 [x]\n" + "".join(
    f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 9)
)
"""Aliases that stand for 43 million lines."""


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def files_in(*folders: Path) -> WildcardFiles:
    return WildcardFiles(Settings(wildcard_folders=folders))


def texts(files: WildcardFiles, name: str) -> list[str]:
    return [line.text for line in files.lines(name)]


def test_text_files_have_one_text_a_line(tmp_path: Path) -> None:
    write(tmp_path, colour_dot_txt="\ufeff# warm\nred\r\n\n  2::blue \n.5::pale # green\n")
    files = files_in(tmp_path)
    assert texts(files, "colour") == ["red", "blue", "pale # green"]
    assert [line.weight for line in files.lines("Colour")] == [1, 2, 0.5]
    assert texts(files, "other") == []


def test_names_have_folders_and_globs_match_them(tmp_path: Path) -> None:
    write(tmp_path, a_dot_txt="1", sub__a_dot_txt="2", sub__deep__a_dot_txt="3", sub__b_dot_txt="4")
    files = files_in(tmp_path)
    assert files.names() == ["a", "sub/a", "sub/b", "sub/deep/a"]
    assert texts(files, "sub/a") == ["2"]
    assert texts(files, "sub\\a") == ["2"]
    assert texts(files, "sub/*") == ["2", "4"]
    assert texts(files, "**/a") == ["1", "2", "3"]
    assert texts(files, "sub/**") == ["2", "4", "3"]
    assert texts(files, "*") == ["1"]
    assert texts(files, "s.b/a") == []


def test_trees_have_their_branches_as_names(tmp_path: Path) -> None:
    tree = {"animals": {"pets": ["cat", "2::dog"], "wild": "fox"}, "numbers": [1, 2.5, None]}
    write(tmp_path, any_dot_json=json.dumps(tree))
    yaml = "colours:\n  warm: [red, 'a {b|c}']\n  cold:\n  - {blue|green}\n  - on\n"
    write(tmp_path, other_dot_yaml=yaml)
    files = files_in(tmp_path)
    assert files.names() == [
        *("animals/pets", "animals/wild", "colours/cold", "colours/warm", "numbers"),
    ]
    assert [(each.text, each.weight) for each in files.lines("animals/pets")] == [
        ("cat", 1),
        ("dog", 2),
    ]
    assert texts(files, "animals/*") == ["cat", "dog", "fox"]
    assert texts(files, "colours/warm") == ["red", "a {b|c}"]
    assert texts(files, "colours/cold") == ["{blue|green}", "on"]
    assert texts(files, "numbers") == ["1", "2.5"]


def test_files_beside_a_model_folder_are_found(tmp_path: Path) -> None:
    write(tmp_path, extensions__dynamic__wildcards__x_dot_txt="y")
    (tmp_path / "models" / "Stable-diffusion").mkdir(parents=True)
    settings = Settings(model_folders=(tmp_path / "models" / "Stable-diffusion",))
    assert [line.text for line in WildcardFiles(settings).lines("x")] == ["y"]


def test_changed_files_are_read_again(tmp_path: Path) -> None:
    write(tmp_path, x_dot_txt="old")
    files = files_in(tmp_path)
    assert texts(files, "x") == ["old"]
    write(tmp_path, x_dot_txt="new")
    os.utime(tmp_path / "x.txt", ns=(1, 1))
    assert texts(files, "x") == ["new"]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.txt", b"\xff\xfe\x00"),
        ("x.txt", b"caf\xe9"),
        ("x.yaml", b"a: [b"),
        ("x.yaml", b"!!python/object/apply:os.system ['true']"),
        ("x.json", b"{"),
        ("x.json", b"[" * 100_000),
        ("x.yaml", b"a: &a [x, *a]"),
        ("x.yaml", _BOMB.encode()),
    ],
)
def test_unreadable_files_are_named_and_do_no_harm(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    write(tmp_path, good_dot_txt="fine")
    files = files_in(tmp_path)
    assert texts(files, "**") == ["fine"] or name == "x.yaml"
    assert texts(files, "good") == ["fine"]
    assert set(files.problems) <= {tmp_path / name}
    if b"python" not in data:
        assert files.problems
