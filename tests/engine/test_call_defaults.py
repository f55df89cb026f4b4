"""Arguments of pipelines' calls, and what families make of them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import diffusers
import pytest

from sdtui.engine.call_defaults import call_defaults, guidance_argument
from sdtui.engine.families.generic import GenericFamily
from sdtui.engine.noise import BatchNoise
from sdtui.engine.passes import Pass
from tests.support.requests import make_request


@pytest.mark.parametrize(
    ("pipeline_class", "argument", "default"),
    [
        ("FluxPipeline", "guidance_scale", 3.5),
        ("QwenImagePipeline", "true_cfg_scale", 4.0),
        ("QwenImage21Pipeline", "true_cfg_scale", 1.0),
        ("HunyuanImagePipeline", "distilled_guidance_scale", 3.25),
        ("Ideogram4Pipeline", "guidance_scale", None),
    ],
)
def test_guidance_is_given_as_the_pipeline_takes_it(
    pipeline_class: str, argument: str, default: float | None
) -> None:
    defaults = call_defaults(object.__new__(getattr(diffusers, pipeline_class)))
    assert guidance_argument(defaults) == argument
    assert defaults[argument] == default


@pytest.mark.parametrize(
    ("pipeline_class", "factor", "multiple"),
    [
        ("StableDiffusion3Pipeline", 8, 16),
        ("ZImagePipeline", 8, 16),
        ("Lumina2Pipeline", 8, 16),
        ("QwenImagePipeline", 8, 16),
        ("QwenImage21Pipeline", 16, 32),
        ("HunyuanImagePipeline", 32, 64),
        ("SanaPipeline", 32, 32),
        ("PixArtSigmaPipeline", 8, 8),
    ],
)
def test_multiple_is_what_the_pipeline_accepts(
    pipeline_class: str, factor: int, multiple: int
) -> None:
    pipeline = object.__new__(getattr(diffusers, pipeline_class))
    model: Any = SimpleNamespace(pipeline=pipeline, vae_factor=factor)
    assert GenericFamily().size_multiple(model) == multiple


class _Recorder:
    """Takes arguments like Qwen-Image, and remembers them."""

    def __init__(self) -> None:
        self.received: dict[str, Any] = {}

    def __call__(
        self,
        prompt: str,
        negative_prompt: str | None = None,
        true_cfg_scale: float = 4.0,
        guidance_scale: float | None = None,
    ) -> Any:
        self.received = {
            "prompt": prompt,
            "negative_prompt": negative_prompt,
            "true_cfg_scale": true_cfg_scale,
            "guidance_scale": guidance_scale,
        }
        return SimpleNamespace(images=[])

    def maybe_free_model_hooks(self) -> None: ...


@pytest.mark.parametrize(
    ("negative", "guidance", "expected"),
    [("", 4.0, " "), ("blurry", 4.0, "blurry"), ("", 1.0, None)],
)
def test_qwen_image_is_guided_without_a_negative_prompt(
    negative: str, guidance: float, expected: str | None
) -> None:
    pipeline = _Recorder()
    model: Any = SimpleNamespace(
        pipeline=pipeline, description=SimpleNamespace(pipeline_class="QwenImagePipeline")
    )
    request: Any = make_request(Path("m"), negative_prompt=negative, guidance_scale=guidance)
    batch: Any = SimpleNamespace(
        pass_=Pass(request),
        seeds=(1,),
        arguments={},
        noise=lambda: BatchNoise(request.noise, (1,)),
    )
    GenericFamily().denoise(model, batch, lambda _: None, watch=False)
    assert pipeline.received == {
        "prompt": "a red cat",
        "negative_prompt": expected,
        "true_cfg_scale": guidance,
        "guidance_scale": None,
    }


def test_prompt_is_repeated_for_a_call_that_takes_no_number_of_pictures() -> None:
    pipeline = _Recorder()
    model: Any = SimpleNamespace(
        pipeline=pipeline, description=SimpleNamespace(pipeline_class="LDMTextToImagePipeline")
    )
    request: Any = make_request(Path("m"), guidance_scale=1)
    batch: Any = SimpleNamespace(
        pass_=Pass(request),
        seeds=(1, 2),
        arguments={},
        noise=lambda: BatchNoise(request.noise, (1, 2)),
    )
    GenericFamily().denoise(model, batch, lambda _: None, watch=False)
    assert pipeline.received["prompt"] == ["a red cat", "a red cat"]
    assert "num_images_per_prompt" not in GenericFamily().not_accepted(model, batch)
