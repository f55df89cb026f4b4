"""The noisy latents that the pocket model's UNet learns from."""

from collections.abc import Callable
from types import SimpleNamespace
from unittest import mock

import pytest
import torch
from torch import Tensor

from sdtui.pocket.train.noise import (
    enlarged_latents,
    joined,
    noisy_enlarged,
    noisy_guesses,
    noisy_pictures,
)
from sdtui.pocket.train.unet import new_scheduler, noisy_latents
from sdtui.pocket.train.vae import LATENT_CHANNELS, new_vae


def _leading_to(picture: Tensor, schedule: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """Return what predicts the velocity to a picture from any noise."""

    def predict(noisy: Tensor, times: Tensor) -> Tensor:
        kept = schedule[times].view(-1, 1, 1, 1)
        velocity: Tensor = (kept.sqrt() * noisy - picture) / (1 - kept).sqrt()
        return velocity

    return predict


def test_target_leads_to_the_picture_from_its_noise_and_from_a_wrong_guess() -> None:
    torch.manual_seed(0)
    schedule = new_scheduler().alphas_cumprod
    pictures, wrong = torch.randn(2, 20, LATENT_CHANNELS, 4, 4)
    predict = _leading_to(wrong, schedule)
    for noisy, shown in (
        (noisy_pictures(pictures, schedule, 1.0), pictures),
        (noisy_guesses(predict, pictures, schedule, 1.0), wrong),
    ):
        kept = schedule[noisy.times].view(-1, 1, 1, 1)
        signal, spread = kept.sqrt(), (1 - kept).sqrt()
        found = signal * noisy.latents - spread * noisy.velocity
        torch.testing.assert_close(found, pictures, atol=1e-3, rtol=0)
        noise = (noisy.latents - signal * shown) / spread
        assert noise.std().item() == pytest.approx(1, abs=0.1)
    one = torch.ones(20, 1, 1)
    parts = [noisy_pictures(pictures, schedule, 1.0), noisy]
    torch.testing.assert_close(joined(parts).weights, torch.cat([one, noisy.weights]))
    # An error of the velocity moves the picture by `spread` times as much.
    torch.testing.assert_close(noisy.weights, (1 - kept)[:, 0])


def test_enlarged_drawing_has_little_enough_noise_and_leads_to_the_picture() -> None:
    torch.manual_seed(0)
    schedule = new_scheduler().alphas_cumprod
    small, fine = torch.randn(40, LATENT_CHANNELS, 4, 4), 0.1 * torch.randn(40, 8, 8, 8)
    enlarged = torch.nn.functional.interpolate(small, scale_factor=2.0)
    drawn_from = []

    def predict(noisy: Tensor, times: Tensor) -> Tensor:
        drawn_from.append(times)
        return _leading_to(small, schedule)(noisy, times)

    def enlarge(latents: Tensor) -> Tensor:
        torch.testing.assert_close(latents, small, atol=1e-3, rtol=0)
        return enlarged

    pictures = enlarged + fine
    noisy = noisy_enlarged(predict, enlarge, pictures, schedule, 4)
    first, second = drawn_from
    assert first.min() >= 400
    assert first.max() < 950
    assert torch.equal(second, first // 2)
    assert noisy.times.max() < 450
    kept = schedule[noisy.times].view(-1, 1, 1, 1)
    signal, spread = kept.sqrt(), (1 - kept).sqrt()
    found = signal * noisy.latents - spread * noisy.velocity
    torch.testing.assert_close(found, pictures, atol=1e-3, rtol=0)
    noise = (noisy.latents - signal * enlarged) / spread
    assert noise.std().item() == pytest.approx(1, abs=0.1)
    torch.testing.assert_close(noisy.weights, (1 - kept)[:, 0])


def test_latents_are_enlarged_as_such_and_as_pictures() -> None:
    """A VAE whose pictures are all white."""

    def encode(pictures: Tensor) -> SimpleNamespace:
        assert pictures.shape == (2, 3, 32, 32)
        return SimpleNamespace(latents=torch.full((2, 8, 4, 4), 5.0))

    vae = mock.Mock(encode=encode)
    vae.config.scaling_factor = 2.0
    vae.decode.return_value.sample = torch.ones(2, 3, 16, 16)
    latents = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 8, 2, 2)
    assert enlarged_latents(vae, latents, 4)[:, 0, 0, 0].tolist() == [0, 1, 10, 10]
    torch.testing.assert_close(vae.decode.call_args.args[0], latents[2:] / 2)


@pytest.mark.parametrize(
    ("shape", "own", "has_pure_noise"),
    [((16, 16), 9, True), ((12, 20), 9, True), ((32, 32), 4, False)],
)
def test_larger_pictures_are_never_replaced_by_guesses_from_pure_noise(
    shape: tuple[int, int], own: int, *, has_pure_noise: bool
) -> None:
    torch.manual_seed(0)
    schedule = new_scheduler().alphas_cumprod
    calls: list[tuple[int, int]] = []

    def predict(noisy: Tensor, times: Tensor, _: Tensor, *, return_dict: bool) -> tuple[Tensor]:
        assert not return_dict
        calls.append((len(noisy), int(times.max())))
        return (torch.zeros_like(noisy),)

    latents = torch.randn(12, LATENT_CHANNELS, *shape)
    made = noisy_latents(predict, new_vae(), latents, torch.zeros(12, 5, 4), schedule)
    assert made.latents.shape == latents.shape
    assert {count for count, _ in calls} == {own}
    assert (max(time for _, time in calls) == 999) == has_pure_noise
