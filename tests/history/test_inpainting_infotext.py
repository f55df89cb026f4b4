"""What A1111 writes about inpainting, read and written."""

from __future__ import annotations

from typing import Any

import pytest

from sdtui.core.enums import InpaintFill
from sdtui.history.importers import read_infotext
from sdtui.history.infotext import format_infotext
from sdtui.requests.request import GenerationRequest

_START = "a cat\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 512x512"
_IMAGES = ("init_image", "mask_image")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Denoising strength: 0.6, Mask blur: 8", {"strength": 0.6, "mask_blur": 8}),
        ("Mask mode: Inpaint not masked", {"mask_invert": True}),
        (
            "Inpaint area: Only masked, Masked area padding: 16",
            {"only_masked": True, "masked_padding": 16},
        ),
        ("Masked content: fill", {"inpaint_fill": InpaintFill.FILL}),
        ("Masked content: latent noise", {"inpaint_fill": InpaintFill.NOISE}),
        ("Masked content: latent nothing", {"inpaint_fill": InpaintFill.NOTHING}),
        ("Soft inpainting enabled: True", {"soft_inpainting": True}),
        ("Noise multiplier: 0.9", {"noise_multiplier": 0.9}),
    ],
)
def test_infotext_of_a1111_is_read(written: str, expected: dict[str, Any]) -> None:
    found = read_infotext(f"{_START}, {written}, Version: v1.10.1", input_images=_IMAGES)
    assert expected.items() <= found.values.items()
    assert not found.not_carried


def test_settings_of_a_mask_that_is_not_there_are_named() -> None:
    found = read_infotext(f"{_START}, Mask blur: 8")
    assert "mask_blur" not in found.values
    assert found.not_carried == ("Mask blur 8: the mask is not in the picture",)


@pytest.mark.parametrize(
    "values",
    [
        {"mask_blur": 8, "mask_invert": True},
        {"only_masked": True, "masked_padding": 0, "inpaint_fill": InpaintFill.FILL},
        {"inpaint_fill": InpaintFill.NOISE, "soft_inpainting": True, "noise_multiplier": 1.1},
    ],
)
def test_written_infotext_is_read_back(values: dict[str, Any]) -> None:
    images = {"init_image": "in.png", "mask_image": "mask.png"}
    request = GenerationRequest.parse({"prompt": "a cat", "seed": 1, **images, **values})
    text = format_infotext({**request.values(), "num_inference_steps": 20}, {})
    assert ("Mask blur: 4" in text) == ("mask_blur" not in values)
    assert values.items() <= read_infotext(text, input_images=_IMAGES).values.items()


def test_pictures_without_a_mask_have_nothing_of_it_in_their_infotext() -> None:
    request = GenerationRequest.parse({"prompt": "a cat", "init_image": "in.png"})
    text = format_infotext(request.values(), {})
    for word in ("Mask", "Inpaint", "Noise multiplier", "Soft"):
        assert word not in text
