"""Optimizers and learning rates."""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Callable
from typing import Any

import torch

from sdtui.core.errors import TrainingError
from sdtui.requests.training.optimization import LearningRateSchedule, Optimization, Optimizer

_USUAL_RATE = 1e-4
_PRODIGY_RATE = 1.0
"""A factor of the rate that it finds."""
_BITSANDBYTES, _PRODIGY = "bitsandbytes", "prodigyopt"


def chosen_optimizer(requested: Optimizer, *, on_cuda: bool) -> Optimizer:
    """Return the optimizer for AUTO: AdamW, with 8 bits where bitsandbytes is installed and the
    device is an NVIDIA GPU."""
    if requested is not Optimizer.AUTO:
        return requested
    has_8_bits = on_cuda and importlib.util.find_spec(_BITSANDBYTES) is not None
    return Optimizer.ADAMW_8BIT if has_8_bits else Optimizer.ADAMW


def learning_rates(options: Optimization, kind: Optimizer) -> tuple[float, float]:
    """Return the learning rates of the U-Net and of the text encoders."""
    usual = _PRODIGY_RATE if kind is Optimizer.PRODIGY else _USUAL_RATE
    unet = options.learning_rate or usual
    half = unet if kind is Optimizer.PRODIGY else unet / 2
    return unet, options.text_encoder_lr or half


def make_optimizer(
    kind: Optimizer,
    groups: list[dict[str, Any]],
) -> torch.optim.Optimizer:
    """Return an optimizer of groups of parameters with their learning rates. Raises TrainingError
    if its library is missing."""
    if kind is Optimizer.ADAMW_8BIT:
        return _imported(_BITSANDBYTES).optim.AdamW8bit(groups)  # type: ignore[no-any-return]
    if kind is Optimizer.PRODIGY:
        # As its authors recommend for diffusion models (github.com/konstmish/prodigy).
        return _imported(_PRODIGY).Prodigy(  # type: ignore[no-any-return]
            groups, use_bias_correction=True, safeguard_warmup=True, weight_decay=0.01
        )
    if kind is Optimizer.ADAFACTOR:
        from transformers.optimization import Adafactor

        return Adafactor(groups, relative_step=False, scale_parameter=False, warmup_init=False)
    return torch.optim.AdamW(groups)


def rate_factor(
    schedule: LearningRateSchedule, warmup_steps: int, all_steps: int
) -> Callable[[int], float]:
    """Return the factor of the learning rate by step, 0 to 1: it rises in the warm-up, and then
    stays or falls to 0 at the end (as diffusers' `get_scheduler`)."""

    def factor(step: int) -> float:
        if step < warmup_steps:
            return step / max(1, warmup_steps)
        share = (step - warmup_steps) / max(1, all_steps - warmup_steps)
        if schedule is LearningRateSchedule.LINEAR:
            return max(0.0, 1 - share)
        if schedule is LearningRateSchedule.COSINE:
            return (1 + math.cos(math.pi * min(1.0, share))) / 2
        return 1.0

    return factor


def _imported(library: str) -> Any:
    try:
        return importlib.import_module(library)
    except ImportError as error:
        raise TrainingError(
            f"this optimizer needs {library}, which isn't installed",
            f"Install it with pip install {library}, or choose adamw",
        ) from error
