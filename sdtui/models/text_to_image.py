"""Which pipelines of diffusers make pictures from text, by their names alone.

Their calls don't tell it: many that make videos or sound, or that edit pictures, accept a prompt
alone.
"""

from __future__ import annotations

import re

from sdtui.core.errors import UnsupportedModelError

_VIDEO = (
    r"Video|T2V|I2V|V2V|TI2VA|^(Wan|LTX|Mochi|AnimateDiff|Allegro|AnyFlow|EasyAnimate|Helios|Latte"
    r"|SkyReels|PIA|SanaWM|ConsisID|Cosmos(?!2TextToImage))"
)
_EDITING = (
    r"Img2Img|Image2Image|I2I|Inpaint|Fill|Edit(?!ing)|Upscale|SuperResolution|Refiner|Layered|Redux"
    r"|Depth2Img|ImageVariation|Pix2Pix|ImageGuided|Inversion|Outpaint|CycleDiffusion"
)
_OTHER_KINDS = {
    "videos": _VIDEO,
    "sound": r"Audio|Music|DanceDiffusion|AceStep",
    "text": r"LLaDA|DiffusionGemma",
    "pictures from other pictures": _EDITING,
    "pictures from a control image": r"Control|Adapter|GLIGENTextImage|BlipDiffusion",
    "only one stage of a picture": r"Prior|Decoder|^Kandinsky(V22)?Pipeline$",
    "3D shapes or depth": r"ShapE|LDM3D|Marigold",
}


def check_text_to_image(model: str, pipeline_class: str) -> None:
    """Raise UnsupportedModelError if a pipeline is known to make no pictures from text alone.

    `model` is the path or hub id, for the message.
    """
    for made, pattern in _OTHER_KINDS.items():
        if re.search(pattern, pipeline_class):
            raise UnsupportedModelError(
                f"{model} is made for {pipeline_class}, which makes {made}, and no pictures from "
                "text alone",
                "Use a text-to-image model",
            )
