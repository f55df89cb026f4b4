"""The size of upscaled pictures, and upscalers in requests."""

from __future__ import annotations

import pytest

from sdtui.core.errors import InvalidRequestError
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.upscale import Upscale


@pytest.mark.parametrize(
    ("section", "size"),
    [
        (Upscale(factor=4), (132, 188, 132, 188)),
        (Upscale(factor=1.5), (50, 70, 50, 70)),
        (Upscale(width=66), (66, 94, 66, 94)),
        (Upscale(height=94), (66, 94, 66, 94)),
        (Upscale(width=100, height=100), (100, 142, 100, 100)),
        (Upscale(width=100, height=100, crop=False), (100, 142, 100, 142)),
        (Upscale(width=33, height=200), (140, 200, 33, 200)),
        (Upscale(), (33, 47, 33, 47)),
    ],
)
def test_size_of_a_picture_of_33_by_47(section: Upscale, size: tuple[int, ...]) -> None:
    assert section.size_of(33, 47) == size


def test_sides_longer_than_16384_are_refused() -> None:
    with pytest.raises(ValueError, match="20000×20000"):
        Upscale(factor=8).size_of(2500, 2500)


def test_more_pixels_than_pillow_opens_are_refused() -> None:
    with pytest.raises(ValueError, match=r"12000×8000 pixels, 96 million; .* 89 million"):
        Upscale(factor=8).size_of(1500, 1000)


def test_nothing_is_upscaled_without_a_size_or_a_picture() -> None:
    assert not Upscale(upscaler="Nearest").is_wanted
    assert Upscale(factor=1).is_wanted


def test_spelling_of_built_in_upscalers_is_corrected() -> None:
    request = GenerationRequest.parse({"prompt": "x", "upscale_factor": 2, "upscaler": "lanczos"})
    assert request.upscale.upscaler == "Lanczos"
    request = GenerationRequest.parse({"prompt": "x", "upscaler": " "})
    assert request.upscale.upscaler is None


def test_second_upscaler_is_half_visible_unless_told_otherwise() -> None:
    assert Upscale(second="Nearest").second_visibility == 0.5
    assert Upscale(second="Nearest", visibility=0.2).second_visibility == 0.2
    assert Upscale(visibility=0.2).second_visibility == 0


@pytest.mark.parametrize("factor", [0.5, 9, "x", float("nan")])
def test_wrong_factor_is_refused(factor: object) -> None:
    with pytest.raises(InvalidRequestError, match="upscale_factor"):
        GenerationRequest.parse({"prompt": "x", "upscale_factor": factor})
