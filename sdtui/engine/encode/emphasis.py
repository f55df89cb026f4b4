"""Emphasis: the weights of words applied to their hidden states."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from sdtui.core.enums import Emphasis

_LEAST_MEAN = 1e-4
"""Share of the mean magnitude. A smaller mean is nothing but rounding in fp16, and its ratio
chance."""


def emphasise(
    hidden: torch.Tensor, weights: torch.Tensor, counts: Sequence[int], mode: Emphasis
) -> torch.Tensor:
    """Return hidden states with weights applied. `hidden`: texts x chunks x tokens x width;
    `weights`: texts x chunks x tokens, float32; `counts`: in how many stretches of a schedule each
    text is used.

    In the mode `original` the mean of each chunk over all texts is kept. Source: A1111's
    modules/sd_emphasis.py, where a text of several stretches is encoded once for each.
    """
    if mode in (Emphasis.IGNORE, Emphasis.NONE) or bool((weights == 1).all()):
        return hidden
    before = hidden.float()
    weighted = before * weights.to(before.device)[..., None]
    if mode is Emphasis.ORIGINAL:
        mean, new_mean = _mean_of_chunks(before, counts), _mean_of_chunks(weighted, counts)
        is_noise = new_mean.abs() <= _LEAST_MEAN * _mean_of_chunks(weighted.abs(), counts)
        ratio = torch.where(is_noise, torch.ones_like(mean), mean / new_mean)
        weighted = weighted * ratio[None, :, None, None]
    return weighted.to(hidden.dtype)


def _mean_of_chunks(hidden: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
    shares = torch.tensor(counts, dtype=torch.float32).to(hidden.device) / sum(counts)
    return (hidden.mean(dim=(2, 3)) * shares[:, None]).sum(dim=0)
