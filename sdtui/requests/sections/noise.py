"""The noise that pictures start from, besides its seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sdtui.core.enums import Rng
from sdtui.core.fields import FieldSpec, Section

LARGEST_SEED = 2**64 - 1
"""The largest seed that torch and ComfyUI take; A1111's are smaller."""

_GROUP = "Noise"


@dataclass(frozen=True)
class Noise(Section):
    """How noise is drawn, and mixed with that of another seed or size (modules/rng.py of A1111)."""

    variation_seed: Annotated[
        int | None,
        FieldSpec(
            label="Variation seed",
            help="The seed of the noise that is mixed in; none or -1 = random. Picture i of a batch"
            " has variation seed + i, and all have the same seed.",
            group=_GROUP,
            ge=0,
            le=LARGEST_SEED,
            open_text="random",
            a1111="subseed",
            openai="variation_seed",
            search=("variation_seed",),
            infotext="Variation seed",
            aliases=("variation seed", "subseed"),
        ),
    ] = None
    variation_strength: Annotated[
        float,
        FieldSpec(
            label="Variation strength",
            help="How much of the variation seed's noise is mixed in: 0 = none, 1 = all of it.",
            group=_GROUP,
            ge=0,
            le=1,
            step=0.05,
            a1111="subseed_strength",
            openai="variation_strength",
            search=("variation_strength",),
            infotext="Variation seed strength",
            aliases=("variation seed strength", "subseed strength"),
        ),
    ] = 0.0
    seed_resize_width: Annotated[
        int | None,
        FieldSpec(
            label="Seed resize width",
            help="The width of the picture whose noise is put into the middle of this one's, so"
            " that it shows much the same at another size.",
            group=_GROUP,
            ge=8,
            le=2048,
            multiple_of=8,
            step=64,
            open_text="off",
            a1111="seed_resize_from_w",
            openai="seed_resize_width",
        ),
    ] = None
    seed_resize_height: Annotated[
        int | None,
        FieldSpec(
            label="Seed resize height",
            help="The same for the height; if one of them is open, it is the picture's own.",
            group=_GROUP,
            ge=8,
            le=2048,
            multiple_of=8,
            step=64,
            open_text="off",
            a1111="seed_resize_from_h",
            openai="seed_resize_height",
        ),
    ] = None
    rng: Annotated[
        Rng,
        FieldSpec(
            label="Random numbers",
            group=_GROUP,
            choice_names={Rng.CPU: "of the CPU", Rng.NV: "as on NVIDIA GPUs"},
            help="Where noise comes from: cpu = torch on the CPU; nv = what torch draws on NVIDIA"
            " GPUs, which A1111 uses unless it is told otherwise.",
            a1111_option="randn_source",
            a1111_names={Rng.CPU: "CPU", Rng.NV: "NV"},
            openai="rng",
            search=("rng",),
        ),
    ] = Rng.CPU

    @property
    def is_varied(self) -> bool:
        """True if noise of the variation seed is mixed in."""
        return self.variation_strength != 0

    @property
    def is_resized(self) -> bool:
        """True if noise of another size is put into the picture's."""
        return self.seed_resize_width is not None or self.seed_resize_height is not None

    def original_size(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height that the noise is drawn for, for a picture of this size; all in
        pixels."""
        return self.seed_resize_width or width, self.seed_resize_height or height
