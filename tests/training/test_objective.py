"""The loss of a step, against a plain loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDPMScheduler, DiffusionPipeline

from sdtui.core.errors import UnsupportedModelError
from sdtui.training.objective import Batch, batch_loss, draw_noise, training_scheduler


def _by_hand(
    unet: Any,
    prediction: str,
    latents: Any,
    text: Any,
    noise: Any,
    times: Any,
    gamma: float | None,
    added: dict[str, Any],
) -> float:
    """The loss of Ho et al. 2020 with Hang et al. 2023's weights, picture by picture in float64."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    alphas = torch.cumprod(1 - betas, 0)
    losses: list[float] = []
    for index, time in enumerate(times.tolist()):
        signal, spread = alphas[time].sqrt(), (1 - alphas[time]).sqrt()
        one, eps = latents[index].double(), noise[index].double()
        noisy = (signal * one + spread * eps).float()[None]
        extra = {name: value[index : index + 1] for name, value in added.items()}
        predicted = unet(
            noisy, torch.tensor([time]), text[index : index + 1], added_cond_kwargs=extra
        ).sample[0]
        target = eps if prediction == "epsilon" else signal * eps - spread * one
        loss = (predicted.double() - target).square().mean()
        snr = alphas[time] / (1 - alphas[time])
        if gamma is not None:
            weight = min(float(snr), gamma)
            loss = loss * weight / (snr if prediction == "epsilon" else snr + 1)
        losses.append(loss.item())
    return sum(losses) / len(losses)


@pytest.mark.parametrize("gamma", [None, 5.0])
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("family", ["sd1", "sdxl"])
@torch.no_grad()
def test_loss_is_that_of_a_plain_loop(
    tiny_sd1: Path, tiny_sdxl: Path, family: str, prediction: str, gamma: float | None
) -> None:
    folder = tiny_sd1 if family == "sd1" else tiny_sdxl
    pipeline = DiffusionPipeline.from_pretrained(folder)
    unet = pipeline.unet.eval()
    pipeline.scheduler = DDPMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type=prediction,
    )
    generator = torch.Generator().manual_seed(3)
    latents = torch.randn(3, 4, 8, 8, generator=generator)
    text = torch.randn(3, 77, unet.config.cross_attention_dim, generator=generator)
    added = {}
    if family == "sdxl":
        pooled = unet.config.projection_class_embeddings_input_dim
        pooled -= 6 * unet.config.addition_time_embed_dim
        added = {
            "text_embeds": torch.randn(3, pooled, generator=generator),
            "time_ids": torch.randint(0, 64, (3, 6), generator=generator).float(),
        }
    noise = draw_noise(latents, 1000, 0.0, [generator] * 3)
    found = batch_loss(
        unet, training_scheduler(pipeline), Batch(latents, text, added), noise, gamma
    )
    expected = _by_hand(unet, prediction, latents, text, noise.noise, noise.timesteps, gamma, added)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_noise_offset_is_the_same_for_all_pixels_of_a_channel() -> None:
    latents = torch.zeros(1, 4, 8, 8)
    plain = draw_noise(latents, 1000, 0.0, [torch.Generator().manual_seed(1)]).noise
    shifted = draw_noise(latents, 1000, 0.1, [torch.Generator().manual_seed(1)]).noise
    offset = shifted - plain
    assert offset.std(dim=(2, 3)).max() < 1e-6
    assert offset.abs().max() > 0.01


def test_a_model_that_predicts_pictures_is_refused(tiny_sd1: Path) -> None:
    pipeline = DiffusionPipeline.from_pretrained(tiny_sd1)
    pipeline.scheduler = DDPMScheduler(prediction_type="sample")
    with pytest.raises(UnsupportedModelError, match="predicts sample"):
        training_scheduler(pipeline)
