"""`sdtui prompt`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from sdtui.cli.prompt import prompt
from sdtui.core.errors import SdtuiError, UnsupportedModelError
from tests.support.tiny_other_families import make_flux


def read(*arguments: str, stdin: str | None = None) -> str:
    done = CliRunner().invoke(prompt, arguments, input=stdin, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_parts_and_weights_are_shown() -> None:
    lines = [
        line.split(maxsplit=1) for line in read("a (soft:1.2) cat AND \x1b[dog:cow:3]").splitlines()
    ]
    assert ["Tokens", "3 of 75"] in lines
    assert ["Text", "a soft ×1.2 cat"] in lines
    assert "\x1b" not in read("\x1b[x")
    assert read("-", stdin="a cat") == read("a cat")
    assert "AND" in read("a AND b", "--negative")
    assert "(soft" in read("(soft)", "--prompt-syntax", "plain")


def test_stdin_may_be_of_any_encoding_and_lines_stay_aligned() -> None:
    assert read("-", stdin="\ufeffa\r\ncat\r\n") == read("a\ncat")
    assert "\n" + 14 * " " + "cat" in read("a\ncat")
    with pytest.raises(SdtuiError, match="prompts in stdin can't be read"):
        CliRunner().invoke(prompt, ["-"], input=b"a \xff b", catch_exceptions=False)


def test_json_has_the_chunks() -> None:
    made = json.loads(read("a BREAK b", "--json"))
    assert (made["tokens"], made["capacity"]) == (76, 150)
    assert len(made["parts"][0]["texts"][0]["chunks"]) == 2


def test_other_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="as they are written"):
        CliRunner().invoke(
            prompt, ["x", "-m", str(make_flux(tmp_path / "flux"))], catch_exceptions=False
        )
