"""Masks from pictures of any kind, and their blur."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sdtui.core.errors import ImageError
from sdtui.core.pictures.masks import amplified, blurred, is_empty, mask_in
from sdtui.requests.input_images import open_mask, open_transparency

_SIZE = (8, 4)


def _half(mode: str, low: object, high: object) -> Image.Image:
    """A picture whose right half has another value."""
    image = Image.new(mode, _SIZE, low)  # type: ignore[arg-type]
    ImageDraw.Draw(image).rectangle((4, 0, 7, 3), fill=high)  # type: ignore[arg-type]
    return image


def _palette() -> Image.Image:
    return _half("RGB", (0, 0, 0), (255, 255, 255)).convert("P", palette=Image.Palette.ADAPTIVE)


def _sixteen_bits() -> Image.Image:
    values = np.zeros((4, 8), np.uint16)
    values[:, 4:] = 65_535
    return Image.fromarray(values)


_KINDS: dict[str, Callable[[], Image.Image]] = {
    "grey": lambda: _half("L", 0, 255),
    "1 bit": lambda: _half("1", 0, 1),
    "palette": _palette,
    "16 bits": _sixteen_bits,
    "colours": lambda: _half("RGB", "black", "white"),
    "painted": lambda: _half("RGBA", (9, 9, 9, 0), (9, 9, 9, 255)),
    "opaque with alpha": lambda: _half("RGBA", (0, 0, 0, 255), (255, 255, 255, 255)),
    "grey with alpha": lambda: _half("LA", (0, 255), (255, 255)),
}


@pytest.mark.parametrize("kind", _KINDS)
def test_right_half_is_repainted(kind: str, tmp_path: Path) -> None:
    _KINDS[kind]().save(tmp_path / "mask.png")
    mask = open_mask(tmp_path / "mask.png").image
    assert mask.mode == "L"
    assert np.array_equal(np.array(mask), np.array(_half("L", 0, 255)))


def test_mask_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    _half("L", 0, 255).save(tmp_path / "mask.png", exif=exif)
    mask = open_mask(tmp_path / "mask.png").image
    assert mask.size == (4, 8)
    assert np.array(mask)[5:].all()


def test_first_frame_of_an_animation_is_the_mask(tmp_path: Path) -> None:
    frames = [_half("L", 0, 255), Image.new("L", _SIZE)]
    frames[0].save(tmp_path / "mask.gif", save_all=True, append_images=frames[1:])
    assert open_mask(tmp_path / "mask.gif").image.getbbox() == (4, 0, 8, 4)


def test_transparent_part_is_repainted(tmp_path: Path) -> None:
    _half("RGBA", (9, 9, 9, 255), (9, 9, 9, 0)).save(tmp_path / "picture.png")
    assert open_transparency(tmp_path / "picture.png").image.getbbox() == (4, 0, 8, 4)


def test_picture_without_transparency_has_nothing_to_repaint(tmp_path: Path) -> None:
    Image.new("RGB", _SIZE).save(tmp_path / "picture.png")
    with pytest.raises(ImageError, match=r"nothing in .* is transparent"):
        open_transparency(tmp_path / "picture.png")


def test_missing_mask_is_called_a_mask(tmp_path: Path) -> None:
    (tmp_path / "mask.png").write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"the mask .* can't be used"):
        open_mask(tmp_path / "mask.png")


def test_grey_stays_grey() -> None:
    assert mask_in(Image.new("L", _SIZE, 100)).getextrema() == (100, 100)


def test_blur_is_a_gaussian_of_that_radius() -> None:
    mask = Image.new("L", (101, 101))
    mask.paste(255, (50, 0, 101, 101))
    profile = np.array(blurred(mask, 4))[50].astype(int)
    offsets = np.arange(-10, 11)
    weights = np.exp(-(offsets**2) / (2 * 4**2))
    weights /= weights.sum()
    expected = [round(255 * sum(weights[offsets >= 50 - x])) for x in range(30, 70)]
    assert np.abs(profile[30:70] - expected).max() <= 1


def test_blur_leaves_what_it_does_not_reach() -> None:
    mask = Image.new("L", (100, 40))
    mask.paste(255, (60, 10, 70, 20))
    left, top, right, bottom = blurred(mask, 4).getbbox() or (0, 0, 0, 0)
    assert 50 <= left < 54
    assert 0 <= top < 4
    assert 76 < right <= 80
    assert 26 < bottom <= 30
    assert blurred(mask, 0) is mask
    assert is_empty(blurred(Image.new("L", (10, 10)), 4))


def test_blur_of_a_white_mask_is_white() -> None:
    assert blurred(Image.new("L", (9, 3), 255), 4).getextrema() == (255, 255)


def test_amplified_mask_stays_black_where_it_was() -> None:
    mask = Image.new("L", (3, 1))
    mask.putdata([0, 100, 200])
    assert list(amplified(mask, 2).tobytes()) == [0, 200, 255]
