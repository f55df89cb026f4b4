"""What commands write: in any encoding, and to streams that are closed or full."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sdtui.cli.output import echo_json, echo_path, standard_streams
from sdtui.core.text import encodable

_CLOSED = ">&- 2>&- <&-"


def run(*arguments: str, shell: str = "", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command; `shell` are redirections."""
    return subprocess.run(
        ["/bin/sh", "-c", f'"$@" {shell}', "sh", sys.executable, "-m", "sdtui", *arguments],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
        check=False,
        timeout=60,
    )


class _Stream(io.TextIOWrapper):
    def __init__(self, encoding: str) -> None:
        self.bytes = io.BytesIO()
        super().__init__(self.bytes, encoding=encoding)


@pytest.mark.parametrize(
    ("encoding", "text", "expected"),
    [
        ("ascii", "é ünï × … → ★ “a” – 猫", 'e uni x ... -> * "a" - ?'),
        ("latin-1", "é × … 猫", "é × ... ?"),
        ("cp1252", "… ★", "… *"),
        ("utf-8", "é 猫 \udcff", "é 猫 \udcff"),
        ("utf-8", "\ud800", "?"),
        ("ascii", "ﬁ ½ n̈ ━│", "fi 1/2 n -|"),
    ],
)
def test_characters_that_an_encoding_lacks_are_replaced(
    encoding: str, text: str, expected: str
) -> None:
    assert encodable(text, encoding) == expected


@pytest.mark.parametrize(
    "arguments",
    [
        ("docs", "app"),
        ("bench", "--help"),
        ("docs", "→"),
        ("nope→",),
        ("generate", "x", "--size", "×"),
        ("generate", "x", "--sampler", "Eulér"),
        ("history", "list", "größe:1"),
    ],
)
def test_terminal_of_ascii_gets_ascii_without_escapes(arguments: tuple[str, ...]) -> None:
    done = run(*arguments, PYTHONIOENCODING="ascii")
    written = done.stdout + done.stderr
    assert written.isascii()
    assert b"\\u" not in written
    assert b"\\x" not in written
    assert b"Traceback" not in written


def test_json_and_paths_lose_nothing_in_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = _Stream("ascii")
    monkeypatch.setattr("sys.stdout", stream)
    with standard_streams():
        echo_json(json.dumps({"prompt": "a 猫 🐈"}, ensure_ascii=False))
        echo_path("/é/\udcff.png")
        assert sys.stdout is not stream
    record, path, _ = stream.bytes.getvalue().split(b"\n")
    assert record.isascii()
    assert json.loads(record) == {"prompt": "a 猫 🐈"}
    assert path == os.fsencode("/é/\udcff.png")


@pytest.mark.parametrize(
    ("arguments", "shell"),
    [
        *((("docs", "app"), shell) for shell in (">&-", "2>&-", "<&-", _CLOSED, "2>/dev/full")),
        (("samplers",), _CLOSED),
        (("history", "list"), _CLOSED),
    ],
)
def test_closed_streams_are_no_error(arguments: tuple[str, ...], shell: str) -> None:
    done = run(*arguments, shell=shell)
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr


def test_file_opened_later_does_not_become_stdout(tmp_path: Path) -> None:
    code = (
        "from sdtui.cli.output import standard_streams\n"
        "with standard_streams():\n"
        f"    file = open({str(tmp_path / 'a')!r}, 'w')\n"
        "    print('text'); assert file.fileno() > 2\n"
    )
    shell = '"$0" -c "$1" >&- 2>&- <&-'
    subprocess.run(["/bin/sh", "-c", shell, sys.executable, code], check=True, timeout=60)
    assert (tmp_path / "a").read_text(encoding="utf-8") == ""


@pytest.mark.parametrize("arguments", [("samplers",), ("docs", "app"), ("--help",)])
def test_full_disk_is_one_line_and_a_failure(arguments: tuple[str, ...]) -> None:
    done = run(*arguments, shell=">/dev/full")
    assert done.returncode == 1
    assert done.stderr == b"sdtui: the output can't be written: No space left on device.\n"


def test_reader_that_leaves_is_no_error() -> None:
    done = run("docs", "app", shell="| head -n 1")
    assert done.stderr == b""
    assert done.stdout == b"# The app\n"
