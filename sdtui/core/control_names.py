"""What A1111's extension sd-webui-controlnet calls the choices of a ControlNet
(internal_controlnet/args.py and scripts/enums.py)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from sdtui.core.enums import ImageFit


class ControlMode(StrEnum):
    """What counts more, the prompt or the control picture. A1111's modes."""

    BALANCED = "balanced"
    PROMPT = "prompt"
    CONTROL = "control"


class ControlPasses(StrEnum):
    """The passes that a control picture is used in."""

    BOTH = "both"
    """All of them, the tiles of a redraw as well."""
    FIRST = "first"
    HIRES = "hires"
    REDRAW = "redraw"


A1111_MODES: Mapping[ControlMode, tuple[str, ...]] = {
    ControlMode.BALANCED: ("Balanced",),
    ControlMode.PROMPT: ("My prompt is more important",),
    ControlMode.CONTROL: ("ControlNet is more important",),
}
A1111_FITS: Mapping[ImageFit, tuple[str, ...]] = {
    ImageFit.STRETCH: ("Just Resize", "resize"),
    ImageFit.CROP: ("Crop and Resize", "Inner Fit (Scale to Fit)", "Scale to Fit (Inner Fit)"),
    ImageFit.PAD: ("Resize and Fill", "Outer Fit (Shrink to Fit)", "Envelope (Outer Fit)"),
}
A1111_PASSES: Mapping[ControlPasses, tuple[str, ...]] = {
    ControlPasses.BOTH: ("Both",),
    ControlPasses.FIRST: ("Low res only",),
    ControlPasses.HIRES: ("High res only",),
}
"""The names of each choice, the usual one first; the extension also counts them from 0."""

_KINDS: tuple[tuple[type[StrEnum], Mapping[Any, tuple[str, ...]]], ...] = (
    (ControlMode, A1111_MODES),
    (ImageFit, A1111_FITS),
    (ControlPasses, A1111_PASSES),
)
_NAMES: Mapping[type[StrEnum], Mapping[str, StrEnum]] = {
    kind: {name.casefold(): each for each in kind for name in (each, *names.get(each, ()))}
    for kind, names in _KINDS
}


def choice_of(kind: type[StrEnum], text: str) -> StrEnum:
    """Return the choice of a name, ours or the extension's. Raises ValueError."""
    found = _NAMES[kind].get(text.strip().casefold())
    if found is None:
        raise ValueError(f"must be {', '.join(kind)}")
    return found


CONTROL_TYPES = ("pose", "depth", "scribble", "canny", "normal", "segmentation", "tile", "repaint")
"""What the picture of a union ControlNet may show, in the order of its control modes (xinsir's
ControlNet++ for SDXL; the last two only in the promax version)."""

_TYPES = {
    "openpose": "pose",
    "soft edge": "scribble",
    "hed/pidi/scribble/ted": "scribble",
    "hard edge": "canny",
    "canny/lineart/anime_lineart/mlsd": "canny",
    "normal map": "normal",
    "inpaint": "repaint",
    **{name: name for name in CONTROL_TYPES},
}
"""The extension's names for them, and those of the net's own page."""


def control_type_name(text: str) -> str:
    """Return what a picture shows by a name of it. Raises ValueError."""
    found = _TYPES.get(text.strip().casefold())
    if found is None:
        raise ValueError(f"must be {', '.join(CONTROL_TYPES)}")
    return found
