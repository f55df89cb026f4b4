"""Which pictures can be init images, and why others can't."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from sdtui.core.errors import ImageError
from sdtui.requests.input_images import open_init_image, size_of_picture


def grey(dtype: str, value: int) -> Image.Image:
    return Image.fromarray(np.full((4, 4), value, dtype))


def palette() -> Image.Image:
    image = Image.new("P", (4, 4), 0)
    image.putpalette([9, 9, 9])
    return image


@pytest.mark.parametrize(
    ("name", "image", "options", "pixel"),
    [
        ("a.png", grey("uint16", 25700), {}, 100),
        ("a.pgm", grey("uint16", 25700), {}, 100),
        ("a.jpg", Image.new("CMYK", (4, 4), (0, 0, 0, 255)), {}, 0),
        ("a.png", palette(), {"transparency": 0}, 255),
        ("a.png", Image.new("LA", (4, 4), (0, 0)), {}, 255),
        ("a.png", Image.new("1", (4, 4), 1), {}, 255),
        ("a.gif", Image.new("RGB", (4, 4), (7, 7, 7)), {"save_all": True}, 7),
    ],
)
def test_every_mode_becomes_rgb(
    tmp_path: Path, name: str, image: Image.Image, options: dict[str, Any], pixel: int
) -> None:
    image.save(tmp_path / name, **options)
    opened = open_init_image(tmp_path / name).image
    assert (opened.mode, opened.getpixel((0, 0))) == ("RGB", (pixel,) * 3)


@pytest.mark.filterwarnings("default")
def test_damaged_tags_give_no_warnings(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    undefined, size, offset = 7, 99_999, 8
    tags = b"".join(struct.pack("<HHII", tag, undefined, size, offset) for tag in range(100))
    exif = b"II*\0" + struct.pack("<IH", offset, 100) + tags + bytes(4)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", exif=exif)
    open_init_image(tmp_path / "a.png")
    assert size_of_picture(tmp_path / "a.png") == (8, 8)
    assert not recwarn.list


def test_size_is_that_of_the_upright_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.new("RGB", (30, 10)).save(tmp_path / "a.jpg", exif=exif)
    size = size_of_picture(tmp_path / "a.jpg")
    assert size == open_init_image(tmp_path / "a.jpg").image.size == (10, 30)


@pytest.mark.parametrize("is_behind", [False, True])
def test_size_of_a_png_is_read_without_its_pixels(tmp_path: Path, is_behind: bool) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    path = tmp_path / "a.png"
    Image.new("RGB", (30, 10)).save(path, exif=exif)
    data = path.read_bytes()
    tags = data[data.index(b"eXIf") - 4 : data.index(b"IDAT") - 4]
    pixels = data[data.index(b"IDAT") - 4 : -12]
    if is_behind:
        path.write_bytes(data.replace(tags, b"")[:-12] + tags + data[-12:])
    else:
        path.write_bytes(data.replace(pixels, pixels[:8] + bytes(len(pixels) - 8)))
    assert size_of_picture(path) == (10, 30)


def _text(path: Path) -> None:
    path.write_text("a text")


def _truncated(path: Path) -> None:
    Image.effect_noise((64, 64), 50).save(path)
    os.truncate(path, 1000)


def _huge(path: Path) -> None:
    Image.new("1", (25_000, 20_000)).save(path)


def _long(path: Path) -> None:
    Image.new("1", (70_000, 1)).save(path)


def _endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _large_file(path: Path) -> None:
    path.touch()
    os.truncate(path, 2**33)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_text, "no picture of a known format"),
        (_truncated, "damaged"),
        (_huge, "far too large"),
        (_long, "70000×1 pixels: a side is longer than 65,535"),
        (_endless, "no regular file"),
        (_large_file, "larger than 256 MB"),
        (Path.touch, "it is empty"),
        (Path.mkdir, "is no picture but a folder"),
        (os.mkfifo, "no regular file"),
        (lambda path: None, "isn't there"),
        (lambda path: path.symlink_to(path), "can't be read"),
    ],
)
def test_other_files_are_refused_at_once(
    tmp_path: Path, make: Callable[[Path], object], reason: str
) -> None:
    path = tmp_path / "a.png"
    make(path)
    with pytest.raises(ImageError, match=reason):
        open_init_image(path)


def test_size_of_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(ImageError, match="no regular file"):
        size_of_picture(tmp_path / "a.png")


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="Linux lists the open files")
def test_refused_folder_leaves_no_file_open(tmp_path: Path) -> None:
    opened = Path("/proc/self/fd")
    before = len(list(opened.iterdir()))
    for _ in range(3):
        with pytest.raises(ImageError):
            open_init_image(tmp_path)
    assert len(list(opened.iterdir())) == before
