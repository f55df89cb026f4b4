"""What sdtui knows of pipelines without importing them is what diffusers' classes say."""

from __future__ import annotations

import inspect
import re
from typing import Any

import diffusers
import pytest

from sdtui.core.errors import UnsupportedModelError
from sdtui.engine.families.call import EXTRA
from sdtui.models.description import SDXL_REFINER
from sdtui.models.own_sizes import OWN_SIZES
from sdtui.models.pipeline_traits import TRAITS, traits_of
from sdtui.models.text_to_image import text_to_image_class

_FROM_MODEL_CARDS = {
    # Steps and guidance that differ on purpose from the defaults of the call.
    "DreamLiteMobilePipeline": (4, 0.0),
    "Flux2KleinKVPipeline": (4, 1.0),
    "Ideogram4Pipeline": (48, 7.0),
    "QwenImageEditPlusPipeline": (40, 4.0),
    "StableDiffusionPipeline": (25, 7.5),
    "StableDiffusionXLPipeline": (25, 5.0),
}
_WITHOUT_TRAITS = {
    # Old or experimental; they run with the commonest traits and their calls' defaults.
    *("AltDiffusionPipeline", "HunyuanDiTPAGPipeline", "KolorsPAGPipeline"),
    *("LDMTextToImagePipeline", "PixArtSigmaPAGPipeline", "SanaPAGPipeline"),
    *("SemanticStableDiffusionPipeline", "StableDiffusion3PAGPipeline"),
    *("StableDiffusionAttendAndExcitePipeline", "StableDiffusionGLIGENPipeline"),
    *("StableDiffusionModelEditingPipeline", "StableDiffusionPAGPipeline"),
    *("StableDiffusionPanoramaPipeline", "StableDiffusionParadigmsPipeline"),
    *("StableDiffusionSAGPipeline", "StableDiffusionXLPAGPipeline", "StableUnCLIPPipeline"),
    *("UnCLIPPipeline", "UniDiffuserPipeline", "VQDiffusionPipeline"),
    *("VersatileDiffusionPipeline", "VersatileDiffusionTextToImagePipeline"),
    "WuerstchenCombinedPipeline",
}
_CHANGES_THE_REQUEST = {
    *("clean_caption", "enable_prompt_rewrite", "use_pe", "use_resolution_binning"),
    *("_auto_resize", "guidance_schedule"),
}
"""Arguments by which a call replaces sizes, prompts or guidance by others."""
_LARGER = {"StableCascadeCombinedPipeline"}
"""Pipelines of models that are made for larger pictures than the default of the call."""
_OPTIONAL = {"KolorsPipeline"}
"""Pipelines that diffusers has only if another library is there."""
_REPLACES_SIZES = re.compile(r"^ +(width, height|height, width) = (?!\w+\.shape)", re.MULTILINE)
_IN_ANOTHER_CALL = {"StableCascadeCombinedPipeline"}
"""Pipelines whose parts replace sizes in calls of their own."""
_TAKE_SIZES = {
    *("BriaFibo2Pipeline", "Kandinsky3Pipeline", "Krea2Pipeline", "OmniGenPipeline"),
    "StableDiffusionPipeline",
}
"""Pipelines that replace a size that is open, or no multiple of what they need (which is refused
before), or that of a reference."""
_IN_BLOCKS = {"AnimaModularPipeline", "Flux3ModularPipeline", "Flux3DistilledModularPipeline"}
"""Pipelines whose calls take what their blocks take."""


def _defaults(pipeline_class: str) -> dict[str, Any]:
    parameters = inspect.signature(getattr(diffusers, pipeline_class).__call__).parameters
    return {name: each.default for name, each in parameters.items()}


@pytest.mark.parametrize("pipeline_class", sorted(TRAITS.keys() - _OPTIONAL - _IN_BLOCKS))
def test_traits_are_those_of_the_call(pipeline_class: str) -> None:
    traits, call = TRAITS[pipeline_class], _defaults(pipeline_class)
    guidance = call.get(traits.guidance) if traits.guidance else traits.guidance_scale
    expected = _FROM_MODEL_CARDS.get(pipeline_class, (call["num_inference_steps"], guidance))
    assert (traits.num_inference_steps, traits.guidance_scale) == expected
    assert traits.guidance is None or traits.guidance in call
    assert traits.text_length == call.get("max_sequence_length")
    assert call.keys() & _CHANGES_THE_REQUEST <= EXTRA.keys()
    if traits.negative:
        assert "negative_prompt" in call
    if "true_cfg_scale" in call:
        assert "true_cfg_scale" in (traits.guidance, traits.true_guidance)
    if isinstance(call["height"], int) and traits.size and pipeline_class not in _LARGER:
        assert traits.size == (call["width"], call["height"])
    for task in traits.tasks.values():
        assert hasattr(diffusers, task)


def test_pipelines_that_replace_sizes_are_known() -> None:
    found = set()
    for name in TRAITS.keys() - _OPTIONAL:
        source = inspect.getsource(getattr(diffusers, name).__call__)
        if _REPLACES_SIZES.search(source) and "use_resolution_binning" not in source:
            found.add(name)
    assert found == OWN_SIZES.keys() - _IN_ANOTHER_CALL | _TAKE_SIZES


@pytest.mark.parametrize("pipeline_class", sorted(_IN_BLOCKS))
def test_traits_are_those_of_the_blocks(pipeline_class: str) -> None:
    traits, made = TRAITS[pipeline_class], getattr(diffusers, pipeline_class)()
    given = made.default_call_parameters
    assert traits.num_inference_steps == given["num_inference_steps"]
    assert traits.text_length == given["max_sequence_length"]
    guider = getattr(made, "guider", None)
    assert (guider is None) is (traits.guidance is None)
    assert guider is None or guider.guidance_scale == traits.guidance_scale


def test_every_text_to_image_pipeline_of_diffusers_has_traits() -> None:
    found = set()
    for name in dir(diffusers):
        if name.endswith("Pipeline"):
            try:
                found.add(text_to_image_class("m", {"_class_name": name}))
            except UnsupportedModelError:
                continue
    assert found - TRAITS.keys() - {SDXL_REFINER} == _WITHOUT_TRAITS
    assert TRAITS.keys() - _OPTIONAL <= found


@pytest.mark.parametrize(
    ("pipeline_class", "index", "denoiser", "guidance", "embedded", "length"),
    [
        ("FluxPipeline", {}, {"guidance_embeds": False}, None, True, 256),
        ("FluxPipeline", {}, {"guidance_embeds": True}, "guidance_scale", True, 512),
        ("Flux2KleinPipeline", {"is_distilled": True}, {}, None, False, 512),
        ("Krea2Pipeline", {"is_distilled": True}, {}, "guidance_scale", False, 512),
        ("HunyuanImagePipeline", {}, {}, None, False, None),
        (
            "HunyuanImagePipeline",
            {},
            {"guidance_embeds": True},
            "distilled_guidance_scale",
            True,
            None,
        ),
        ("NewPipeline", {}, {"guidance_embeds": True}, "guidance_scale", True, None),
    ],
)
def test_configs_change_traits(
    pipeline_class: str,
    index: dict[str, Any],
    denoiser: dict[str, Any],
    guidance: str | None,
    embedded: bool,
    length: int | None,
) -> None:
    found = traits_of(pipeline_class, index, denoiser)
    assert (found.guidance, found.embedded, found.text_length) == (guidance, embedded, length)


@pytest.mark.parametrize(
    ("denoiser", "expected"),
    [
        ({}, (28, 7.0)),
        ({"qk_norm": "rms_norm", "dual_attention_layers": []}, (28, 3.5)),
        ({"qk_norm": "rms_norm", "dual_attention_layers": [0, 1]}, (40, 4.5)),
    ],
)
def test_versions_of_sd3_are_told_apart(
    denoiser: dict[str, Any], expected: tuple[int, float]
) -> None:
    found = traits_of("StableDiffusion3Pipeline", {}, denoiser)
    assert (found.num_inference_steps, found.guidance_scale) == expected
