"""Control maps by arithmetic: edges, lines, sizes and borders."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sdtui.core.enums import ImageFit
from sdtui.core.pictures.canny import canny
from sdtui.core.pictures.control_maps import (
    control_map,
    fitted,
    is_arithmetic,
    resized,
    working_size,
)
from sdtui.core.pictures.gaussian import gaussian_blur
from sdtui.core.pictures.preprocessors import PREPROCESSORS, chosen_values, preprocessor_name


def _square() -> Image.Image:
    image = Image.new("RGB", (64, 48))
    ImageDraw.Draw(image).rectangle((16, 12, 47, 35), fill="white")
    return image


def test_edges_of_a_square_are_one_pixel_wide() -> None:
    edges = np.asarray(control_map(_square(), "canny", None, None))[..., 0] > 0
    assert edges[24].sum() == 2
    assert edges[:, 32].sum() == 2
    assert not edges[:10].any()
    assert not edges[20:28, 20:40].any()


def test_weak_edge_counts_only_beside_a_strong_one() -> None:
    pixels = np.zeros((40, 40, 1), np.uint8)
    pixels[:, 20:] = 30  # a gradient of 120
    assert not canny(pixels, 100, 200).any()
    pixels[:5, 20:] = 255
    assert canny(pixels, 100, 200)[30].any()
    pixels[5:12] = 0  # parts the weak edge from the strong one
    assert not canny(pixels, 100, 200)[30].any()


def test_thresholds_in_either_order_are_the_same() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (30, 40, 3)).astype(np.uint8)
    assert (canny(noise, 100, 200) == canny(noise, 200, 100)).all()
    assert (canny(noise, 300, 600) <= canny(noise, 100, 200)).all()


def test_edges_are_those_of_the_definition() -> None:
    """Compares with a slow copy of the rules, pixel by pixel."""
    pixels = np.random.default_rng(1).integers(0, 255, (12, 14, 3)).astype(np.uint8)
    assert (canny(pixels, 250, 500) == _slow_canny(pixels, 250, 500)).all()


def _slow_canny(pixels: np.ndarray, low: float, high: float) -> np.ndarray:
    height, width, channels = pixels.shape
    padded = np.pad(pixels.astype(int), ((1, 1), (1, 1), (0, 0)), mode="edge")
    dx, dy, size = (np.zeros((height, width), int) for _ in range(3))
    for y in range(height):
        for x in range(width):
            for channel in range(channels):
                window = padded[y : y + 3, x : x + 3, channel]
                across = (window[:, 2] - window[:, 0]) @ np.array([1, 2, 1])
                down = (window[2] - window[0]) @ np.array([1, 2, 1])
                if abs(across) + abs(down) > size[y, x]:
                    size[y, x] = abs(across) + abs(down)
                    dx[y, x], dy[y, x] = across, down
    around = np.pad(size, 1)
    ridge = np.zeros((height, width), bool)
    for y in range(height):
        for x in range(width):
            here, at = size[y, x], (y + 1, x + 1)
            steep, level = abs(dy[y, x]) * 2**15, abs(dx[y, x]) * 13573
            if steep < level:
                largest = here > around[at[0], at[1] - 1] and here >= around[at[0], at[1] + 1]
            elif steep > level + abs(dx[y, x]) * 2**16:
                largest = here > around[at[0] - 1, at[1]] and here >= around[at[0] + 1, at[1]]
            else:
                side = -1 if (dx[y, x] < 0) != (dy[y, x] < 0) else 1
                before, after = around[at[0] - 1, at[1] - side], around[at[0] + 1, at[1] + side]
                largest = here > before and here > after
            ridge[y, x] = largest and here > low
    edges = ridge & (size > high)
    while True:
        grown = np.pad(edges, 1)
        near = np.zeros_like(edges)
        for down in range(3):
            for right in range(3):
                near |= grown[down : down + height, right : right + width]
        if not (near & ridge & ~edges).any():
            return edges.astype(np.uint8) * 255
        edges |= near & ridge


def test_blur_keeps_the_sum_and_mirrors_the_border() -> None:
    flat = np.full((9, 7), 5.0, np.float32)
    assert np.allclose(gaussian_blur(flat, 3.0), 5.0, atol=1e-4)
    point = np.zeros((31, 31), np.float32)
    point[15, 15] = 1
    blurred = gaussian_blur(point, 2.0)
    assert blurred.sum() == pytest.approx(1, abs=1e-3)
    assert blurred[15, 15] == pytest.approx(1 / (2 * np.pi * 4), rel=0.01)


@pytest.mark.parametrize("name", [each for each in PREPROCESSORS if is_arithmetic(each)])
@pytest.mark.parametrize("size", [(1, 1), (3, 200), (64, 48)])
def test_map_has_the_size_of_the_picture(name: str, size: tuple[int, int]) -> None:
    made = control_map(_square().resize(size), name, None, None)
    assert (made.size, made.mode) == (size, "RGB")


def test_lines_are_white_where_the_picture_has_dark_ones() -> None:
    paper = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(paper).line((32, 4, 32, 60), fill="black", width=2)
    for name in ("scribble", "lineart"):
        made = np.asarray(control_map(paper, name, None, None))[..., 0]
        assert made[32, 32] > 100, name
        assert made[32, 8] < 30, name


def test_values_out_of_the_limits_are_the_preprocessors_own() -> None:
    assert chosen_values("canny", -1, 5000) == (100, 200)
    assert chosen_values("canny", 50, None) == (50, 200)
    assert chosen_values("none", 5, 5) == (0, 0)


def test_preprocessor_works_at_its_resolution_or_at_that_of_the_target() -> None:
    assert working_size((800, 400), (512, 512), 200, ImageFit.CROP) == (400, 200)
    assert working_size((800, 400), (512, 512), None, ImageFit.CROP) == (1024, 512)
    assert working_size((800, 400), (512, 512), None, ImageFit.PAD) == (512, 256)
    assert working_size((3000, 20), (512, 512), 512, ImageFit.CROP) == (4096, 27)


def test_map_is_cropped_padded_or_stretched() -> None:
    image = _square()
    for fit in ImageFit:
        assert fitted(image, (48, 48), fit).size == (48, 48)
    padded = np.asarray(fitted(image.convert("RGB"), (64, 96), ImageFit.PAD))
    assert not padded[:20].any()  # the colour of the edge
    assert padded[48, 32].all()


def test_edges_stay_black_and_white_when_they_are_enlarged() -> None:
    edges = control_map(_square(), "canny", None, None)
    assert len(resized(edges, (256, 192)).getcolors() or ()) == 2


def test_names_of_a1111_and_typing_errors() -> None:
    assert preprocessor_name("invert (from white bg & black line)") == "invert"
    assert preprocessor_name(" Gray ") == "grey"
    with pytest.raises(ValueError, match="did you mean canny"):
        preprocessor_name("canni")
