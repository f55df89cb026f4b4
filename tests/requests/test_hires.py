"""The sizes of a second pass, by the arithmetic of A1111's `calculate_target_resolution`."""

from __future__ import annotations

import pytest

from sdtui.core.errors import InvalidRequestError
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.hires import Hires, HiresSize


@pytest.mark.parametrize(
    ("first", "section", "scaled", "cropped"),
    [
        ((512, 512), Hires(2), (1024, 1024), (0, 0)),
        ((512, 768), Hires(1.5), (768, 1152), (0, 0)),
        ((512, 512), Hires(1.51), (768, 768), (0, 0)),  # 773 pixels, 96 latents
        ((640, 448), Hires(1.3), (832, 576), (0, 0)),  # 582 pixels
        ((512, 768), Hires(2, width=1024), (1024, 1536), (0, 0)),
        ((512, 768), Hires(2, height=1024), (680, 1024), (0, 0)),  # 682 pixels
        ((512, 768), Hires(2, width=1024, height=1024), (1024, 1536), (0, 512)),
        ((768, 512), Hires(2, width=1024, height=1024), (1536, 1024), (512, 0)),
        ((512, 512), Hires(2, width=1024, height=1024), (1024, 1024), (0, 0)),
        ((512, 512), Hires(2, width=1280, height=720), (1280, 1280), (0, 560)),
        ((512, 704), Hires(2, width=1000, height=1024), (1000, 1368), (0, 344)),  # 1375 pixels
    ],
)
def test_sizes_are_those_of_a1111(
    first: tuple[int, int], section: Hires, scaled: tuple[int, int], cropped: tuple[int, int]
) -> None:
    size = section.enlarged(*first, 8)
    assert (size.scaled, size.cropped) == (scaled, cropped)
    assert size.size == (scaled[0] - cropped[0], scaled[1] - cropped[1])


def test_sizes_are_multiples_of_the_models() -> None:
    assert Hires(1.55).enlarged(512, 512, 16).size == (784, 784)


def test_share_of_an_enlargement_keeps_multiples() -> None:
    size = HiresSize((1024, 1536), (0, 512))
    assert size.reduced(512, 768, 0.5, 8) == HiresSize((768, 1152), (0, 256))
    assert size.reduced(512, 768, 1, 8) == size


def test_values_of_hires_need_a_scale() -> None:
    with pytest.raises(InvalidRequestError, match="only has a meaning together with hires_scale"):
        GenerationRequest.parse({"prompt": "a cat", "hires_steps": 10})


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"hires_scale": 0.5}, "hires_scale"),
        ({"hires_scale": 9}, "hires_scale"),
        ({"hires_scale": "two"}, "hires_scale"),
        ({"hires_scale": 2, "hires_width": 1001}, "multiple of 8"),
        ({"hires_scale": 2, "hires_strength": 1.1}, "hires_strength"),
        ({"hires_scale": 2, "hires_steps": 0}, "hires_steps"),
        ({"hires_scale": 2, "hires_sampler": "Eulr"}, "did you mean"),
    ],
)
def test_wrong_value_is_refused(values: dict[str, object], problem: str) -> None:
    with pytest.raises(InvalidRequestError, match=problem):
        GenerationRequest.parse({"prompt": "a cat", **values})


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("latent", "Latent"),
        ("LATENT (Nearest-Exact)", "Latent (nearest-exact)"),
        ("4x-UltraSharp", "4x-UltraSharp"),
        ("  ", None),
    ],
)
def test_upscaler_of_latents_is_known_in_any_case(written: str, name: str | None) -> None:
    request = GenerationRequest.parse(
        {"prompt": "a cat", "hires_scale": 2, "hires_upscaler": written}
    )
    assert request.hires is not None
    assert request.hires.upscaler == name
