"""Texts as people's editors and shells write them."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any

import pytest

from sdtui.cli.prompts import read_requests
from sdtui.core.errors import InvalidRequestError, SdtuiError, SettingsError
from sdtui.core.settings import load_settings, settings_origin
from sdtui.core.text_files import UnreadableTextError, decode_text, split_lines
from sdtui.models.component_files import read_json

TEXT = 'a "fox"\r\né 猫\n'

_ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-32"]
_WITH_MARK = {
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}


@pytest.mark.parametrize("encoding", _ENCODINGS)
def test_text_is_decoded_without_its_mark(encoding: str) -> None:
    assert decode_text(TEXT.encode(encoding)) == TEXT


@pytest.mark.parametrize("encoding", _WITH_MARK)
def test_mark_says_the_order_of_bytes(encoding: str) -> None:
    assert decode_text(_WITH_MARK[encoding] + TEXT.encode(encoding)) == TEXT


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("a\r\nb\rcafé".encode("cp1252"), "line 3 is not UTF-8 (byte 0xe9)"),
        (b"a\n" + "猫".encode("shift-jis"), "line 2 is not UTF-8 (byte 0x94)"),
        ("a fox".encode("utf-16-le"), "line 1 is not UTF-8 (zero byte, as in UTF-16)"),
        ("a fox".encode("utf-16")[:-1], "line 1 is not UTF-16 (byte 0x78)"),
        (codecs.BOM_UTF8 + b"\xff", "line 1 is not UTF-8 (byte 0xff)"),
    ],
)
def test_other_encoding_is_named_with_its_line(data: bytes, message: str) -> None:
    with pytest.raises(UnreadableTextError) as caught:
        decode_text(data)
    assert str(caught.value) == message
    assert decode_text(data, errors="replace")


def test_lines_end_at_line_ends_alone() -> None:
    letters = "\u2028\u2029\x85\f\v\x1c\x1d\x1e"
    assert split_lines(f"a{letters}b\nc\r\nd\re") == [f"a{letters}b", "c", "d", "e"]
    assert split_lines("\ufeffa\n\ufeffb") == ["a", "b"]


def _prompts(file: Path) -> list[str]:
    return [each.prompt for each in read_requests(None, file, {}, {})]


@pytest.mark.parametrize("encoding", _ENCODINGS)
def test_prompts_and_json_lines_are_read_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "prompts.txt"
    file.write_bytes("a fox\r\nein Bär\r\n".encode(encoding))
    assert _prompts(file) == ["a fox", "ein Bär"]
    file.write_bytes('{"prompt": "a fox"}\r\n\r\n{"prompt": "Bär\u2028x"}'.encode(encoding))
    assert _prompts(file) == ["a fox", "Bär\u2028x"]


def test_files_with_marks_can_be_joined(tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_bytes("a\n".encode("utf-8-sig") + "b\n".encode("utf-8-sig"))
    assert _prompts(file) == ["a", "b"]


def test_prompts_in_another_encoding_are_refused_with_the_line(tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_bytes("a fox\nein Bär".encode("latin-1"))
    with pytest.raises(SdtuiError) as caught:
        _prompts(file)
    expected = f"the prompts in {file} can't be read: line 2 is not UTF-8 (byte 0xe4)."
    assert str(caught.value) == f"{expected} Save it as UTF-8."


@pytest.mark.parametrize("encoding", _ENCODINGS)
def test_config_is_read_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes('# \x0c\u2028\nmodel = "Bär"\r\n'.replace("\x0c", "").encode(encoding))
    assert load_settings(file, {}).model == "Bär"
    assert settings_origin("model", file=file, environment={}) == f"{file}, line 2"


def test_config_in_another_encoding_is_refused_with_the_line(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes('\nmodel = "Bär"'.encode("cp1252"))
    with pytest.raises(SettingsError, match=r"line 2 is not UTF-8 \(byte 0xe4\)"):
        load_settings(file, {})


@pytest.mark.parametrize("encoding", _ENCODINGS)
def test_json_of_models_is_read_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "model_index.json"
    wanted: dict[str, Any] = {"_class_name": "Bär"}
    file.write_bytes('{"_class_name": "Bär"}'.encode(encoding))
    assert read_json(file) == wanted


@pytest.mark.parametrize(
    ("text", "problem"),
    [("[" * 100_000, "nested too deeply"), ("9" * 5000, "a number has too many digits")],
)
def test_json_and_toml_that_parsers_fail_with_are_refused_plainly(
    tmp_path: Path, text: str, problem: str
) -> None:
    lines, config, index = (tmp_path / name for name in ("a.jsonl", "config.toml", "model.json"))
    lines.write_text(text)
    config.write_text(f"model = {text}")
    index.write_text(text)
    for read in (
        lambda: read_requests(None, lines, {}, {}),
        lambda: load_settings(config, {}),
        lambda: read_json(index),
    ):
        with pytest.raises(SdtuiError, match=problem) as caught:
            read()
        assert "sys." not in str(caught.value)


@pytest.mark.parametrize("text", ["", " \n\r\n\t", "\ufeff"])
def test_file_without_prompts_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidRequestError, match=r"prompts\.txt holds no prompts"):
        read_requests(None, file, {}, {})


@pytest.mark.parametrize(
    ("name", "text", "prompts"),
    [
        ("a.JSONL", '{"prompt": "a fox"}\n', ["a fox"]),
        ("a.txt", '\n { "prompt": "a fox"}\n', ["a fox"]),
        ("a.json", '[\n  {"prompt": "a fox"},\n  {"prompt": "an owl"}\n]\n', ["a fox", "an owl"]),
        ("a.txt", "{red|blue} fox\n[owl:cat:0.5]\n", ["{red|blue} fox", "[owl:cat:0.5]"]),
        ("a.txt", "[owl]\n{red} fox\n", ["[owl]", "{red} fox"]),
    ],
)
def test_json_is_told_from_prompts(
    tmp_path: Path, name: str, text: str, prompts: list[str]
) -> None:
    file = tmp_path / name
    file.write_text(text)
    assert [each.prompt for each in read_requests(None, file, {}, {})] == prompts


@pytest.mark.parametrize("text", ["{'prompt': 'a fox'}", '{"prompt": "a fox",', "{}\n"])
def test_wrong_json_is_not_taken_for_a_prompt(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.txt"
    file.write_text(text)
    with pytest.raises(InvalidRequestError, match="line 1"):
        read_requests(None, file, {}, {})
