"""Models that were distilled to few steps are told by name and config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sdtui.models import NativeValues, describe_model
from sdtui.models.distilled import distilled_values
from sdtui.models.model_name import model_name
from sdtui.models.native import with_loras
from sdtui.pocket import MODEL_FOLDER
from tests.support.model_files import sd1_folder


@pytest.mark.parametrize(
    ("name", "family", "steps", "guidance", "sampler"),
    [
        ("stabilityai/sdxl-turbo", "sdxl", 1, 0.0, "Euler a"),
        ("sd_xl_turbo_1.0_fp16", "sdxl", 1, 0.0, "Euler a"),
        ("stabilityai/sd-turbo", "sd2", 1, 0.0, "Euler a"),
        ("DreamShaperXL_Turbo_v2_1", "sdxl", 6, 2.0, "DPM++ SDE Karras"),
        ("sdxl_lightning_8step", "sdxl", 8, 0.0, "Euler"),
        ("juggernautXL_v9Rdphoto2Lightning", "sdxl", 4, 0.0, "Euler"),
        ("dreamshaper-8-lcm", "sd1", 4, 1.5, "LCM"),
        ("dreamshaper_8LCM", "sd1", 4, 1.5, "LCM"),
        ("epicphotogasmLCM_v1", "sd1", 4, 1.5, "LCM"),
        ("juggernautXL_juggXIHyper", "sdxl", 8, 0.0, "DDIM"),
        ("realisticVisionV60B1_v51HyperVAE", "sd1", 8, 0.0, "DDIM"),
        ("Hyper-SDXL-4steps", "sdxl", 4, 0.0, "DDIM"),
        ("lustifyNSFW_dmd2_4step", "sdxl", 4, 0.0, "LCM"),
        ("splashedMixDMD_v5", "sdxl", 4, 0.0, "LCM"),
        ("jasperai/flash-sdxl", "sdxl", 4, 0.0, "LCM"),
        ("pcm_sdxl_smallcfg_4step", "sdxl", 4, 1.5, "DDIM"),
        ("xllightning_v2", "sdxl", 4, 0.0, "Euler"),
        ("myMix_TCD_8steps", "sdxl", 8, 0.0, "TCD"),
        ("Hyper-SDXL-12steps", "sdxl", 12, 0.0, "DDIM"),
        ("16step_hyper", "sdxl", 16, 0.0, "DDIM"),
        ("animagineXLV31_Turbo_8steps", "sdxl", 8, 2.0, "DPM++ SDE Karras"),
        ("sdxl_turbo_4steps", "sdxl", 4, 0.0, "Euler a"),
        ("mix_step30000_lightning", "sdxl", 4, 0.0, "Euler"),
    ],
)
def test_distilled_models_are_recognised_by_name(
    name: str, family: str, steps: int, guidance: float, sampler: str
) -> None:
    found = distilled_values(name, {}, {}, family)
    assert found is not None
    assert (found.num_inference_steps, found.guidance_scale, found.sampler) == (
        steps,
        guidance,
        sampler,
    )
    assert (found.timestep_spacing == "trailing") == (sampler in ("Euler", "Euler a", "DDIM"))


@pytest.mark.parametrize(
    ("denoiser", "scheduler", "family", "steps", "guidance"),
    [
        ({"time_cond_proj_dim": 256}, {}, "sd1", 4, 8.0),
        ({}, {"_class_name": "LCMScheduler"}, "sd1", 4, 1.5),
        ({}, {"_class_name": "TCDScheduler"}, "sdxl", 4, 0.0),
        ({"guidance_embeds": False}, {}, "FluxPipeline", 4, 0.0),
    ],
)
def test_distilled_models_are_recognised_by_config(
    denoiser: dict[str, Any], scheduler: dict[str, Any], family: str, steps: int, guidance: float
) -> None:
    found = distilled_values("model", denoiser, scheduler, family)
    assert found is not None
    assert (found.num_inference_steps, found.guidance_scale) == (steps, guidance)


@pytest.mark.parametrize(
    "name",
    [
        "stable-diffusion-v1-5",
        "sd_xl_base_1.0",
        "filmcmpl",
        "pocket",
        "hyper_realistic_v2",
        "Hyper-Detailed",
        "hyperrealism",
        "flashPhotography_v1",
        "lightningstrike_v1",
        "matcdonald",
    ],
)
def test_other_models_are_not_taken_for_distilled(name: str) -> None:
    assert distilled_values(name, {"time_cond_proj_dim": None}, {}, "sdxl") is None


@pytest.mark.parametrize(
    ("name", "family", "is_distilled", "steps", "guidance"),
    [
        ("Tongyi-MAI/Z-Image-Turbo", "ZImagePipeline", False, 9, 0.0),
        ("black-forest-labs/FLUX.2-klein-4B", "Flux2KleinPipeline", True, 4, 1.0),
        ("krea/Krea-2", "Krea2Pipeline", True, 8, 0.0),
        ("stabilityai/stable-diffusion-3.5-large-turbo", "StableDiffusion3Pipeline", False, 4, 0.0),
        ("Qwen-Image-Lightning-4steps", "QwenImagePipeline", False, 4, 1.0),
        ("Qwen-Image-Edit-Lightning-8steps", "QwenImageEditPlusPipeline", False, 8, 1.0),
        ("nvidia/Qwen-Image-Flash", "QwenImagePipeline", False, 4, 1.0),
        ("ZIT-realism_v2", "ZImagePipeline", False, 9, 0.0),
        ("flux1-dev-Hyper-8step", "FluxPipeline", False, 8, None),
        ("Hyper-Chroma-16steps", "ChromaPipeline", False, 16, 1.0),
        ("HiDream-ai/HiDream-I1-Dev", "HiDreamImagePipeline", False, 28, 0.0),
        ("HiDream-ai/HiDream-I1-Fast", "HiDreamImagePipeline", False, 16, 0.0),
        ("baidu/ERNIE-Image-Turbo", "ErnieImagePipeline", False, 8, 1.0),
        ("HunyuanImage-2.1-Distilled-Diffusers", "HunyuanImagePipeline", False, 8, 3.25),
        ("PixArt-alpha/PixArt-LCM-XL-2-1024-MS", "PixArtAlphaPipeline", False, 4, 0.0),
    ],
)
def test_distilled_models_of_other_families_are_recognised(
    name: str, family: str, is_distilled: bool, steps: int, guidance: float | None
) -> None:
    found = distilled_values(name, {}, {}, family, is_distilled=is_distilled)
    assert found is not None
    assert (found.num_inference_steps, found.guidance_scale) == (steps, guidance)
    assert found.sampler is None
    assert distilled_values("base", {}, {}, family) is None
    assert distilled_values("Z-Image-De-Turbo", {}, {}, family) is None


def test_flux_with_guidance_is_not_taken_for_distilled() -> None:
    assert distilled_values("dev", {"guidance_embeds": True}, {}, "FluxPipeline") is None


def test_folder_in_the_hub_cache_is_named_by_its_hub_id(tmp_path: Path) -> None:
    place = tmp_path / "models--stabilityai--sd-turbo" / "snapshots" / "0a1b"
    described = describe_model(sd1_folder(place))
    assert model_name(MODEL_FOLDER) == "pocket"
    assert model_name(place) == "stabilityai/sd-turbo"
    assert (described.native.num_inference_steps, described.native.guidance_scale) == (1, 0.0)
    assert described.timestep_spacing == "trailing"


def test_sdtui_json_precedes_distilled_values(tmp_path: Path) -> None:
    place = sd1_folder(tmp_path / "my-turbo")
    (place / "sdtui.json").write_text('{"num_inference_steps": 3}')
    native = describe_model(place).native
    assert (native.num_inference_steps, native.guidance_scale) == (3, 2.0)


@pytest.mark.parametrize(
    ("name", "family", "steps", "guidance", "sampler"),
    [
        ("sdxl_lightning_8step_lora", "sdxl", 8, 0.0, "Euler"),
        ("lcm-lora-sdv1-5", "sd1", 4, 1.5, "LCM"),
        ("Hyper-SDXL-8steps-CFG-lora", "sdxl", 8, 5.0, "DDIM"),
        ("dmd2_sdxl_4step_lora_fp16", "sdxl", 4, 0.0, "LCM"),
        ("Hyper-FLUX.1-dev-8steps-lora", "FluxPipeline", 8, 5.0, None),
        ("FLUX.1-Turbo-Alpha", "FluxPipeline", 8, 5.0, None),
        ("Qwen-Image-Lightning-4steps-V1.0", "QwenImagePipeline", 4, 1.0, None),
        ("Z-Image-Fun-Lora-Distill-8-Steps-2603", "ZImagePipeline", 8, 0.0, None),
        ("Hyper-SD3-Medium-8steps-CFG-lora", "StableDiffusion3Pipeline", 8, 3.0, None),
        # Those for styles, and those of other families:
        ("lightning_style_xl", "sdxl", 25, 5.0, None),
        ("hyper_detail_v2", "sdxl", 25, 5.0, None),
        ("zimage_turbo_anime_8steps", "ZImagePipeline", 25, 5.0, None),
    ],
)
def test_loras_of_few_steps_change_native_values(
    name: str, family: str, steps: int, guidance: float, sampler: str | None
) -> None:
    native = NativeValues(1024, 1024, 25, 5.0)
    found = with_loras(native, family, ["film_grain", name])
    values = (found.num_inference_steps, found.guidance_scale, found.sampler)
    assert values == (steps, guidance, sampler)
    assert (found.width, with_loras(native, family, [])) == (1024, native)
