"""Arguments of pipelines' calls, and what families make of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import pytest

from sdtui.engine.call_defaults import call_defaults, guidance_argument
from sdtui.engine.families.call import call_arguments
from sdtui.engine.passes import Pass
from sdtui.models.pipeline_traits import traits_of
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
        ("StableDiffusionPipeline", 8, 8),
        ("PixArtSigmaPipeline", 8, 16),
    ],
)
def test_multiple_is_what_the_pipeline_accepts(
    pipeline_class: str, factor: int, multiple: int
) -> None:
    assert traits_of(pipeline_class).patch * factor == multiple


_QWEN = {
    "prompt": None,
    "negative_prompt": None,
    "true_cfg_scale": 4.0,
    "guidance_scale": None,
}


def _arguments(count: int = 1, **values: Any) -> dict[str, Any]:
    """Return the arguments for a pipeline like Qwen-Image."""
    request: Any = make_request(Path("m"), **values)
    return call_arguments(Pass(request), count, (), _QWEN, traits_of("QwenImagePipeline"))


@pytest.mark.parametrize(
    ("negative", "guidance", "expected"),
    [("", 4.0, " "), ("blurry", 4.0, "blurry"), ("", 1.0, None)],
)
def test_qwen_image_is_guided_without_a_negative_prompt(
    negative: str, guidance: float, expected: str | None
) -> None:
    arguments = _arguments(negative_prompt=negative, guidance_scale=guidance)
    assert arguments.get("negative_prompt") == expected
    assert arguments["true_cfg_scale"] == guidance
    assert "guidance_scale" not in arguments


def test_prompt_is_repeated_for_a_call_that_takes_no_number_of_pictures() -> None:
    arguments = _arguments(2, guidance_scale=1)
    assert arguments["prompt"] == ["a red cat", "a red cat"]
    assert "num_images_per_prompt" not in arguments
