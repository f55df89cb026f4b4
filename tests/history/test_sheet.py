"""Drawing sheets."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from sdtui.history.sheet import Labels, contact_sheet, labelled_sheet, lettering_of, wrapped
from tests.support.records import picture

_WHITE = (255, 255, 255)


def _has_text(image: Image.Image) -> bool:
    """True if a part of a sheet isn't blank."""
    return len(set(image.convert("L").tobytes())) > 1


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Four pictures of 64x64 pixels."""
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for path, colour in zip(paths, ("red", "lime", "blue", "black"), strict=True):
        picture(64, 64, colour).save(path)
    return paths


def test_pictures_stand_at_their_places(files: list[Path]) -> None:
    pictures = {(0, 0): files[0], (1, 0): files[1], (0, 1): files[2]}
    sheet = labelled_sheet(pictures, (64, 64), 2, 2, Labels(("", ""), ("", "")), margin=10)
    assert sheet.size == (138, 138)
    assert sheet.getpixel((0, 0)) == (255, 0, 0)
    assert sheet.getpixel((74, 0)) == (0, 255, 0)
    assert sheet.getpixel((0, 74)) == (0, 0, 255)
    assert sheet.getpixel((69, 69)) == _WHITE
    assert sheet.getpixel((100, 100)) == _WHITE


def test_labels_stand_above_and_at_the_left(files: list[Path]) -> None:
    labels = Labels(("Steps: 10", "Steps: 20"), ("cat", "dog"))
    sheet = labelled_sheet({(0, 0): files[3]}, (64, 64), 2, 2, labels)
    left, top = sheet.width - 128, sheet.height - 128
    assert left > 0
    assert top > 0
    assert sheet.getpixel((left, top)) == (0, 0, 0)
    assert _has_text(sheet.crop((left, 0, sheet.width, top)))
    assert _has_text(sheet.crop((0, top, left, sheet.height)))
    assert not _has_text(sheet.crop((0, 0, left, top)))


def test_a_picture_that_is_damaged_stays_blank(files: list[Path], tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(files[0].read_bytes()[:40])
    pictures = {(0, 0): damaged, (1, 0): tmp_path / "missing.png"}
    sheet = labelled_sheet(pictures, (64, 64), 2, 1, Labels(("", ""), ("",)))
    assert not _has_text(sheet)


def test_pictures_of_other_sizes_stand_in_the_middle(files: list[Path], tmp_path: Path) -> None:
    tall = tmp_path / "tall.png"
    picture(32, 96, "red").save(tall)
    pictures = {(0, 0): files[3], (1, 0): tall}
    sheet = labelled_sheet(pictures, (64, 96), 2, 1, Labels(("", ""), ("",)))
    assert sheet.getpixel((0, 16)) == (0, 0, 0)
    assert sheet.getpixel((0, 15)) == _WHITE
    assert sheet.getpixel((80, 0)) == (255, 0, 0)
    assert sheet.getpixel((79, 0)) == _WHITE


@pytest.mark.parametrize(
    "text",
    [
        "a long label of many words that needs several lines",
        "averylongwordwithoutanyblanksinitthatmustbebroken",
        "日本語の長いラベルは空白がありません 猫 🐱",
        "first\nsecond",
        "",
    ],
)
def test_labels_are_wrapped_to_their_width(text: str) -> None:
    font = lettering_of([], (64, 64)).font
    lines = wrapped(text, font, 80)
    assert all(font.getlength(line) <= 80 for line in lines)
    assert "".join(lines).replace(" ", "") == "".join(text.split())


def test_a_very_long_label_is_cut() -> None:
    lines = wrapped("word " * 1000, lettering_of([], (64, 64)).font, 80)
    assert len(lines) == 12
    assert lines[-1] == "…"


def test_control_characters_are_drawn_as_escapes() -> None:
    assert wrapped("a\x1b[31mb", lettering_of([], (512, 512)).font, 500) == ["a\\x1b[31mb"]


def test_a_contact_sheet_has_captions_below(files: list[Path]) -> None:
    captions = ["one", "", "three", "four"]
    sheet = contact_sheet(list(zip(files, captions, strict=True)), columns=3, side=64, margin=4)
    assert sheet.width == 3 * 64 + 4 * 4
    assert sheet.height > 2 * 64 + 3 * 4
    assert _has_text(sheet.crop((4, 68, 68, 80)))


def test_pictures_are_made_smaller_alike(files: list[Path], tmp_path: Path) -> None:
    small = tmp_path / "small.png"
    picture(32, 32, "red").save(small)
    pictures = {(0, 0): files[3], (1, 0): small}
    sheet = labelled_sheet(pictures, (32, 32), 2, 1, Labels(("", ""), ("",)), scale=0.5)
    assert sheet.size == (64, 32)
    assert sheet.getpixel((0, 0)) == (0, 0, 0)
    assert sheet.getpixel((39, 8)) == _WHITE
    assert sheet.getpixel((40, 8)) == (255, 0, 0)


def test_transparent_pixels_show_the_sheet(tmp_path: Path) -> None:
    file = tmp_path / "clear.png"
    clear = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    clear.paste((0, 0, 255, 255), (0, 0, 32, 64))
    clear.save(file)
    sheet = labelled_sheet({(0, 0): file}, (64, 64), 1, 1, Labels(("",), ("",)))
    assert sheet.getpixel((0, 0)) == (0, 0, 255)
    assert sheet.getpixel((63, 0)) == _WHITE
