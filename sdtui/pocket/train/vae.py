"""The autoencoder: 128x128x3 pixels ↔ 16x16x8 latents, 1.1 M parameters."""

import argparse
import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import click
import numpy as np
import torch
from diffusers import AutoencoderTiny
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from sdtui.pocket.sheet import load, sheet
from sdtui.pocket.train.assets import fetch_assets, load_pictures
from sdtui.pocket.train.compositions import draw_composition
from sdtui.pocket.train.drawn import Drawn, draw_latents, joined, redraw_latents
from sdtui.pocket.train.objects import THINGS
from sdtui.pocket.train.pixels import pixels
from sdtui.pocket.train.precision import autocast
from sdtui.pocket.train.rendering import render

Autoencoder: TypeAlias = Any
"""An AutoencoderTiny. Its class has no type hints for its attributes."""
CHANNELS = 48
LATENT_CHANNELS = 8
CROP = 64
"""Side of a training crop in pixels."""
_POOL = 2000
"""Pictures that are rendered for the training."""
_BATCH, _DRAWN_BATCH = 16, 4
"""Crops of pictures, and whole drawn ones of as many pixels together."""
_DRAWN_SHARE = 0.7
"""Of the decoder that was trained with drawn latents; the rest is the one of before, which loses
less of other pictures."""
_REDRAWN = 0.1
"""Share of the drawings that are redrawn at twice the size: they have four times as many pixels."""
_LEARNING_RATE = 1.2e-3
_USUAL_CONTRAST, _LEAST_CONTRAST = 0.35, 0.05
"""Standard deviation of a picture's pixels, and of a plain one's, so to speak. What has nearly its
background's colour has little, and would be left out like an error of the latents."""
_WEIGHTS = (0.6, 3.0)
"""Range of the weights of pictures by their contrast."""
_LATENT_NOISE = 0.04
"""Noise on the latents in training, so that small errors of the UNet stay small in pixels."""


def new_vae() -> Autoencoder:
    """An untrained autoencoder that already averages 8x8 blocks and copies them back.

    The first three channels of every convolution pass colours through, and the last convolution
    of every residual block starts at zero, so training only has to add detail. A randomly
    initialised network of this size does not learn absolute colours in reasonable time.
    """
    vae: Autoencoder = AutoencoderTiny(
        encoder_block_out_channels=(CHANNELS,) * 4,
        decoder_block_out_channels=(CHANNELS,) * 4,
        latent_channels=LATENT_CHANNELS,
        num_encoder_blocks=(0, 1, 2, 3),
        num_decoder_blocks=(4, 3, 2, 1),
    )
    binomial = torch.tensor([1.0, 2.0, 1.0])
    blur = torch.outer(binomial, binomial) / 16
    identity = torch.zeros(3, 3)
    identity[1, 1] = 1
    for half in (vae.encoder.layers, vae.decoder.layers):
        for layer in half:
            if isinstance(layer, nn.Conv2d):
                _pass_colours(layer, blur if layer.stride == (2, 2) else identity)
            elif hasattr(layer, "conv"):
                nn.init.zeros_(layer.conv[-1].weight)
                nn.init.zeros_(layer.conv[-1].bias)
    # Colours 0…1 become latents -1…1, inside the linear part of the decoder's tanh.
    with torch.no_grad():
        last, first = vae.encoder.layers[-1], vae.decoder.layers[0]
        last.weight[:3] *= 2
        last.bias[:3] = -1
        first.weight[:3] *= 0.5
        first.bias[:3] = 0.5
    return vae


@torch.no_grad()
def _pass_colours(conv: nn.Conv2d, kernel: Tensor) -> None:
    """Make channels 0-2 of `conv` apply the 3x3 `kernel` to input channels 0-2 alone."""
    conv.weight[:3] = 0
    for channel in range(3):
        conv.weight[channel, channel] = kernel
    if conv.bias is not None:
        conv.bias[:3] = 0


def _gradients(x: Tensor) -> tuple[Tensor, Tensor]:
    return x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]


def reconstruction_loss(output: Tensor, target: Tensor, progress: float) -> Tensor:
    """Squared error, fine and coarse, plus absolute error of values and edges, growing in time; the
    absolute one counts more in pictures of little contrast.

    Both pictures are (n, 3, height, width) in -1…1; `progress` runs from 0 to 1.
    """
    weights = _USUAL_CONTRAST / (target.flatten(2).std(dim=2).mean(dim=1) + _LEAST_CONTRAST)
    weights = weights.clamp(*_WEIGHTS).view(-1, 1, 1, 1)
    loss = functional.mse_loss(output, target) + functional.mse_loss(
        functional.avg_pool2d(output, 4), functional.avg_pool2d(target, 4)
    )
    edges = sum(
        (weights * (a - b).abs()).mean()
        for a, b in zip(_gradients(output), _gradients(target), strict=True)
    )
    return loss + progress * (0.5 * (weights * (output - target).abs()).mean() + edges)


def train_vae(
    vae: Autoencoder,
    pictures: Mapping[str, Image.Image],
    seconds: float,
    *,
    decoder_only: bool = False,
    drawn: Drawn | None = None,
) -> None:
    """Train for `seconds` on crops of compositions. With `decoder_only` latents stay what they are,
    so that a UNet that draws them need not learn others; otherwise the scaling factor is set. With
    `drawn`, latents that a UNet has drawn are half of what the decoder learns from."""
    rng = random.Random(1)
    torch.manual_seed(1)
    pool = pixels([render(draw_composition(rng), pictures, rng).picture for _ in range(_POOL)])
    vae.to(memory_format=torch.channels_last)
    vae.encoder.requires_grad_(not decoder_only)
    weights = [weight for weight in vae.parameters() if weight.requires_grad]
    former = [weight.detach().clone() for weight in weights]
    average = [weight.clone() for weight in former]
    encoder: Any = torch.compile(vae.encoder)
    decoder: Any = torch.compile(vae.decoder)
    optimizer = torch.optim.AdamW(weights, lr=_LEARNING_RATE, weight_decay=1e-4, fused=True)
    start, step = time.monotonic(), 0
    while (progress := (time.monotonic() - start) / seconds) < 1:
        warm = min(1.0, (step + 1) / 100)
        for group in optimizer.param_groups:
            group["lr"] = _LEARNING_RATE * warm * (1 + np.cos(np.pi * progress)) / 2
        target = _crops(pool, rng)
        with autocast():
            latents = encoder(target)
            output = decoder(latents + _LATENT_NOISE * torch.randn_like(latents))
        means = latents.float().mean(dim=(0, 2, 3))
        loss = reconstruction_loss(output.float(), target, progress) + 1e-3 * means.square().mean()
        if drawn is not None:
            own, right = drawn.choose(_DRAWN_BATCH)
            with autocast():
                output = decoder(own.contiguous(memory_format=torch.channels_last))
            loss = loss + reconstruction_loss(output.float(), right, progress)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        torch._foreach_lerp_(average, [w.detach() for w in weights], 0.005)
        step += 1
        if step % 100 == 0:
            click.echo(f"step {step} loss {loss.item():.4f} {progress:.0%}")
    trained = [weight.data for weight in weights]
    torch._foreach_copy_(trained, average)
    if drawn is not None:
        torch._foreach_lerp_(trained, former, 1 - _DRAWN_SHARE)
    if not decoder_only:
        _set_scale(vae, pool[:400])
    vae.eval()


def _crops(pool: Tensor, rng: random.Random) -> Tensor:
    """Random crops of pictures (n, 3, 128, 128)."""
    crops = []
    for _ in range(_BATCH):
        x, y = 8 * rng.randrange(1, 8), 8 * rng.randrange(1, 8)
        crops.append(pool[rng.randrange(len(pool)), :, y : y + CROP, x : x + CROP])
    return torch.stack(crops).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def _set_scale(vae: Autoencoder, sample: Tensor) -> None:
    """Scale all latents to unit variance, with one factor for all channels."""
    latents = vae.encode(sample).latents
    vae.register_to_config(scaling_factor=round(1 / latents.std().item(), 4))


@torch.no_grad()
def encode(vae: Autoencoder, pictures: list[Image.Image]) -> Tensor:
    """RGB pictures → scaled latents (n, 8, height / 8, width / 8), float16."""
    with autocast(vae.device.type):
        latents = vae.encode(pixels(pictures).to(vae.device)).latents
    scaled: Tensor = latents.float() * vae.config.scaling_factor
    return scaled.to("cpu", torch.float16)


@torch.no_grad()
def decode(vae: Autoencoder, latents: Tensor) -> list[Image.Image]:
    """Scaled latents (n, 8, h, w) → RGB pictures of 8h x 8w pixels."""
    decoded = vae.decode(latents.float() / vae.config.scaling_factor).sample
    array = (decoded.clamp(-1, 1) * 127.5 + 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    return [Image.fromarray(picture) for picture in array]


def reconstruction_sheet(vae: Autoencoder, pictures: Mapping[str, Image.Image], path: Path) -> None:
    """Save twelve compositions and, below each, its reconstruction."""
    rng = random.Random(2)
    before = [render(draw_composition(rng), pictures, rng).picture for _ in range(12)]
    sheet([*before, *decode(vae, encode(vae, before))], columns=12).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sdtui.pocket.train.vae")
    parser.add_argument("--work", type=Path, default=Path(".pocket"), help="the npm package")
    parser.add_argument(
        "--weights", type=Path, help="of an autoencoder whose decoder is trained on"
    )
    parser.add_argument(
        "--drawn-by", type=Path, help="a model's folder: its decoder is trained on its own latents"
    )
    parser.add_argument("--drawn", type=int, default=4000, help="how many of these it draws first")
    parser.add_argument("--to", type=Path, required=True, help="the trained autoencoder's folder")
    parser.add_argument("--minutes", type=float, default=9)
    arguments = parser.parse_args()
    pictures = load_pictures(fetch_assets(arguments.work), THINGS)
    weights, drawn = arguments.weights, None
    if arguments.drawn_by:
        weights = weights or arguments.drawn_by / "vae"
        pipeline = load(arguments.drawn_by)
        redrawn = max(1, round(arguments.drawn * _REDRAWN))
        drawn = joined(
            [
                draw_latents(pipeline, pictures, arguments.drawn - redrawn, seed=7),
                redraw_latents(pipeline, pictures, redrawn, seed=8),
            ]
        )
    vae = AutoencoderTiny.from_pretrained(weights, dtype=torch.float32) if weights else new_vae()
    seconds = arguments.minutes * 60
    train_vae(vae, pictures, seconds, decoder_only=weights is not None, drawn=drawn)
    arguments.to.mkdir(parents=True, exist_ok=True)
    reconstruction_sheet(vae, pictures, arguments.to / "reconstructions.png")
    vae.to(torch.float16).save_pretrained(arguments.to)


if __name__ == "__main__":
    main()
