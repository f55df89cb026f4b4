"""`sdtui upscale`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from sdtui.history import History, read_record
from tests.support.command import Command
from tests.support.records import picture, record


@pytest.fixture
def red(tmp_path: Path) -> Path:
    Image.new("RGB", (40, 30), "red").save(tmp_path / "red.png")
    return tmp_path / "red.png"


def _size(path: str | Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_pictures_are_doubled_unless_told_otherwise(sdtui: Command, red: Path) -> None:
    done = sdtui("upscale", red, red)
    assert done.returncode == 0, done.stderr
    assert [_size(line) for line in done.stdout.splitlines()] == [(80, 60), (80, 60)]


@pytest.mark.parametrize(
    ("flags", "size"),
    [
        (("--factor", "3", "--upscaler", "nearest"), (120, 90)),
        (("--width", "100"), (100, 75)),
        (("--width", "100", "--height", "100"), (100, 100)),
        (("--width", "100", "--height", "100", "--no-crop"), (133, 100)),
    ],
)
def test_flags_say_the_size(
    sdtui: Command, red: Path, tmp_path: Path, flags: tuple[str, ...], size: tuple[int, int]
) -> None:
    done = sdtui("upscale", red, *flags, "-o", tmp_path / "large.png")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "large.png")
    assert _size(tmp_path / "large.png") == size


def test_result_has_the_recipe_of_its_original(sdtui: Command, tmp_path: Path) -> None:
    with History(tmp_path / "pictures") as history:
        saved = history.save(picture(), record("a tiger", seed=5), 0)
    done = sdtui("upscale", saved.path, "-o", tmp_path / "large.png")
    assert done.returncode == 0, done.stderr
    made = read_record(tmp_path / "large.json")
    assert (made.prompt, made.seed, made.request.upscale.factor) == ("a tiger", 5, 2)
    assert made.parents == (saved.record.images[0].sha256,)


def test_json_is_the_record(sdtui: Command, red: Path) -> None:
    made = json.loads(sdtui("upscale", red, "--json").stdout)
    assert (made["prompt"], made["images"][0]["width"]) == ("", 80)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("missing.png",), "isn't there"),
        (("red.png", "--upscaler", "4x-Unknown"), "no upscaler"),
        (("red.png", "--upscaler", "old.pth"), "pickle"),
        (("red.png", "--factor", "9"), "at most 8"),
        (("red.png", "--visibility", "2"), "at most 1"),
        (("notes.txt",), "no picture"),
        (("red.png", "--control", "tile"), "add --redraw"),
    ],
)
def test_wrong_input_is_one_sentence(
    sdtui: Command,
    red: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "old.pth").write_bytes(b"\x80\x02")
    done = sdtui("upscale", *arguments)
    assert done.returncode in (1, 2)
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
