"""The preprocessors of control pictures: their names, values, and the names that A1111 has for
them. What they do is in `control_maps.py`, or needs a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sdtui.core.text import nearest

IP_ADAPTER_MODULE = "ip-adapter-auto"
"""What the extension calls the preprocessor of any IP-Adapter."""

DEFAULT_RESOLUTION = 512
"""Pixels of the shorter side, as in A1111."""


@dataclass(frozen=True)
class Value:
    """A number that a preprocessor takes. Names, limits and defaults are those of A1111's
    extension sd-webui-controlnet."""

    label: str
    minimum: float
    maximum: float
    default: float


@dataclass(frozen=True)
class Preprocessor:
    """A way to make a control map of a picture."""

    name: str
    help: str
    type: str = ""
    """What its maps show, as `CONTROL_TYPES` names it."""
    a1111: tuple[str, ...] = ()
    """The names of the extension, the usual one first; by default its own name."""
    low: Value | None = None
    high: Value | None = None
    a1111_type: str = ""
    """The type that the extension lists it under; "" = its name."""
    model: str = ""
    """The transformers model that it needs in words; "" = none."""

    @property
    def a1111_name(self) -> str:
        return self.a1111[0] if self.a1111 else self.name

    @property
    def listed_under(self) -> str:
        """The type that the extension lists it under."""
        return self.a1111_type or self.name.capitalize()


_ALL = (
    Preprocessor("none", "the picture is the control map", a1111=("none",)),
    Preprocessor(
        "canny",
        "edges, white on black",
        "canny",
        low=Value("Low threshold", 1, 255, 100),
        high=Value("High threshold", 1, 255, 200),
    ),
    Preprocessor(
        "tile",
        "the picture, reduced by a factor",
        "tile",
        ("tile_resample",),
        low=Value("Reduced by", 1, 8, 1),
    ),
    Preprocessor(
        "blur",
        "the picture, blurred",
        "tile",
        ("blur_gaussian",),
        low=Value("Radius", 0.01, 64, 9),
    ),
    Preprocessor(
        "grey",
        "the picture in grey",
        a1111=("recolor_luminance", "grayscale"),
        a1111_type="Recolor",
    ),
    Preprocessor(
        "invert",
        "the picture with white as black",
        "canny",
        (
            "invert (from white bg & black line)",
            "invert",
            "inpaint_invert",
        ),
    ),
    Preprocessor(
        "threshold",
        "white where the picture is bright",
        low=Value("Threshold", 0, 255, 127),
    ),
    Preprocessor(
        "scribble",
        "rough lines, white on black",
        "scribble",
        ("scribble_xdog",),
        low=Value("Threshold", 1, 64, 32),
    ),
    Preprocessor(
        "lineart",
        "fine lines, white on black",
        "canny",
        ("lineart_standard (from white bg & black line)", "lineart_standard"),
    ),
    Preprocessor(
        "depth",
        "near is bright",
        "depth",
        ("depth_anything_v2", "depth_anything", "depth_midas", "depth"),
        model="a depth model, such as Depth-Anything-V2-Small-hf",
    ),
    Preprocessor(
        "pose",
        "people as coloured skeletons",
        "pose",
        ("openpose", "openpose_full", "dw_openpose_full"),
        a1111_type="OpenPose",
        model="RT-DETR and ViTPose, such as rtdetr_r50vd_coco_o365 and vitpose-base-simple",
    ),
    Preprocessor(
        "segmentation",
        "what each part shows, in ADE20K's colours",
        "segmentation",
        ("seg_ofade20k", "seg_ufade20k", "segmentation", "oneformer_ade20k"),
        model="a model that was trained with ADE20K, such as upernet-convnext-small",
    ),
)
PREPROCESSORS: Mapping[str, Preprocessor] = MappingProxyType({each.name: each for each in _ALL})

_NAMES = {
    spelling.casefold(): each.name for each in _ALL for spelling in (each.name, *each.a1111)
} | {"gray": "grey", "greyscale": "grey"}


def is_ip_adapter_module(text: str) -> bool:
    """True for what the extension calls the preprocessors of IP-Adapters."""
    return "ip-adapter" in text.lower()


def preprocessor_name(text: str) -> str:
    """Return the name of a preprocessor in any spelling. Raises ValueError."""
    plain = text.strip().casefold()
    if plain in _NAMES:
        return _NAMES[plain]
    near = nearest(plain, _NAMES)
    meant = f" (did you mean {_NAMES[near]}?)" if near else ""
    raise ValueError(f"must be {', '.join(PREPROCESSORS)}{meant}")


def chosen_values(name: str, low: float | None, high: float | None) -> tuple[float, float]:
    """Return the values that a preprocessor works with; 0 for those that it doesn't take."""
    chosen = []
    about = PREPROCESSORS[name]
    for value, given in ((about.low, low), (about.high, high)):
        fits = value and given is not None and value.minimum <= given <= value.maximum
        chosen.append(float(given) if fits and given is not None else value.default if value else 0)
    return chosen[0], chosen[1]
