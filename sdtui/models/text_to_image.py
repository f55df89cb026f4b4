"""Which pipelines of diffusers make pictures from text, by their names alone.

Their calls don't tell it: many that make videos or sound, or that edit pictures, accept a prompt
alone.
"""

from __future__ import annotations

import re

from sdtui.core.errors import UnsupportedModelError

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


def check_text_to_image(model: str, pipeline_class: str) -> None:
    """Raise UnsupportedModelError if a pipeline is known to make no pictures from text alone.

    `model` is the path or hub id, for the message.
    """
    for way, pattern in _OTHER_WAYS.items():
        if re.search(pattern, pipeline_class):
            raise UnsupportedModelError(
                f"{model} is made for {pipeline_class}, which runs {way}; sdtui doesn't",
                "Use the diffusers version of this model, or another model",
            )
    for made, pattern in _OTHER_KINDS.items():
        if re.search(pattern, pipeline_class):
            raise UnsupportedModelError(
                f"{model} is made for {pipeline_class}, which makes {made}, and no pictures from "
                "text alone",
                "Use a text-to-image model",
            )
