"""What fields that several passes have, each with a value of its own, have in common."""

from __future__ import annotations

from dataclasses import replace

from sdtui.core.fields import FieldSpec
from sdtui.core.sampler_names import known_label
from sdtui.core.samplers import sampler_labels

_LONGEST_PROMPT = 32_000
"""Characters."""

_FIELD = FieldSpec(label="", help="")
PROMPT = replace(_FIELD, max_length=_LONGEST_PROMPT)
SAMPLER = replace(_FIELD, check=known_label, choices=sampler_labels, metavar="NAME")
STEPS = replace(_FIELD, ge=1, le=150)
GUIDANCE_SCALE = replace(_FIELD, ge=0, le=30, step=0.5)
STRENGTH = replace(_FIELD, ge=0, le=1, step=0.05)
