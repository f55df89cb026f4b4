"""Control: pictures that steer the denoising, through ControlNets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sdtui.core.fields import FieldSpec, Section
from sdtui.core.picture_entries import ControlEntry

_MOST = 8
"""Entries."""


@dataclass(frozen=True)
class Control(Section):
    """ControlNets with their pictures."""

    controls: Annotated[
        tuple[str, ...],
        FieldSpec(
            label="ControlNets",
            help="ControlNets by name or path, each with its picture and weight:"
            " canny:photo.png:0.8,preprocessor=canny. Further options: start, end, mode, low,"
            " high, resolution, pixel_perfect, resize, type, passes. Without a picture it is the"
            " init image.",
            flags=("--control",),
            metavar="NAME:IMAGE[:WEIGHT][,OPTION=…]",
            group="Start from",
            chip_short="{}",
            letter="o",
            max_length=_MOST,
            entries=ControlEntry,
            open_text="none",
            openai="controls",
        ),
    ] = ()
