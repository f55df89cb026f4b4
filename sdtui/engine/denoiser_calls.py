"""How often a denoiser is called, and the rows of the values that it is called with."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from sdtui.engine.passes import Pass


def total_calls(scheduler: Any, pass_: Pass) -> int:
    """Return how often the denoiser is called for a batch of a pass, once the scheduler has its
    timesteps."""
    skipped = max(pass_.request.num_inference_steps - pass_.expected_steps, 0)
    return len(scheduler.timesteps) - skipped * int(scheduler.order)


def rows_from(value: Any, first: int, rows: int) -> Any:
    """Return a value of the denoiser's call without its first rows, if it has as many `rows` as
    there are latents."""
    if isinstance(value, Tensor):
        return value[first:] if value.ndim and len(value) == rows else value
    if isinstance(value, dict):
        return {name: rows_from(each, first, rows) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(rows_from(each, first, rows) for each in value)
    return value
