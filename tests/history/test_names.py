"""Names of pictures and of the files beside them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sdtui.core.errors import SdtuiError
from sdtui.history import History
from sdtui.history.names import sidecar_path, words_of
from tests.support.records import picture, record


@pytest.mark.parametrize(
    "name",
    ["x" * 246, "x" * 251, "é" * 125, "é" * 125 + "x", "猫" * 83 + "xx", "🐈" * 62],
    ids=str.__len__,
)
def test_names_of_up_to_255_bytes_are_saved(history: History, tmp_path: Path, name: str) -> None:
    file = tmp_path / "out" / f"{name}.png"
    for _ in range(2):
        saved = history.save(picture(), record(), 0, file=file)
    assert sorted(file.parent.iterdir()) == sorted([file, saved.json_path])
    assert saved.json_path == sidecar_path(file)
    assert saved.json_path.name.startswith(name[:-1])


@pytest.mark.parametrize("letter", ["猫", "𠀀", "é", "x"])
def test_words_of_a_name_end_at_bytes(letter: str) -> None:
    words = words_of(letter * 200)
    assert set(words) == {letter}
    assert len(words.encode()) <= 96
    assert words_of(f"{letter * 9} {letter * 200}") == letter * 9


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("utf-8", "café-naïve-猫-ﬁne"),
        ("latin-1", "café-naïve-fine"),
        ("ascii", "cafe-naive-fine"),
        ("koi8-r", "cafe-naive-fine"),
        ("euc-jp", "café-naïve-猫-fine"),
    ],
)
def test_names_have_only_letters_of_the_file_system(
    encoding: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: encoding)
    assert words_of("Café naïve, 猫 \ud800 ﬁne") == words


def test_unwritable_place_is_named_by_the_picture(history: History) -> None:
    with pytest.raises(SdtuiError, match=r"^/proc/x\.png can't be written"):
        history.save(picture(), record(), 0, file=Path("/proc/x.png"))


@pytest.mark.parametrize("name", ["x" * 251, "é" * 125 + "x"], ids=len)
def test_longest_names_in_the_pictures_folder_are_found(
    history: History, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "pictures" / f"{name}.png"
    history.save(picture(), record(), 0, file=file)
    history.reindex()
    assert [each.path for each in history.entries().entries] == [file]
