"""Every field that can be asked for: its label, type, default, limits and help.

The request itself, the form, the command-line flags and the HTTP schema are all made from this one
definition. It needs no library, so that the form is there before anything is checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdtui.core.enums import POCKET, DType, InitImageFit, MemoryMode, Policy, Speed

SIZE_MULTIPLE = 8
"""Sizes are multiples of this: the factor of the VAEs of SD 1.x, 2.x and SDXL."""

SMALLEST_SIDE = 64
LARGEST_SIDE = 2048
"""Pixels of a picture's width and height."""

MAX_SEED = 2**32 - 1
"""The largest seed that other front ends also take."""

DEFAULT_STRENGTH = 0.75
"""Denoising strength when an init image comes without one; the value of A1111."""

_MAX_PROMPT = {"max_length": 20_000}
_SIZE = {"ge": SMALLEST_SIDE, "le": LARGEST_SIDE, "multiple_of": SIZE_MULTIPLE}


@dataclass(frozen=True)
class RequestField:
    """One field. `help` is a sentence or two; `limits` go by pydantic's names (`ge`, `le` …)."""

    label: str
    """As people know it."""
    help: str
    type: type
    default: Any = None
    """`None` leaves the field open; `...` where there is none."""
    limits: Mapping[str, Any] = field(default_factory=dict)


REQUEST_FIELDS: Mapping[str, RequestField] = {
    "prompt": RequestField("Prompt", "What the picture should show.", str, ..., _MAX_PROMPT),
    "negative_prompt": RequestField(
        "Negative prompt", "What it should not show.", str, "", _MAX_PROMPT
    ),
    "model": RequestField(
        "Model",
        'A hub id, a model folder, a .safetensors file, or "pocket".',
        str,
        POCKET,
        {"min_length": 1},
    ),
    "sampler": RequestField(
        "Sampler",
        'How noise is taken away, e.g. "DPM++ 2M Karras"; none = the model\'s own choice.',
        str,
    ),
    "num_inference_steps": RequestField(
        "Steps",
        "Denoising steps; none = the model's own number.",
        int,
        limits={"ge": 1, "le": 150},
    ),
    "guidance_scale": RequestField(
        "CFG scale",
        "How closely the prompt is followed; none = the model's own value.",
        float,
        limits={"ge": 0, "le": 30, "allow_inf_nan": False},
    ),
    "width": RequestField(
        "Width", "Width in pixels; none = the model's native size.", int, limits=_SIZE
    ),
    "height": RequestField(
        "Height", "Height in pixels; none = the model's native size.", int, limits=_SIZE
    ),
    "seed": RequestField(
        "Seed",
        "Where the noise starts; none = random. Picture i of a batch has seed + i.",
        int,
        limits={"ge": 0, "le": MAX_SEED},
    ),
    "num_images_per_prompt": RequestField(
        "Pictures", "How many pictures to make.", int, 1, {"ge": 1, "le": 64}
    ),
    "init_image": RequestField("Init image", "A picture to start from (image-to-image).", Path),
    "init_image_fit": RequestField(
        "Fit",
        "Crop, pad or stretch an init image of another shape.",
        InitImageFit,
        InitImageFit.CROP,
    ),
    "strength": RequestField(
        "Denoising strength",
        "How much of the init image is made anew, 0 to 1 (0.75 where it is left open).",
        float,
        limits={"ge": 0, "le": 1, "allow_inf_nan": False},
    ),
    "policy": RequestField(
        "Retry policy",
        "What may be done when memory runs out: keep = all means, those that keep the picture"
        " first; strict = never change what was asked; tutorial = 384 px, then 25 steps.",
        Policy,
        Policy.KEEP,
    ),
    "memory_mode": RequestField(
        "Memory mode",
        "Where the weights are during a run; auto = the fastest mode that fits.",
        MemoryMode,
        MemoryMode.AUTO,
    ),
    "dtype": RequestField(
        "Precision",
        "Number format of the weights; auto = what suits the device.",
        DType,
        DType.AUTO,
    ),
    "speed": RequestField(
        "Speed",
        "What may be given up for speed: quality = nothing, the picture stays as it is;"
        " fast = nearly the same picture; max = all there is, and a minute of compiling"
        " at the start.",
        Speed,
        Speed.QUALITY,
    ),
}
