"""Settings of models distilled to few steps: LCM, Lightning, Turbo.

They need few steps and little or no guidance; the usual values give oversaturated pictures.

The values come from the model cards: latent-consistency/*, ByteDance/SDXL-Lightning,
stabilityai/sd-turbo and sdxl-turbo, Lykon/dreamshaper-xl-v2-turbo and
black-forest-labs/FLUX.1-schnell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Distilled:
    """The settings that a distilled model works best with."""

    num_inference_steps: int
    guidance_scale: float
    sampler: str | None = None
    """None stands for the sampler of the model."""
    timestep_spacing: str | None = None
    """Set if the usual spacing would start below full noise, which is wrong for few steps."""


_SCHNELL = Distilled(4, 0.0)
_LCM_EMBEDDED = Distilled(4, 8.0, "LCM")
"""Guidance is an embedding here and costs nothing."""
_LCM_MERGED = Distilled(4, 1.5, "LCM")
_TURBO = Distilled(1, 0.0, "Euler a", "trailing")
_TURBO_MERGED = Distilled(6, 2.0, "DPM++ SDE Karras")
_LIGHTNING_STEPS = 4


def distilled_values(
    name: str, denoiser: Mapping[str, Any], scheduler: Mapping[str, Any], family: str
) -> Distilled | None:
    """The settings of a distilled model, None for other models.

    `name` is a hub id or file name, `denoiser` and `scheduler` are configs (possibly empty),
    `family` is "sd1", "sd2", "sdxl" or the class of a pipeline.
    """
    if family == "FluxPipeline" and denoiser.get("guidance_embeds") is False:
        return _SCHNELL
    if family not in ("sd1", "sd2", "sdxl"):
        return None
    if denoiser.get("time_cond_proj_dim"):
        return _LCM_EMBEDDED
    words = set(re.split(r"[^a-z0-9]+", name.lower()))
    joined = re.sub(r"[^a-z0-9]+", "", name.lower())
    if "lcm" in words or scheduler.get("_class_name") == "LCMScheduler":
        return _LCM_MERGED
    if "lightning" in joined:
        found = re.search(r"(?<!\d)(\d)[-_ ]?steps?", name.lower())
        return Distilled(int(found[1]) if found else _LIGHTNING_STEPS, 0.0, "Euler", "trailing")
    if re.search(r"sd(xl)?(10)?turbo", joined):
        return _TURBO
    return _TURBO_MERGED if "turbo" in joined else None


def model_name(path: Path) -> str:
    """The name of a model folder or file; in the hub's cache the hub id, not the revision."""
    if path.parent.name == "snapshots":
        return path.parent.parent.name.removeprefix("models--").replace("--", "/")
    return path.stem if path.suffix == ".safetensors" else path.name
