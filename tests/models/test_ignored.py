"""Fields that a model leaves out are known before it is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sdtui.models import ModelDescription, NativeValues
from sdtui.models.ignored import ignored_fields, unused_fields
from sdtui.models.own_sizes import own_size
from sdtui.models.pipeline_traits import traits_of
from tests.support.requests import make_request


def _model(pipeline_class: str, guidance: float | None = None, **configs: Any) -> ModelDescription:
    traits = traits_of(pipeline_class, **configs)
    return ModelDescription(
        path=Path("m"),
        family={"StableDiffusionXLPipeline": "sdxl"}.get(pipeline_class, pipeline_class),
        pipeline_class=pipeline_class,
        parameters={},
        native=NativeValues(guidance_scale=traits.guidance_scale if guidance is None else guidance),
        traits=traits,
    )


_SCHNELL = _model("FluxPipeline", 0.0, denoiser={"guidance_embeds": False})


@pytest.mark.parametrize(
    ("model", "values", "ignored"),
    [
        (_model("FluxPipeline"), {"negative_prompt": "blur", "guidance_scale": 3}, "negative"),
        (_model("FluxPipeline"), {"negative_prompt": "blur", "true_cfg_scale": 3}, ""),
        (_model("ZImagePipeline"), {"true_cfg_scale": 3}, "true_cfg_scale"),
        (_SCHNELL, {"guidance_scale": 3}, "guidance_scale"),
        (_model("QwenImagePipeline"), {"negative_prompt": "blur"}, ""),
        (_model("QwenImagePipeline"), {"negative_prompt": "blur", "guidance_scale": 1}, "negative"),
        (_model("ZImagePipeline", 0.0), {"negative_prompt": "blur"}, "negative"),
        (_model("ZImagePipeline", 0.0), {"negative_prompt": "blur", "guidance_scale": 0.5}, ""),
        (_model("FluxKontextPipeline"), {"init_image": "a.png", "strength": 0.5}, "strength"),
        (_model("FluxPipeline"), {"init_image": "a.png", "strength": 0.5}, ""),
        (_model("FluxPipeline"), {"clip_skip": 2, "tiling": True}, "clip_skip tiling"),
        (_model("StableDiffusionXLPipeline"), {"clip_skip": 2, "negative_prompt": "blur"}, ""),
        (
            _model("StableDiffusionXLPipeline"),
            {"prompt": "a<lora:sdxl_lightning_4step:1>", "negative_prompt": "blur"},
            "negative",
        ),
        (_model("FluxPipeline"), {"prompt": "a cat", "vae": "none"}, ""),
    ],
)
def test_fields_without_effect_are_known(
    model: ModelDescription, values: dict[str, Any], ignored: str
) -> None:
    found = ignored_fields(model, make_request(Path("m"), **values))
    assert " ".join(sorted(found)).replace("negative_prompt", "negative") == ignored


@pytest.mark.parametrize(
    ("pipeline_class", "size", "own"),
    [
        ("FluxPipeline", (640, 480), (640, 480)),
        ("Kandinsky5T2IPipeline", (640, 480), (1152, 896)),
        ("Kandinsky5T2IPipeline", (640, 1408), (640, 1408)),
        ("StableCascadeCombinedPipeline", (1000, 1024), (1024, 1024)),
    ],
)
def test_own_sizes_of_families(
    pipeline_class: str, size: tuple[int, int], own: tuple[int, int]
) -> None:
    assert own_size(pipeline_class, size, 1024**2) == own


def test_reason_names_the_family() -> None:
    reasons = unused_fields(_model("Flux2KleinPipeline"))
    assert reasons["negative_prompt"] == "Flux.2 Klein takes no negative prompt"
    assert "controls" in reasons


@pytest.mark.parametrize(
    ("pipeline_class", "missing"),
    [
        ("SanaPipeline", {"init_image", "mask_image", "outpaint", "hires_scale"}),
        ("Flux2Pipeline", {"mask_image", "outpaint"}),
        ("FluxPipeline", set()),
        ("FuturePipeline", set()),
        ("StableDiffusionXLPipeline", set()),
    ],
)
def test_what_a_family_cannot_start_from_is_known(pipeline_class: str, missing: set[str]) -> None:
    names = {"init_image", "mask_image", "outpaint", "hires_scale"}
    assert unused_fields(_model(pipeline_class)).keys() & names == missing
