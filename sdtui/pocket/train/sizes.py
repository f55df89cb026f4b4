"""Train the finished UNet on at several picture sizes, so that it redraws larger pictures sanely.

`python -m sdtui.pocket.train.sizes` goes on from the model folder. At the native size it trains on
all noise levels, as before. At the other sizes it trains mostly on the lower levels, which hires
fix, image-to-image and inpainting use: there the content comes from the picture, so the UNet needs
few steps to stop relying on the places of the native size.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import click
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from sdtui.pocket import MODEL_FOLDER
from sdtui.pocket.train.assets import fetch_assets, load_pictures
from sdtui.pocket.train.captions import draw_caption
from sdtui.pocket.train.compositions import SIZE, draw_composition, render
from sdtui.pocket.train.controlnet import load_pocket, render_anywhere
from sdtui.pocket.train.objects import THINGS
from sdtui.pocket.train.places import Places
from sdtui.pocket.train.precision import autocast
from sdtui.pocket.train.text import TextModels
from sdtui.pocket.train.unet import PLACES_WEIGHT, add_noise, evenly, new_scheduler
from sdtui.pocket.train.vae import Autoencoder, encode

_SHARES = {64: 0.05, 96: 0.05, SIZE: 0.55, 192: 0.15, 256: 0.2}
"""Share of the steps by side in pixels."""
_CELLS = 16 * (SIZE // 8) ** 2
"""Latent cells in a batch: 16 pictures of the native size, 4 of twice its side."""
_ANYWHERE = 0.3
"""Share of pictures whose objects have any size, place and turn."""
_LOW_NOISE = 1.5
"""Exponent of the even distribution of times at the other sizes: half lie below 354 of 1000."""
_LEARNING_RATE = 3e-4
_WARM_UP = 100
"""Steps over which the learning rate rises."""
_AVERAGE = 0.995
_EMPTY_CAPTIONS = 0.1
_SAVED_SECONDS = 300


@dataclass(frozen=True)
class Drawn:
    """Draws batches of pictures of one size after another."""

    pictures: Mapping[str, Image.Image]
    vae: Autoencoder

    def batches(self, rng: random.Random) -> Iterator[tuple[Tensor, list[str]]]:
        """Endless batches of latents (n x 8 x side / 8 x side / 8) and captions."""
        while True:
            side = rng.choices(tuple(_SHARES), tuple(_SHARES.values()))[0]
            compositions = [draw_composition(rng) for _ in range(_CELLS // (side // 8) ** 2)]
            images = [
                render_anywhere(each, self.pictures, rng, side)
                if side != SIZE and rng.random() < _ANYWHERE
                else render(each, self.pictures, rng, side)
                for each in compositions
            ]
            captions = [
                "" if rng.random() < _EMPTY_CAPTIONS else draw_caption(each, rng)
                for each in compositions
            ]
            yield encode(self.vae, images).float(), captions


def draw_times(count: int, *, native: bool) -> Tensor:
    """`count` times (0 to 999), one from each of as many equal intervals, in random order."""
    return (1000 * evenly(count) ** (1 if native else _LOW_NOISE)).long().clamp(max=999)


def train(models: TextModels, examples: Drawn, seconds: float, path: Path) -> list[Tensor]:
    """Train for `seconds`, in which the learning rate falls to zero. Returns the averaged weights,
    which `path` gets now and then."""
    torch.manual_seed(6)
    unet = models.unet.train().requires_grad_(requires_grad=True)
    places = Places(unet)
    weights = list(unet.parameters())
    average = [each.detach().clone() for each in weights]
    optimizer = torch.optim.AdamW(
        [*weights, *places.parameters()],
        lr=_LEARNING_RATE,
        betas=(0.9, 0.99),
        weight_decay=0.01,
        fused=True,
    )
    schedule = new_scheduler().alphas_cumprod
    started = saved = time.monotonic()
    losses: dict[int, list[float]] = {side: [] for side in _SHARES}
    for step, (latents, captions) in enumerate(examples.batches(random.Random(7))):
        progress = (time.monotonic() - started) / seconds
        if progress >= 1:
            break
        warm = min(1.0, (step + 1) / _WARM_UP)
        for group in optimizer.param_groups:
            group["lr"] = _LEARNING_RATE * warm * (1 + math.cos(math.pi * progress)) / 2
        side = 8 * latents.shape[-1]
        times = draw_times(len(latents), native=side == SIZE)
        noisy, velocity = add_noise(latents, times, schedule)
        with autocast():
            with torch.no_grad():
                context = models.encode(captions)
            predicted = unet(noisy, times, context, return_dict=False)[0]
        loss = functional.mse_loss(predicted.float(), velocity)
        optimizer.zero_grad(set_to_none=True)
        (loss + PLACES_WEIGHT * places.loss()).backward()
        nn.utils.clip_grad_norm_(weights, 1.0, foreach=True)
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(average, weights, 1 - min(_AVERAGE, (step + 1) / (step + 10)))
        losses[side].append(loss.item())
        if step % 100 == 99:
            means = " ".join(
                f"{side}: {sum(each[-30:]) / max(1, len(each[-30:])):.4f}"
                for side, each in losses.items()
            )
            click.echo(f"step {step + 1} loss {means} {progress:.0%}")
        if time.monotonic() - saved > _SAVED_SECONDS:
            saved = time.monotonic()
            torch.save(average, path)
    return average


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sdtui.pocket.train.sizes")
    parser.add_argument("--work", type=Path, default=Path(".pocket"), help="assets, weights")
    parser.add_argument("--to", type=Path, default=MODEL_FOLDER, help="the finished model folder")
    parser.add_argument("--minutes", type=float, default=60)
    arguments = parser.parse_args()
    work: Path = arguments.work
    work.mkdir(parents=True, exist_ok=True)
    models, vae = load_pocket()
    examples = Drawn(load_pictures(fetch_assets(work), THINGS), vae)
    average = train(models, examples, arguments.minutes * 60, work / "sizes.pt")
    with torch.no_grad():
        torch._foreach_copy_([each.data for each in models.unet.parameters()], average)
    models.unet.to(torch.float16).save_pretrained(arguments.to / "unet")


if __name__ == "__main__":
    main()
