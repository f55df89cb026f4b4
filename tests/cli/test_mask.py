"""`sdtui mask` in a terminal, and what it writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from sdtui.cli.mask import _write
from sdtui.tui.mask_editor.borders import Borders
from sdtui.tui.mask_editor.editor import MaskEditor
from sdtui.tui.mask_editor.result import drawn_mask
from tests.support.command import Command
from tests.support.terminal import Terminal
from tests.support.terminal_keys import CTRL_C, CTRL_Q, ENTER, ESCAPE


@pytest.fixture
def cat(tmp_path: Path) -> Path:
    file = tmp_path / "cat.png"
    Image.new("RGB", (64, 64), "navy").save(file)
    return file


def opened(tmp_path: Path, *arguments: str) -> Terminal:
    terminal = Terminal(("-m", "sdtui", "mask", *arguments), tmp_path, (80, 24))
    terminal.until("masked")
    return terminal


@pytest.mark.slow
def test_mask_is_drawn_in_a_terminal_and_written(tmp_path: Path, cat: Path) -> None:
    out = tmp_path / "mask.png"
    terminal = opened(tmp_path, str(cat), "-o", str(out))
    for key in (" ", "l", "l", " "):
        terminal.send(key)
        terminal.watch(0.1)
    terminal.until(lambda: " 0 % masked" not in terminal.text)
    terminal.send(ENTER)
    assert terminal.ended() == 0
    with Image.open(out) as mask:
        assert mask.size == (64, 64)
        assert mask.getextrema() == (0, 255)
    assert f"--init-image {cat} --mask {out}" in terminal.text.replace("\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("key", [ESCAPE, CTRL_C, CTRL_Q])
def test_nothing_is_written_of_a_mask_that_is_left(key: str, tmp_path: Path, cat: Path) -> None:
    terminal = opened(tmp_path, str(cat))
    terminal.send("a")
    terminal.until("100 % masked")
    terminal.send(key)
    terminal.until("Leave the mask?")
    terminal.send(ENTER)
    assert terminal.ended() == 1
    assert list(tmp_path.glob("*mask*")) == []


def test_without_a_terminal_there_is_an_error(sdtui: Command, cat: Path) -> None:
    done = sdtui("mask", cat)
    assert done.returncode == 1
    assert "is drawn in a terminal" in done.stderr


def test_place_of_the_mask_is_checked_before_it_is_drawn(
    sdtui: Command, cat: Path, tmp_path: Path
) -> None:
    before = cat.read_bytes()
    for out, said in (
        (cat, "it is the picture itself"),
        (tmp_path, "it is a folder"),
        (tmp_path / "none" / "mask.png", "no file can be written"),
    ):
        assert said in sdtui("mask", cat, "-o", out).stderr
    assert cat.read_bytes() == before


def test_missing_picture_is_an_error(sdtui: Command, tmp_path: Path) -> None:
    done = sdtui("mask", tmp_path / "none.png")
    assert done.returncode == 1
    assert "isn't there" in done.stderr


def test_cut_picture_is_written_beside_its_mask(
    tmp_path: Path, cat: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    editor = MaskEditor(Image.new("RGB", (128, 128)), borders=Borders(left=-64, top=32))
    editor.mask_all()
    _write(drawn_mask(editor), cat, tmp_path / "m.png")
    printed = capsys.readouterr().out.splitlines()
    assert printed == [str(tmp_path / "m-picture.png"), str(tmp_path / "m.png")]
    for each in printed:
        with Image.open(each) as written:
            assert written.size == (64, 128)
