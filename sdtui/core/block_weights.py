"""Block weights: how strongly a LoRA is applied to each block of a UNet.

Lists and names are those of the extension sd-webui-lora-block-weight. Blocks that a list doesn't
have get 0; BASE stands for the text encoders.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

_LISTS = {
    # Length: blocks. The lists for LoRAs and LyCORIS' adapters of SD 1.x and of SDXL.
    12: "BASE IN04 IN05 IN07 IN08 MID OUT00 OUT01 OUT02 OUT03 OUT04 OUT05",
    17: "BASE IN01 IN02 IN04 IN05 IN07 IN08 MID"
    " OUT03 OUT04 OUT05 OUT06 OUT07 OUT08 OUT09 OUT10 OUT11",
    20: "BASE IN00 IN01 IN02 IN03 IN04 IN05 IN06 IN07 IN08 MID"
    " OUT00 OUT01 OUT02 OUT03 OUT04 OUT05 OUT06 OUT07 OUT08",
    26: "BASE IN00 IN01 IN02 IN03 IN04 IN05 IN06 IN07 IN08 IN09 IN10 IN11 MID"
    " OUT00 OUT01 OUT02 OUT03 OUT04 OUT05 OUT06 OUT07 OUT08 OUT09 OUT10 OUT11",
}
_NAMED = {
    # The blocks with the weight 1, as a pattern.
    "NONE": "",
    "ALL": ".*",
    "INS": "BASE|IN0[0-3]",
    "IND": "BASE|IN0[4-9]|IN1.",
    "INALL": "BASE|IN.*",
    "MIDD": "BASE|IN0[4-9]|IN1.|MID|OUT0[0-6]",
    "OUTD": "BASE|OUT0[0-6]",
    "OUTS": "BASE|OUT0[7-9]|OUT1.",
    "OUTALL": "BASE|OUT.*",
}
BASE = "BASE"


class BlockWeightError(ValueError):
    """Block weights that can't be understood; the message follows their text."""


def parse_block_weights(text: str) -> Mapping[str, float]:
    """Return the weight of each block: of a list of 12, 17, 20 or 26 numbers, or of a name such as
    OUTALL. Raises BlockWeightError."""
    pattern = _NAMED.get(text.strip().upper())
    if pattern is not None:
        blocks = _LISTS[26].split()
        return {block: float(bool(re.fullmatch(pattern, block))) for block in blocks}
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError as error:
        names = ", ".join(_NAMED)
        raise BlockWeightError(f"is neither a list of numbers nor one of {names}") from error
    if len(values) not in _LISTS or not all(map(math.isfinite, values)):
        lengths = ", ".join(map(str, _LISTS))
        raise BlockWeightError(f"has {len(values)} numbers, but should have one of {lengths}")
    return dict(zip(_LISTS[len(values)].split(), values, strict=True))
