"""The traits of the pipelines of diffusers, as plain data.

Sources are the pipelines themselves (diffusers 0.42): the defaults of their calls, their checks of
sizes, and where they guide. tests/engine/test_traits.py compares both. Native values that differ
from those defaults are from the model cards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sdtui.models.traits import Task, Traits

_1024 = (1024, 1024)
_2048 = (2048, 2048)
_512 = (512, 512)


def _from_images(start: str) -> dict[Task, str]:
    return {
        Task.IMAGE: f"{start}Img2ImgPipeline",
        Task.INPAINT: f"{start}InpaintPipeline",
    }


def _qwen_edit(
    steps: int, tasks: Mapping[Task, str], *, several_references: bool = False
) -> Traits:
    return Traits(
        "Qwen-Image-Edit",
        steps,
        4.0,
        _1024,
        512,
        guidance="true_cfg_scale",
        blank_negative=" ",
        in_one_pass=False,
        tasks=tasks,
        several_references=several_references,
        needs_picture=True,
        maps=17,
    )


TRAITS: Mapping[str, Traits] = {
    # Name, steps, guidance, size, length of the prompt.
    "AnimaModularPipeline": Traits(
        "Anima",
        50,
        4.0,
        _1024,
        512,
        in_one_pass=False,
        tasks={Task.IMAGE: "AnimaModularPipeline"},
    ),
    "AmusedPipeline": Traits("aMUSEd", 12, 10.0, tasks=_from_images("Amused"), patch=1),
    "AuraFlowPipeline": Traits("AuraFlow", 50, 3.5, _1024, 256, text_marks=1, maps=16),
    "BriaFibo2Pipeline": Traits("Bria FIBO 2", 30, 5.0, _1024, in_one_pass=False),
    "BriaFiboPipeline": Traits("Bria FIBO", 30, 5.0, _1024, 3000, patch=1, maps=17),
    "BriaPipeline": Traits("Bria", 30, 5.0, _1024, 128, text_marks=1, patch=4, maps=60),
    "ChromaPipeline": Traits(
        "Chroma",
        35,
        5.0,
        _1024,
        512,
        text_marks=1,
        in_one_pass=False,
        maps=25,
        tasks=_from_images("Chroma"),
    ),
    "CogView3PlusPipeline": Traits("CogView3 Plus", 50, 5.0, None, 224, text_marks=1),
    "CogView4Pipeline": Traits(
        "CogView4", 50, 5.0, None, 1024, text_marks=2, in_one_pass=False, maps=14
    ),
    "Cosmos2TextToImagePipeline": Traits(
        "Cosmos 2", 35, 7.0, (1360, 768), 512, text_marks=1, in_one_pass=False
    ),
    "DreamLiteMobilePipeline": Traits(
        "DreamLite Mobile", 4, 0.0, _1024, 200, guidance=None, negative=False, patch=1
    ),
    "DreamLitePipeline": Traits("DreamLite", 30, 3.5, _1024, 200, patch=1),
    "ErnieImagePipeline": Traits("ERNIE-Image", 50, 4.0, _1024),
    "Flux2KleinKVPipeline": Traits(
        "Flux.2 Klein",
        4,
        1.0,
        _1024,
        512,
        text_marks=3,
        guidance=None,
        negative=False,
        tasks={Task.EDIT: "Flux2KleinKVPipeline"},
        several_references=True,
        maps=26,
    ),
    "Flux2KleinPipeline": Traits(
        "Flux.2 Klein",
        50,
        4.0,
        _1024,
        512,
        text_marks=3,
        negative=False,
        in_one_pass=False,
        tasks={Task.EDIT: "Flux2KleinPipeline", Task.INPAINT: "Flux2KleinInpaintPipeline"},
        several_references=True,
        maps=26,
    ),
    "Flux2Pipeline": Traits(
        "Flux.2",
        50,
        4.0,
        _1024,
        512,
        embedded=True,
        negative=False,
        tasks={Task.EDIT: "Flux2Pipeline"},
        several_references=True,
        maps=26,
    ),
    "Flux3DistilledModularPipeline": Traits(
        "Flux.3",
        16,
        1.0,
        _1024,
        8192,
        guidance=None,
        negative=False,
        tasks={Task.EDIT: "Flux3DistilledModularPipeline"},
        several_references=True,
    ),
    "Flux3ModularPipeline": Traits(
        "Flux.3",
        50,
        3.5,
        _1024,
        8192,
        in_one_pass=False,
        tasks={Task.EDIT: "Flux3ModularPipeline"},
        several_references=True,
    ),
    "FluxKontextPipeline": Traits(
        "Flux.1 Kontext",
        28,
        3.5,
        _1024,
        512,
        text_marks=1,
        embedded=True,
        true_guidance="true_cfg_scale",
        in_one_pass=False,
        tasks={Task.EDIT: "FluxKontextPipeline", Task.INPAINT: "FluxKontextInpaintPipeline"},
        maps=21,
    ),
    "FluxPipeline": Traits(
        "Flux.1",
        28,
        3.5,
        _1024,
        512,
        text_marks=1,
        embedded=True,
        true_guidance="true_cfg_scale",
        in_one_pass=False,
        tasks=_from_images("Flux"),
        maps=21,
    ),
    "GlmImagePipeline": Traits(
        "GLM-Image", 50, 1.5, None, 2048, negative=False, in_one_pass=False, patch=4, maps=30
    ),
    "HiDreamImagePipeline": Traits("HiDream-I1", 50, 5.0, _1024, 128, text_marks=1),
    "HunyuanDiTPipeline": Traits("Hunyuan-DiT", 50, 5.0),
    "HunyuanImagePipeline": Traits(
        "HunyuanImage", 50, 3.25, _2048, guidance=None, in_one_pass=False, maps=70
    ),
    "Ideogram4Pipeline": Traits(
        "Ideogram 4",
        48,
        7.0,
        _2048,
        2048,
        negative=False,
        in_one_pass=False,
    ),
    "IFPipeline": Traits("DeepFloyd IF", 100, 7.0, patch=1),
    "Kandinsky3Pipeline": Traits(
        "Kandinsky 3", 25, 3.0, _1024, patch=8, tasks={Task.IMAGE: "Kandinsky3Img2ImgPipeline"}
    ),
    "Kandinsky5T2IPipeline": Traits("Kandinsky 5", 50, 3.5, _1024, 512, in_one_pass=False),
    "KandinskyCombinedPipeline": Traits(
        "Kandinsky 2.1",
        100,
        4.0,
        _512,
        patch=8,
        tasks={
            Task.IMAGE: "KandinskyImg2ImgCombinedPipeline",
            Task.INPAINT: "KandinskyInpaintCombinedPipeline",
        },
    ),
    "KandinskyV22CombinedPipeline": Traits(
        "Kandinsky 2.2",
        100,
        4.0,
        _512,
        patch=8,
        tasks={
            Task.IMAGE: "KandinskyV22Img2ImgCombinedPipeline",
            Task.INPAINT: "KandinskyV22InpaintCombinedPipeline",
        },
    ),
    "KolorsPipeline": Traits(
        "Kolors", 50, 5.0, _1024, 256, patch=1, tasks={Task.IMAGE: "KolorsImg2ImgPipeline"}
    ),
    "Krea2Pipeline": Traits(
        "Krea 2", 28, 4.5, _1024, 512, text_marks=5, guidance_off=0.0, in_one_pass=False, maps=21
    ),
    "LatentConsistencyModelPipeline": Traits(
        "LCM",
        4,
        8.5,
        embedded=True,
        negative=False,
        patch=1,
        tasks={Task.IMAGE: "LatentConsistencyModelImg2ImgPipeline"},
    ),
    "LongCatImagePipeline": Traits("LongCat-Image", 50, 4.5, _1024, in_one_pass=False),
    "Lumina2Pipeline": Traits("Lumina 2", 30, 4.0, _1024, 256, in_one_pass=False, maps=40),
    "LuminaPipeline": Traits("Lumina", 30, 4.0, None, 256),
    "NucleusMoEImagePipeline": Traits("Nucleus-Image", 50, 4.0, _1024, in_one_pass=False),
    "OmniGenPipeline": Traits("OmniGen", 50, 2.5, _1024, negative=False),
    "OvisImagePipeline": Traits("Ovis-Image", 50, 5.0, _1024, 256, in_one_pass=False, maps=28),
    "PRXPipeline": Traits("PRX", 28, 4.0),
    "PRXPixelPipeline": Traits("PRX Pixel", 28, 4.0),
    "PixArtAlphaPipeline": Traits("PixArt Alpha", 20, 4.5, None, 120, text_marks=1, maps=14),
    "PixArtSigmaPipeline": Traits("PixArt Sigma", 20, 4.5, None, 300, text_marks=1, maps=14),
    "QwenImage21Pipeline": Traits(
        "Qwen-Image 2.1",
        40,
        1.0,
        _1024,
        guidance="true_cfg_scale",
        blank_negative=" ",
        in_one_pass=False,
        tasks={Task.EDIT: "QwenImage21Pipeline"},
        several_references=True,
    ),
    "QwenImageEditPipeline": _qwen_edit(
        50,
        {Task.EDIT: "QwenImageEditPipeline", Task.INPAINT: "QwenImageEditInpaintPipeline"},
    ),
    "QwenImageEditPlusPipeline": _qwen_edit(
        40, {Task.EDIT: "QwenImageEditPlusPipeline"}, several_references=True
    ),
    "QwenImagePipeline": Traits(
        "Qwen-Image",
        50,
        4.0,
        _1024,
        512,
        text_marks=0,
        guidance="true_cfg_scale",
        blank_negative=" ",
        in_one_pass=False,
        tasks=_from_images("QwenImage"),
        maps=17,
    ),
    "SanaPipeline": Traits("Sana", 20, 4.5, None, 300, patch=1, maps=16),
    "SanaSprintPipeline": Traits(
        "Sana Sprint",
        2,
        4.5,
        None,
        300,
        embedded=True,
        negative=False,
        patch=1,
        tasks={Task.IMAGE: "SanaSprintImg2ImgPipeline"},
        maps=16,
    ),
    "StableCascadeCombinedPipeline": Traits(
        "Stable Cascade", 12, 4.0, _1024, guidance="prior_guidance_scale"
    ),
    "StableDiffusion3Pipeline": Traits(
        "SD 3",
        28,
        7.0,
        None,
        256,
        text_marks=1,
        tasks=_from_images("StableDiffusion3"),
        maps=15,
    ),
    # Steps: DPM++ 2M Karras has converged by then.
    "StableDiffusionPipeline": Traits("Stable Diffusion", 25, 7.5, patch=1),
    "StableDiffusionXLPipeline": Traits("SDXL", 25, 5.0, patch=1),
    "ZImageOmniPipeline": Traits("Z-Image Omni", 50, 5.0, _1024, 512, guidance_off=0.0, maps=27),
    "ZImagePipeline": Traits(
        "Z-Image",
        50,
        5.0,
        _1024,
        512,
        text_marks=3,
        guidance_off=0.0,
        tasks=_from_images("ZImage"),
        maps=27,
    ),
}
"""By the class of the pipeline."""

_SD35_LARGE, _SD35_MEDIUM = (28, 3.5), (40, 4.5)
"""Steps and guidance of the model cards of SD 3.5, whose transformers have norms of queries and
keys; that of the medium one has two attentions in some layers."""
_SCHNELL_LENGTH = 256
"""Tokens that FLUX.1 schnell was trained with (its model card)."""


def traits_of(
    pipeline_class: str,
    index: Mapping[str, Any] | None = None,
    denoiser: Mapping[str, Any] | None = None,
) -> Traits:
    """Return the traits of a pipeline, or of a model with these configs: its model_index.json and
    its denoiser's config.

    A pipeline that isn't known has the commonest traits; what its call takes must be looked up.
    """
    index, denoiser = index or {}, denoiser or {}
    # U-Nets take any number of latents: they pad what they halve.
    unknown = Traits(patch=2 if "transformer" in index else 1)
    traits = TRAITS.get(pipeline_class, unknown)
    embeds_guidance = denoiser.get("guidance_embeds")
    if pipeline_class == "FluxPipeline" and embeds_guidance is False:
        return replace(traits, guidance=None, text_length=_SCHNELL_LENGTH)
    if pipeline_class == "StableDiffusion3Pipeline" and denoiser.get("qk_norm"):
        steps, guidance = _SD35_MEDIUM if denoiser.get("dual_attention_layers") else _SD35_LARGE
        return replace(traits, num_inference_steps=steps, guidance_scale=guidance)
    if pipeline_class == "Flux2KleinPipeline" and index.get("is_distilled") is True:
        return replace(traits, guidance=None)
    if pipeline_class == "HunyuanImagePipeline" and embeds_guidance is True:
        traits = replace(traits, guidance="distilled_guidance_scale")
    elif not denoiser.get("time_cond_proj_dim") and not (traits == unknown and embeds_guidance):
        return traits
    return replace(traits, embedded=True, negative=False)
