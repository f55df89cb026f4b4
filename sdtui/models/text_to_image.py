"""Which pipelines of diffusers make pictures from text, by their names alone.

Their calls don't tell it: many that make videos or sound, or that edit pictures, accept a prompt
alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sdtui.core.errors import ModelDamagedError, UnsafeModelError, UnsupportedModelError
from sdtui.models.description import SDXL_REFINER
from sdtui.models.pipeline_traits import TRAITS

STABLE_DIFFUSION = ("StableDiffusionPipeline", "StableDiffusionXLPipeline")
_SAME_PARTS = {
    **{name.replace("Pipeline", "InpaintPipeline"): name for name in STABLE_DIFFUSION},
    **{
        other: name
        for name, traits in TRAITS.items()
        for other in traits.tasks.values()
        if other not in TRAITS
    },
}
"""Pipelines for inpainting and image-to-image, and those for text with the same components."""

_VIDEO = (
    r"Video|T2V|I2V|V2V|TI2VA|^(Kandinsky6|Wan|LTX|Mochi|AnimateDiff|Allegro|AnyFlow|EasyAnimate|Helios|Latte"
    r"|SkyReels|PIA|SanaWM|ConsisID|Cosmos(?!2TextToImage))"
)
_EDITING = (
    r"Img2Img|Image2Image|I2I|Inpaint|Fill|Edit(?!ing)|Upscale|SuperResolution|Refiner|Layered|Redux"
    r"|PaintByExample|RePaint|VisualCloze|DualGuided|Depth2Img|ImageVariation|Pix2Pix|ImageGuided|Inversion|Outpaint|CycleDiffusion"
)
_OTHER_KINDS = {
    "videos": _VIDEO,
    "sound": r"Audio|Music|DanceDiffusion|AceStep|Spectrogram",
    "text": r"LLaDA|DiffusionGemma",
    "pictures from other pictures": _EDITING,
    "pictures from a control image": r"Control|Adapter|GLIGENTextImage|BlipDiffusion",
    "only one stage of a picture": r"Prior|Decoder|^Kandinsky(V22)?Pipeline$",
    "3D shapes or depth": r"ShapE|LDM3D|Marigold",
    "proteins": r"Proteina",
    "pictures without a text": r"^(ConsistencyModel|DDIM|DDPM|DiT|KarrasVe|LDM|PNDM|ScoreSdeVe)Pip",
}
_OTHER_WAYS = {
    "in blocks (Modular Diffusers)": r"^(?!(Anima|Flux3|Flux3Distilled)Mod).*ModularPipeline$",
    "with ONNX": r"Onnx|ORT",
}


def text_to_image_class(model: str, index: Mapping[str, Any]) -> str:
    """Return the class of the pipeline that makes pictures from text with the components of a
    model; for SDXL's refiner, which makes none, its own. `index` is its model_index.json, `model`
    its path or hub id, for messages.

    Raises UnsupportedModelError if its pipeline is known to make no pictures from text alone,
    UnsafeModelError if that is a file of the model, and ModelDamagedError if none is named.
    """
    named = index.get("_class_name")
    if isinstance(named, list):
        raise UnsafeModelError(
            f"{model} has a pipeline with Python code of its own, which sdtui never runs",
            "Use a model that needs no remote code",
        )
    if not isinstance(named, str) or not named:
        raise ModelDamagedError(
            f"{model} can't be used: its index names no pipeline",
            "Download or copy the model again",
        )
    pipeline_class = _SAME_PARTS.get(named, named)
    if pipeline_class != SDXL_REFINER:
        _check_name(model, pipeline_class)
    return pipeline_class


def _check_name(model: str, pipeline_class: str) -> None:
    if pipeline_class in TRAITS:
        return
    for way, pattern in _OTHER_WAYS.items():
        if re.search(pattern, pipeline_class):
            raise UnsupportedModelError(
                f"{model} is made for {pipeline_class}, which runs {way}; sdtui doesn't",
                "Use the diffusers version of this model, or another model",
            )
    if not pipeline_class.endswith("Pipeline") or pipeline_class == "DiffusionPipeline":
        raise UnsupportedModelError(
            f"{model} is made for {pipeline_class}, which is no pipeline that makes pictures",
            "Use a text-to-image model",
        )
    for made, pattern in _OTHER_KINDS.items():
        if re.search(pattern, pipeline_class):
            raise UnsupportedModelError(
                f"{model} is made for {pipeline_class}, which makes {made}, and no pictures from "
                "text alone",
                "Use a text-to-image model",
            )
