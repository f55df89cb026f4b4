"""Control: pictures that steer the denoising, through ControlNets and IP-Adapters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sdtui.core.fields import FieldSpec, Section
from sdtui.core.picture_entries import ControlEntry, IPAdapterEntry

_MOST = 8
"""Entries of each kind."""


@dataclass(frozen=True)
class Control(Section):
    """ControlNets and IP-Adapters with their pictures."""

    controls: Annotated[
        tuple[str, ...],
        FieldSpec(
            label="ControlNets",
            help="ControlNets by name or path, each with its picture and weight:"
            " canny:photo.png:0.8,preprocessor=canny. Further options: start, end, mode, low,"
            " high, resolution, pixel_perfect, resize, type, passes. Without a picture it is the"
            " init image, or the tile that is redrawn.",
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
    ip_adapters: Annotated[
        tuple[str, ...],
        FieldSpec(
            label="IP-Adapters",
            help="IP-Adapters by name or path, each with its picture and weight: plus:face.png:0.6."
            " Options: start, end.",
            flags=("--ip-adapter",),
            metavar="NAME:IMAGE[:WEIGHT]",
            group="Start from",
            chip_short="{}",
            max_length=_MOST,
            entries=IPAdapterEntry,
            open_text="none",
            openai="ip_adapters",
        ),
    ] = ()
