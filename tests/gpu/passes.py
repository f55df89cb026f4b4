"""Runs with a second pass."""

from __future__ import annotations

from functools import partial
from typing import Any

from sdtui.core.enums import DType
from tests.gpu.context import Check, Context
from tests.gpu.rows import Reading
from tests.gpu.same_picture import between_devices


def checks() -> list[Check]:
    """Return rows for hires from latents and from pictures."""
    return [
        Check(
            "CPU and GPU",
            f"sd1 float32, hires by {upscaler}",
            partial(_hires, upscaler),
            needs_gpu=True,
        )
        for upscaler in ("Latent", "Lanczos")
    ]


def _hires(upscaler: str, context: Context) -> Reading:
    request = context.request("sd1", DType.FLOAT32)
    values: dict[str, Any] = {"hires_scale": 1.5, "hires_upscaler": upscaler}
    return between_devices(context, request.changed(**values))
