"""Pictures that continue at their opposite edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sdtui.core.fields import FieldSpec, Section


@dataclass(frozen=True)
class Tiling(Section):
    """Whether a picture can be laid side by side with itself."""

    tiling: Annotated[
        bool,
        FieldSpec(
            label="Seamless tiling",
            help="Make a picture whose edges fit its opposite edges, for patterns and textures.",
            a1111="tiling",
            openai="tiling",
            search=("tiling",),
            infotext="Tiling",
            aliases=("tiling", "seamless"),
        ),
    ] = False
