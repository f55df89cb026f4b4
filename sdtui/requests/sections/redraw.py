"""Redrawing: an upscaled picture is made anew tile by tile, with details that fit its size."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from sdtui.core.enums import TileOrder
from sdtui.core.fields import FieldSpec, Section
from sdtui.requests.sections.pass_fields import STRENGTH


@dataclass(frozen=True)
class Redraw(Section):
    """How an upscaled picture is made anew in tiles. The values are those of the script Ultimate SD
    upscale."""

    strength: Annotated[
        float,
        replace(
            STRENGTH,
            name="redraw_strength",
            label="Redraw",
            help="Make the upscaled picture anew tile by tile, this strongly, 0 to 1: 0.2 to 0.4 "
            "adds details, more adds objects.",
            group="Upscale",
            flags=("--redraw",),
            open_text="off",
            openai="redraw_strength",
            infotext="Redraw strength",
        ),
    ]
    tile: Annotated[
        int,
        FieldSpec(
            name="redraw_tile",
            label="Redrawn tile",
            help="The side of a redrawn tile in pixels, without its padding.",
            group="Upscale",
            ge=64,
            le=2048,
            multiple_of=8,
            step=64,
            openai="redraw_tile",
            infotext="Ultimate SD upscale tile_width",
        ),
    ] = 512
    padding: Annotated[
        int,
        FieldSpec(
            name="redraw_padding",
            label="Tile padding",
            help="Pixels around a tile that are seen while it is redrawn.",
            group="Upscale",
            ge=0,
            le=512,
            multiple_of=8,
            step=8,
            openai="redraw_padding",
            infotext="Ultimate SD upscale padding",
        ),
    ] = 32
    mask_blur: Annotated[
        int,
        FieldSpec(
            name="redraw_mask_blur",
            label="Tile blur",
            help="How softly a redrawn tile ends, in pixels.",
            group="Upscale",
            ge=0,
            le=64,
            openai="redraw_mask_blur",
            infotext="Ultimate SD upscale mask_blur",
        ),
    ] = 8
    order: Annotated[
        TileOrder,
        FieldSpec(
            name="redraw_order",
            label="Tile order",
            help="Row by row, or first every second tile as on a chessboard.",
            group="Upscale",
        ),
    ] = TileOrder.LINEAR
    seams: Annotated[
        bool,
        FieldSpec(
            name="redraw_seams",
            label="Redraw seams",
            help="Redraw the seams as well, by tiles that are shifted by half.",
            group="Upscale",
        ),
    ] = False
