"""What a model repaints, and how it gets back into the picture."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from sdtui.core.enums import ImageFit
from sdtui.core.pictures.canvas import Sides, border_mask, extended, placed, rounded_up
from sdtui.core.pictures.crop import expanded, padded
from sdtui.core.pictures.fill import filled
from sdtui.core.pictures.fit import fit_exactly, fit_mask
from sdtui.core.pictures.masks import blurred
from sdtui.core.pictures.repainting import only_masked, whole_picture


def _noise(size: tuple[int, int]) -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(values)


def _mask(size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    mask = Image.new("L", size)
    mask.paste(255, box)
    return mask


# The numbers are those of get_crop_region_v2 and expand_crop_region of A1111 1.10.
@pytest.mark.parametrize(
    ("box", "padding", "target", "size", "expected"),
    [
        ((100, 100, 228, 132), 0, (512, 512), (512, 512), (100, 52, 228, 180)),
        ((100, 100, 228, 132), 32, (512, 512), (512, 512), (68, 20, 260, 212)),
        ((0, 0, 20, 100), 0, (512, 512), (512, 512), (0, 0, 100, 100)),
        ((480, 500, 512, 512), 8, (768, 512), (512, 512), (472, 486, 512, 512)),
        ((10, 10, 500, 20), 0, (512, 512), (512, 200), (10, 0, 500, 200)),
        ((30, 0, 40, 99), 0, (512, 768), (64, 99), (0, 0, 64, 99)),
    ],
)
def test_box_is_that_of_a1111(
    box: tuple[int, int, int, int],
    padding: int,
    target: tuple[int, int],
    size: tuple[int, int],
    expected: tuple[int, int, int, int],
) -> None:
    assert expanded(padded(box, padding, size), target, size) == expected


@pytest.mark.parametrize("size", [(64, 48), (128, 96), (32, 32)])
def test_pixels_outside_the_mask_are_the_originals(size: tuple[int, int]) -> None:
    picture = _noise((64, 48))
    mask = blurred(_mask(picture.size, (20, 16, 40, 30)), 2)
    kept = np.array(mask) == 0
    for repainting in (
        whole_picture(picture, mask, size),
        only_masked(picture, mask, size, padding=4),
    ):
        assert repainting.image.size == repainting.mask.size == size
        result = repainting.pasted(Image.new("RGB", size, "red"))
        assert np.array_equal(np.array(result)[kept], np.array(picture)[kept])
        assert result.getpixel((30, 22)) == (255, 0, 0)


def test_only_masked_shows_the_box_in_full_size() -> None:
    picture = Image.new("RGB", (100, 100), "white")
    picture.paste("blue", (40, 40, 60, 60))
    repainting = only_masked(picture, _mask(picture.size, (40, 40, 60, 60)), (64, 64), padding=0)
    assert repainting.box == (40, 40, 60, 60)
    assert repainting.image.getpixel((5, 5)) == (0, 0, 255)
    assert repainting.pasted(Image.new("RGB", (64, 64), "red")).getpixel((41, 41)) == (255, 0, 0)


def test_picture_that_is_slightly_too_large_is_cut_and_not_scaled() -> None:
    picture = _noise((70, 67))
    fitted = fit_exactly(picture, 64, 64, ImageFit.CROP)
    assert fitted.tobytes() == picture.crop((3, 1, 67, 65)).tobytes()
    mask = _mask(picture.size, (3, 1, 4, 2))
    assert fit_mask(mask, 64, 64, ImageFit.CROP).getbbox() == (0, 0, 1, 1)


def test_bars_of_a_padded_mask_are_kept() -> None:
    fitted = fit_mask(Image.new("L", (64, 32), 255), 64, 64, ImageFit.PAD)
    assert fitted.getbbox() == (0, 16, 64, 48)


def test_fill_takes_the_colours_around() -> None:
    picture = Image.new("RGB", (64, 64), "green")
    picture.paste("red", (24, 24, 40, 40))
    result = filled(picture, _mask(picture.size, (22, 22, 42, 42)))
    red, green, _ = result.getpixel((32, 32))  # type: ignore[misc]
    assert red == 0
    assert green in (127, 128)
    assert result.getpixel((2, 2)) == (0, 128, 0)


def test_fill_of_a_whole_picture_is_its_mean_colour() -> None:
    picture = Image.new("RGB", (8, 8), (10, 20, 30))
    assert filled(picture, Image.new("L", (8, 8), 255)).getpixel((3, 3)) == (10, 20, 30)


def test_canvas_keeps_the_picture_and_has_its_edge_colours() -> None:
    picture = _noise((24, 16))
    picture.paste("blue", (0, 0, 1, 16))
    sides = Sides(left=64, bottom=8)
    canvas = extended(picture, sides)
    assert canvas.size == (88, 24)
    assert canvas.crop((64, 0, 88, 16)).tobytes() == picture.tobytes()
    assert canvas.getpixel((0, 4)) == (0, 0, 255)


def test_border_is_repainted_with_a_part_of_the_picture() -> None:
    mask = np.array(border_mask((64, 64), Sides(left=16, bottom=8)))
    assert mask.shape == (72, 80)
    assert mask[:, : 16 + 8].all()
    assert mask[64 - 8 :].all()
    assert not mask[: 64 - 8, 16 + 8 :].any()


def test_tiny_picture_is_repainted_whole() -> None:
    assert border_mask((8, 8), Sides(8, 8, 8, 8)).getextrema() == (255, 255)


def test_extended_sides_are_rounded_up() -> None:
    assert rounded_up(Sides(left=8, right=8), (61, 61), 8) == Sides(left=8, right=11)
    assert rounded_up(Sides(top=8), (61, 61), 8) == Sides(top=11)


def test_mask_moves_with_the_picture() -> None:
    mask = _mask((10, 10), (0, 0, 2, 2))
    assert placed(mask, Sides(left=8, top=16)).getbbox() == (8, 16, 10, 18)
