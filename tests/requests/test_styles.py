"""A1111's styles.csv, read and written."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdtui.core.errors import SettingsError
from sdtui.requests.styles import (
    Style,
    apply_styles,
    delete_style,
    find_styles,
    read_styles,
    save_style,
)

_A1111 = (
    "\ufeffname,prompt,negative_prompt\r\n"
    "--- People ---,,\r\n"
    "# off,x,y\r\n"
    'film,"{prompt}, ""kodak"", grain",digital\r\n'
    '"two\nlines","a\nb", "c, d"\r\n'
    "\r\n"
    "short\r\n"
    "film,another,\r\n"
)


@pytest.mark.parametrize(
    ("prompt", "texts", "expected"),
    [
        ("a cat", ["sharp"], "a cat, sharp"),
        ("a cat ", [" sharp "], "a cat, sharp"),
        ("a cat", ["photo of {prompt}, {prompt}!"], "photo of a cat, a cat!"),
        ("a cat", ["x", "({prompt})", "y"], "(a cat, x), y"),
        ("", ["sharp"], "sharp"),
        (" a cat ", [""], " a cat "),
        ("a cat", [], "a cat"),
    ],
)
def test_styles_are_applied_as_by_a1111(prompt: str, texts: list[str], expected: str) -> None:
    assert apply_styles(prompt, texts) == expected


def test_a1111s_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "styles.csv"
    file.write_text(_A1111, encoding="utf-8", newline="")
    assert read_styles([file, tmp_path / "none.csv"]) == {
        "film": Style("film", '{prompt}, "kodak", grain', "digital"),
        "two\nlines": Style("two\nlines", "a\nb", "c, d"),
        "short": Style("short"),
    }


def test_old_file_with_one_text_is_read(tmp_path: Path) -> None:
    file = tmp_path / "styles.csv"
    file.write_text("name,text\nold,a b\n")
    assert read_styles([file]) == {"old": Style("old", "a b")}


def test_first_file_counts(tmp_path: Path) -> None:
    save_style(tmp_path / "a.csv", Style("x", "1"))
    save_style(tmp_path / "b.csv", Style("x", "2"))
    save_style(tmp_path / "b.csv", Style("y", "3"))
    styles = read_styles([tmp_path / "a.csv", tmp_path / "b.csv"])
    assert [each.prompt for each in styles.values()] == ["1", "3"]


def test_changes_leave_the_other_rows(tmp_path: Path) -> None:
    file = tmp_path / "styles.csv"
    file.write_text(_A1111, encoding="utf-8", newline="")
    save_style(file, Style("new", 'with "quotes",\nand lines', "é"))
    save_style(file, Style("short", "now"))
    data = file.read_bytes()
    assert data.startswith(
        b"\xef\xbb\xbfname,prompt,negative_prompt\r\n--- People ---,,\r\n# off,x,y"
    )
    styles = read_styles([file])
    assert styles["new"] == Style("new", 'with "quotes",\nand lines', "é")
    assert styles["short"].prompt == "now"
    delete_style(file, "two\nlines")
    assert list(read_styles([file])) == ["film", "short", "new"]
    with pytest.raises(SettingsError, match='no style "other"'):
        delete_style(file, "other")


def test_blanks_around_names_do_not_matter(tmp_path: Path) -> None:
    file = tmp_path / "styles.csv"
    file.write_text("name,prompt\n film ,x\nfull,y\n")
    styles = read_styles([file])
    assert [each.prompt for each in find_styles(["film", "Film ", " film "], styles)] == list("xxx")
    delete_style(file, "film")
    assert list(read_styles([file])) == ["full"]


def test_link_to_a_file_of_styles_stays_one(tmp_path: Path) -> None:
    link = tmp_path / "link.csv"
    link.symlink_to(tmp_path / "styles.csv")
    save_style(link, Style("film", "x"))
    assert link.is_symlink()
    assert list(read_styles([tmp_path / "styles.csv"])) == ["film"]


@pytest.mark.parametrize("name", ["", "  ", "# x", "--- x", "\udcff"])
def test_wrong_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="needs a name"):
        save_style(tmp_path / "styles.csv", Style(name, "x"))


@pytest.mark.parametrize("data", [b"\xff", b"a,b\n1,2\n", b"name,prompt\nx,\0\n"])
def test_unreadable_file_is_named_and_left(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "styles.csv"
    file.write_bytes(data)
    with pytest.raises(SettingsError, match=r"styles in .*styles\.csv can't be read"):
        read_styles([file])
    with pytest.raises(SettingsError, match="can't be read"):
        save_style(file, Style("x"))
    assert file.read_bytes() == data
