"""Settings of models distilled to few steps: LCM, Lightning, Turbo, Hyper, DMD2 and others.

They need few steps and little or no guidance; the usual values give oversaturated pictures.

The values come from the model cards: latent-consistency/*, ByteDance/SDXL-Lightning,
stabilityai/sd-turbo and sdxl-turbo, Lykon/dreamshaper-xl-v2-turbo, ByteDance/Hyper-SD,
tianweiy/DMD2, jasperai/flash-sdxl, wangfuyun/PCM_Weights, h1t/TCD-SDXL-LoRA,
black-forest-labs/FLUX.1-schnell and FLUX.2-klein, alimama-creative/FLUX.1-Turbo-Alpha,
Tongyi-MAI/Z-Image-Turbo, krea/Krea-2-Turbo, stabilityai/stable-diffusion-3.5-large-turbo,
lightx2v/Qwen-Image-Lightning, nvidia/Qwen-Image-Flash, HiDream-ai/HiDream-I1,
baidu/ERNIE-Image-Turbo, tencent/HunyuanImage-2.1 and PixArt-alpha/PixArt-LCM-XL-2-1024-MS.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sdtui.models.pipeline_traits import TRAITS
from sdtui.models.traits import Traits


@dataclass(frozen=True)
class Distilled:
    """The settings that a distilled model works best with."""

    num_inference_steps: int
    guidance_scale: float | None
    """None stands for the guidance of the family."""
    sampler: str | None = None
    """None stands for the sampler of the model."""
    timestep_spacing: str | None = None
    """Set if the usual spacing would start below full noise, which is wrong for few steps."""
    size: int | None = None
    """The side in pixels that it was distilled at, if that isn't the family's."""


_SCHNELL = Distilled(4, 0.0)
_LCM_EMBEDDED = Distilled(4, 8.0, "LCM")
"""Guidance is an embedding here and costs nothing."""
_LCM_MERGED = Distilled(4, 1.5, "LCM")
_TURBO = Distilled(1, 0.0, "Euler a", "trailing", 512)
_TURBO_MERGED = Distilled(6, 2.0, "DPM++ SDE Karras")
_BY_WORD = {
    "lightning": Distilled(4, 0.0, "Euler", "trailing"),
    "hyper": Distilled(8, 0.0, "DDIM", "trailing"),
    "dmd": Distilled(4, 0.0, "LCM"),
    "flash": Distilled(4, 0.0, "LCM"),
    "pcm": Distilled(4, 1.5, "DDIM", "trailing"),
    "tcd": Distilled(4, 0.0, "TCD"),
}
_OF_OTHER_FAMILIES = {
    # Pipeline, also of variants such as QwenImageEditPipeline: words in the names of distilled
    # models, and their values.
    "ErnieImagePipeline": {"turbo": Distilled(8, 1.0)},
    "HiDreamImagePipeline": {"dev": Distilled(28, 0.0), "fast": Distilled(16, 0.0)},
    "HunyuanImagePipeline": {"distilled": Distilled(8, 3.25)},
    "PixArtAlphaPipeline": {"lcm": Distilled(4, 0.0)},
    "QwenImagePipeline": {"lightning": Distilled(8, 1.0), "flash": Distilled(4, 1.0)},
    "StableDiffusion3Pipeline": {"turbo": Distilled(4, 0.0)},
    # What people call Z-Image Turbo in the names of its fine-tunes.
    "ZImagePipeline": dict.fromkeys(("turbo", "zit"), Distilled(9, 0.0)),
}
_MARKED = {
    # Pipelines whose index says `is_distilled`.
    "Flux2KleinPipeline": Distilled(4, 1.0),
    "Krea2Pipeline": Distilled(8, 0.0),
}
_FEW_STEPS = frozenset(
    ("distill", "distilled", "dmd", "flash", "hyper", "lcm", "lightning", "pcm", "turbo")
)
"""Words in the names of models and LoRAs of all other families that say how many steps they are
for."""
_HYPER_SD3 = 3.0
"""The guidance of Hyper-SD's LoRAs for SD 3, which is their own."""
_TURBO_ALPHA = 8
"""The steps of FLUX.1-Turbo-Alpha."""
_STEPS = re.compile(r"(?<!\d)([1-9]|1\d)[-_ ]?steps?")
"""The number of steps in a name."""
_UNDONE = re.compile(r"de-?turbo|de-?distill?")
"""Names of models that were trained back to usual steps and guidance."""
_COMMON_WORDS = ("flash", "hyper", "lightning", "turbo")
"""Words that many names of LoRAs for styles have: those for few steps say how many."""
_AFTER_HYPER = re.compile(r"\d+|sd|sdxl|xl|flux|vae|baked.*|steps?|fp|pruned|cfg|lora|v|unet")
"""Words after "hyper" in names of Hyper-SD merges; "hyper realistic" is a style."""


def distilled_values(
    name: str,
    denoiser: Mapping[str, Any],
    scheduler: Mapping[str, Any],
    family: str,
    *,
    is_distilled: bool = False,
) -> Distilled | None:
    """Return the settings of a distilled model, None for other models.

    `name` is a hub id or file name, `denoiser` and `scheduler` are configs (possibly empty),
    `family` is "sd1", "sd2", "sdxl" or the class of a pipeline, `is_distilled` is the flag of the
    model's index.
    """
    words = _words(name)
    if family not in ("sd1", "sd2", "sdxl"):
        return _of_other_family(name, words, denoiser, family, is_distilled=is_distilled)
    if denoiser.get("time_cond_proj_dim"):
        return _LCM_EMBEDDED
    joined = re.sub(r"[^a-z0-9]+", "", name.lower())
    if "lcm" in words or scheduler.get("_class_name") == "LCMScheduler":
        return _LCM_MERGED
    if scheduler.get("_class_name") == "TCDScheduler":
        return replace(_BY_WORD["tcd"], sampler=None)
    for word, values in _BY_WORD.items():
        if _has_word(word, words):
            return _with_named_steps(values, name)
    if re.search(r"sd(xl)?(10)?turbo", joined):
        return _with_named_steps(_TURBO, name)
    return _with_named_steps(_TURBO_MERGED, name) if "turbo" in joined else None


def distilled_lora(name: str, family: str) -> Distilled | None:
    """Return the settings of a LoRA that makes a model of few steps, None for other LoRAs.

    `name` is that of its file, `family` that of the model as in `distilled_values`.
    """
    words = _words(name)
    if family in ("sd1", "sd2", "sdxl"):
        by_word = {**_BY_WORD, "lcm": _LCM_MERGED, "turbo": _TURBO_MERGED}
        word = next((each for each in by_word if _has_word(each, words)), None)
        if word is None or (word in _COMMON_WORDS and not _STEPS.search(name.lower())):
            return None
        found: Distilled | None = _with_named_steps(by_word[word], name)
    elif family.startswith("Flux") and {"turbo", "alpha"} <= set(words):
        found = Distilled(_TURBO_ALPHA, None)
    else:
        if "turbo" in _by_word(family) or family in _MARKED:
            # LoRAs for styles are named after the model that they were trained on.
            words = [word for word in words if word != "turbo"]
        found = _of_named_steps(name, words, family)
        if found and family == "StableDiffusion3Pipeline" and "hyper" in words:
            return replace(found, guidance_scale=_HYPER_SD3)
    # Those of Hyper-SD that keep guidance say so.
    return replace(found, guidance_scale=None) if found and "cfg" in words else found


def _of_other_family(
    name: str, words: list[str], denoiser: Mapping[str, Any], family: str, *, is_distilled: bool
) -> Distilled | None:
    if family == "FluxPipeline" and denoiser.get("guidance_embeds") is False:
        return _SCHNELL
    if is_distilled:
        return _MARKED.get(family)
    if _UNDONE.search(name.lower()):
        return None
    by_word = _by_word(family)
    found = next((by_word[word] for word in words if word in by_word), None)
    return _with_named_steps(found, name) if found else _of_named_steps(name, words, family)


def _by_word(family: str) -> Mapping[str, Distilled]:
    """Return the words in the names of a family's distilled models, and their values."""
    variants = (
        values
        for pipeline, values in _OF_OTHER_FAMILIES.items()
        if family.startswith(pipeline.removesuffix("Pipeline"))
    )
    return next(variants, {})


def _of_named_steps(name: str, words: list[str], family: str) -> Distilled | None:
    """Return the settings of a model or LoRA of another family than Stable Diffusion whose name
    says that it needs few steps, and how many; None for others. There is no guidance then, unless
    it is embedded."""
    steps = _STEPS.search(name.lower())
    if steps is None or _FEW_STEPS.isdisjoint(words) or _UNDONE.search(name.lower()):
        return None
    traits = TRAITS.get(family, Traits())
    return Distilled(int(steps[1]), None if traits.embedded else traits.guidance_off)


def _words(name: str) -> list[str]:
    """Return the words of a name in lower case, also those that only capitals or digits part."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]


def _has_word(word: str, words: list[str]) -> bool:
    if word == "lightning":
        return any(each.endswith(word) for each in words)
    if word not in words:
        return False
    following = words[words.index(word) + 1 :][:1]
    if word == "hyper":
        return not following or bool(_AFTER_HYPER.fullmatch(following[0]))
    return word != "flash" or following in (["sd"], ["sdxl"])


def _with_named_steps(values: Distilled, name: str) -> Distilled:
    """Return the values with the number of steps in the name, as in "sdxl_lightning_8step"."""
    found = _STEPS.search(name.lower())
    return replace(values, num_inference_steps=int(found[1])) if found else values
