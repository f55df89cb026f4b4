"""Conversion between pixels and latents."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from sdtui.engine.latents import draw_noise, scale_latents, unscale_latents


@pytest.mark.parametrize("statistics", [None, ([0.5, -1.0], [2.0, 0.25])])
def test_unscaling_undoes_scaling(statistics: tuple[list[float], list[float]] | None) -> None:
    mean, std = statistics or (None, None)
    config = SimpleNamespace(scaling_factor=0.18, latents_mean=mean, latents_std=std)
    latents = torch.randn((3, 2, 4, 4), generator=torch.Generator().manual_seed(0))
    scaled = scale_latents(config, latents)
    assert not torch.allclose(scaled, latents)
    assert torch.allclose(unscale_latents(config, scaled), latents, atol=1e-6)


def test_noise_of_a_seed_is_the_same_alone_and_in_a_batch() -> None:
    def generators(*seeds: int) -> list[torch.Generator]:
        return [torch.Generator().manual_seed(seed) for seed in seeds]

    both = draw_noise((4, 8, 8), generators(1, 2))
    assert torch.equal(both[1:], draw_noise((4, 8, 8), generators(2)))
