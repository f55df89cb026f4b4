"""Hires fix in A1111's infotext, written and read."""

from __future__ import annotations

from typing import Any

import pytest

from sdtui.history import write_infotext
from sdtui.history.importers import read_infotext
from sdtui.requests.record import ImageSettings
from sdtui.requests.request import GenerationRequest
from tests.support.records import record

_A1111 = (
    "a castle\nNegative prompt: blurry\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, "
    "CFG scale: 7, Seed: 1, Size: 512x768, Model: x, Denoising strength: 0.4, {hires}, "
    "Version: v1.10.1"
)


def _read(hires: str) -> dict[str, Any]:
    found = read_infotext(_A1111.format(hires=hires))
    assert not [each for each in found.not_carried if "ires" in each]
    GenerationRequest.parse(found.values)
    return {name: value for name, value in found.values.items() if name.startswith("hires_")}


@pytest.mark.parametrize(
    ("hires", "values"),
    [
        (
            "Hires upscale: 1.5, Hires steps: 10, Hires upscaler: 4x-UltraSharp",
            {"hires_scale": 1.5, "hires_steps": 10, "hires_upscaler": "4x-UltraSharp"},
        ),
        ("Hires upscale: 2, Hires steps: 0", {"hires_scale": 2}),
        ("Hires resize: 1024x0", {"hires_scale": 2, "hires_width": 1024}),
        (
            "Hires resize: 1024x1024, Hires upscaler: Latent (nearest-exact)",
            {
                "hires_scale": 2,
                "hires_width": 1024,
                "hires_height": 1024,
                "hires_upscaler": "Latent (nearest-exact)",
            },
        ),
        (
            'Hires upscale: 2, Hires prompt: "a castle, big", Hires negative prompt: ugly, '
            "Hires CFG Scale: 5",
            {
                "hires_scale": 2,
                "hires_prompt": "a castle, big",
                "hires_negative_prompt": "ugly",
                "hires_guidance_scale": 5,
            },
        ),
        (
            "Hires upscale: 2, Hires sampler: Euler a, Hires schedule type: Automatic",
            {"hires_scale": 2, "hires_sampler": "Euler a"},
        ),
        (
            "Hires upscale: 2, Hires schedule type: Exponential",
            {"hires_scale": 2, "hires_sampler": "DPM++ 2M Exponential"},
        ),
    ],
)
def test_pictures_of_a1111_are_read(hires: str, values: dict[str, Any]) -> None:
    assert _read(hires) == {**values, "hires_strength": 0.4}


def test_first_pass_size_of_old_versions_is_read() -> None:
    found = read_infotext(_A1111.format(hires="First pass size: 256x384")).values
    assert (found["width"], found["height"]) == (256, 384)
    assert (found["hires_width"], found["hires_height"], found["hires_scale"]) == (512, 768, 2)


@pytest.mark.parametrize("hires", ["Hires upscale: 0.5", "Hires upscale: 99, Hires steps: 3"])
def test_scale_that_is_no_scale_leaves_hires_out(hires: str) -> None:
    found = read_infotext(_A1111.format(hires=hires))
    assert not [name for name in found.values if name.startswith("hires_")]
    GenerationRequest.parse(found.values)


@pytest.mark.parametrize(
    ("values", "pairs"),
    [
        (
            {"hires_scale": 1.5},
            "Denoising strength: 0.7, Hires upscale: 1.5, Hires upscaler: Latent",
        ),
        (
            {"hires_scale": 2, "hires_width": 1024, "hires_steps": 9},
            "Denoising strength: 0.7, Hires upscaler: Latent, Hires steps: 9, Hires resize: 1024x0",
        ),
        (
            {
                "hires_scale": 2,
                "hires_prompt": "a dog, big",
                "hires_sampler": "Euler a",
                "hires_guidance_scale": 4.5,
            },
            "Denoising strength: 0.7, Hires upscale: 2, Hires upscaler: Latent, "
            'Hires prompt: "a dog, big", Hires CFG Scale: 4.5, Hires sampler: Euler a',
        ),
        (
            {"hires_scale": 2, "init_image": "/a.png", "strength": 0.5},
            "Denoising strength: 0.5, Hires upscale: 2, Hires upscaler: Latent, "
            "Hires strength: 0.7",
        ),
    ],
)
def test_hires_is_written_as_a1111_does(values: dict[str, Any], pairs: str) -> None:
    text = _written(values)
    assert f"{pairs}, " in text
    assert "Size: 512x512, " in text
    again = read_infotext(text, input_images=("init_image",)).values
    kept = {name: value for name, value in values.items() if name != "init_image"}
    assert {name: again[name] for name in kept} == kept
    assert again["hires_strength"] == 0.7


def test_nothing_is_written_without_hires() -> None:
    assert "ires" not in _written({"hires_scale": None}).partition("\n")[2]


def _written(values: dict[str, Any]) -> str:
    request = GenerationRequest.parse({"prompt": "a cat", **values})
    used = (
        {}
        if values["hires_scale"] is None
        else {
            "hires_strength": 0.7,
            "hires_upscaler": "Latent",
        }
    )
    made = record()
    settings = ImageSettings.model_validate(
        {
            "sampler": "Euler",
            "width": 512,
            "height": 512,
            **used,
            **({"strength": values["strength"]} if "strength" in values else {}),
        }
    )
    images = (made.images[0].model_copy(update={"width": 1024, "height": 1024}),)
    return write_infotext(
        made.model_copy(update={"request": request, "settings": settings, "images": images})
    )
