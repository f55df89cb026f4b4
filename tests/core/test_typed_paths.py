"""Paths as people type them and as terminals paste dropped files."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from sdtui.core.typed_paths import (
    PathTextError,
    parse_plain_path,
    parse_typed_path,
    parse_typed_paths,
    typed_text,
)


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/a b.png", "/a b.png"),
        (" /a b.png\r\n", "/a b.png"),
        ("'/a b.png' ", "/a b.png"),
        ('"/a b.png"', "/a b.png"),
        (r"/a\ \(b\)\&\'.png", "/a (b)&'.png"),
        (r"'/it'\''s.png'", "/it's.png"),
        ("/it's.png", "/it's.png"),
        ("file:///a%20b.png", "/a b.png"),
        ("FILE://localhost/50%25%23.png", "/50%#.png"),
        (f"file://{socket.gethostname()}/x", "/x"),
        ("file:/a?b#c", "/a?b#c"),
        ("~/x", "/home/me/x"),
        ("$HOME/x", "/home/me/x"),
        ('"${HOME}/x y"', "/home/me/x y"),
        ("'/a/$HOME'", "/a/$HOME"),
        (r"/a/\$HOME", "/a/$HOME"),
        ("pictures/x.png", "pictures/x.png"),
        ("/home/x and/y", "/home/x and/y"),
        (r"/a\b.png", r"/a\b.png"),
        ("'", "'"),
    ],
)
def test_path_is_read(text: str, path: str) -> None:
    assert parse_typed_paths(text) == [Path(path)]


@pytest.mark.parametrize(
    "text",
    [
        "'/a b.png' '/c.png'",
        r"/a\ b.png /c.png",
        "file:///a%20b.png\r\nfile:///c.png",
        "'/a b.png' \"/c.png\" ",
    ],
)
def test_several_dropped_files_are_read(text: str) -> None:
    assert parse_typed_paths(text) == [Path("/a b.png"), Path("/c.png")]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (r"C:\Users\me\a b.png", "write /mnt/c/Users/me/a b.png"),
        ('"D:/a.png"', "write /mnt/d/a.png"),
        ("file:///C:/a.png", "write /mnt/c/a.png"),
        (r"\\wsl$\Ubuntu\home\me\a.png", "write /home/me/a.png"),
        (r"\\wsl.localhost\Debian\a.png", "write /a.png"),
        (r"\\server\share\a.png", "copy the file"),
        ("file://elsewhere/a.png", "^is on another machine, elsewhere"),
        ("file://[/a.png", "^is no valid URL"),
        ("https://example.com/a.png", "^is an address"),
        ("SFTP://host/a.png", "^is an address"),
        ("file://[/a.png", "no valid URL"),
    ],
)
def test_path_of_another_system_is_explained(text: str, hint: str) -> None:
    with pytest.raises(PathTextError, match=hint.replace("$", r"\$")):
        parse_typed_path(text)


@pytest.mark.parametrize(
    "path",
    ["/a b", "/it's", "/a /b", " /lead", "/trail ", "/'q'", '/"q"', r"/x\ y", "/$HOME", "/é\n/x"],
)
def test_path_in_a_field_is_read_back(path: str) -> None:
    assert parse_typed_paths(typed_text(Path(path))) == [Path(path)]


@pytest.mark.parametrize(
    ("text", "path"),
    [("file:///a%20b", "/a b"), ("~/x", "/home/me/x"), ("/'q' $HOME", "/'q' $HOME")],
)
def test_what_a_shell_unquoted_is_not_unquoted_again(text: str, path: str) -> None:
    assert parse_plain_path(text) == Path(path)
