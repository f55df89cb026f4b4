"""Train a ControlNet for the pocket model: the edges of a picture say where its object lies.

`python -m sdtui.pocket.train.controlnet` trains it on two cores. The pocket model stays as it is;
it has seen objects only on their usual places, so everything else has to come from the edges.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import click
import numpy as np
import torch
from diffusers import AutoencoderTiny, ControlNetModel, UNet2DConditionModel
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextModel, CLIPTokenizer

from sdtui.core.pictures.canny import canny
from sdtui.pocket import CONTROLNETS_FOLDER, MODEL_FOLDER
from sdtui.pocket.train.assets import fetch_assets, load_pictures
from sdtui.pocket.train.captions import draw_caption, plain_caption
from sdtui.pocket.train.compositions import (
    Composition,
    Placing,
    draw_composition,
)
from sdtui.pocket.train.export import without_keys
from sdtui.pocket.train.noise import noisy_pictures
from sdtui.pocket.train.objects import THINGS
from sdtui.pocket.train.precision import autocast
from sdtui.pocket.train.rendering import render_anywhere
from sdtui.pocket.train.text import WIDTH, TextModels, Unet
from sdtui.pocket.train.unet import new_scheduler
from sdtui.pocket.train.vae import LATENT_CHANNELS, encode

ControlNet: TypeAlias = Any
"""A ControlNetModel. Its class has no type hints for its attributes."""
BATCH = 16
_LEARNING_RATE = 6e-4
_WARM_UP = 100
"""Steps over which the learning rate rises."""
_EMPTY_CAPTIONS = 0.4
"""Share of empty captions: the paper (Zhang et al. 2023, section 3.3) drops half of them, so that
the ControlNet finds the content in the edges."""
_LOW, _HIGH = 100, 200
"""The thresholds of the preprocessor canny."""
_SAVED_SECONDS = 300


@dataclass(frozen=True)
class Steered:
    """Pictures and their edges."""

    compositions: list[Composition]
    latents: Tensor
    """n x 8 x 16 x 16, float16, scaled to unit variance."""
    edges: Tensor
    """n x 128 x 128, uint8: 0 or 1."""

    def batches(self, rng: random.Random) -> Iterator[tuple[Tensor, Tensor, list[str]]]:
        """Endless batches of latents, edges (n x 3 x 128 x 128, 0 to 1) and captions."""
        while True:
            order = list(range(len(self.compositions)))
            rng.shuffle(order)
            for start in range(0, len(order) - BATCH + 1, BATCH):
                chosen = order[start : start + BATCH]
                captions = [
                    "" if rng.random() < _EMPTY_CAPTIONS else self._caption(each, rng)
                    for each in chosen
                ]
                edges = self.edges[chosen].float()[:, None].expand(-1, 3, -1, -1)
                yield self.latents[chosen].float(), edges, captions

    def _caption(self, index: int, rng: random.Random) -> str:
        return draw_caption(self.compositions[index], rng)


def new_controlnet(unet: Unet) -> ControlNet:
    """A ControlNet whose convolutions are copied from the pocket UNet's encoder. It has no
    attention and sees no captions: edges say where things are, the prompt what they are."""
    controlnet: ControlNet = ControlNetModel(
        in_channels=LATENT_CHANNELS,
        down_block_types=("DownBlock2D",) * 3,
        mid_block_type="UNetMidBlock2D",
        block_out_channels=tuple(unet.config.block_out_channels),
        layers_per_block=1,
        norm_num_groups=16,
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        resnet_time_scale_shift="scale_shift",
        conditioning_embedding_out_channels=(16, 32, 64, 96),
    )
    own = controlnet.state_dict()
    copied = {
        name: tensor
        for name, tensor in unet.state_dict().items()
        if name in own and own[name].shape == tensor.shape
    }
    controlnet.load_state_dict(own | copied)
    return controlnet.to(memory_format=torch.channels_last)


def load_pocket(folder: Path = MODEL_FOLDER) -> tuple[TextModels, Any]:
    """The pocket model and its autoencoder, frozen, in float32."""
    text = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32)
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", dtype=torch.float32)
    vae = AutoencoderTiny.from_pretrained(folder / "vae", dtype=torch.float32)
    unet.to(memory_format=torch.channels_last)
    for module in (text, unet, vae):
        module.eval().requires_grad_(requires_grad=False)
    return TextModels(CLIPTokenizer.from_pretrained(folder / "tokenizer"), text, unet), vae


def make_steered(path: Path, count: int, vae: Any, pictures: Mapping[str, Image.Image]) -> Steered:
    """`count` compositions of one object, sometimes two, always the same; `path` caches them, and
    is written anew if it has others."""
    rng = random.Random(3)
    compositions: list[Composition] = []
    while len(compositions) < count:
        drawn = draw_composition(rng)
        if drawn.placing in (Placing.NORMAL, Placing.PAIR):
            compositions.append(drawn)
    captions = [plain_caption(each) for each in compositions]
    if path.exists():
        latents, edges, drawn_for = torch.load(path, weights_only=True)
        if drawn_for == captions:
            return Steered(compositions, latents, edges)
    parts, found = [], []
    for start in range(0, count, 100):
        rendered = [
            render_anywhere(each, pictures, rng).picture
            for each in compositions[start : start + 100]
        ]
        parts.append(encode(vae, rendered))
        found += [torch.from_numpy(canny(np.asarray(each), _LOW, _HIGH) > 0) for each in rendered]
    latents, edges = torch.cat(parts), torch.stack(found).to(torch.uint8)
    torch.save((latents, edges, captions), path)
    return Steered(compositions, latents, edges)


def train(
    controlnet: ControlNet, models: TextModels, examples: Steered, seconds: float, work: Path
) -> None:
    """Train for `seconds`, in which the learning rate falls to zero. Writes the ControlNet to the
    work folder now and then."""
    torch.manual_seed(4)
    weights = list(controlnet.parameters())
    optimizer = torch.optim.AdamW(weights, lr=_LEARNING_RATE, weight_decay=0.01, fused=True)
    schedule = new_scheduler().alphas_cumprod
    started = saved = time.monotonic()
    losses: list[float] = []
    for step, (latents, edges, captions) in enumerate(examples.batches(random.Random(5))):
        progress = (time.monotonic() - started) / seconds
        if progress >= 1:
            break
        warm = min(1.0, (step + 1) / _WARM_UP)
        for group in optimizer.param_groups:
            group["lr"] = _LEARNING_RATE * warm * (1 + math.cos(math.pi * progress)) / 2
        noisy = noisy_pictures(latents, schedule, exponent=1)
        with autocast():
            with torch.no_grad():
                context = models.encode(captions)
            residuals = controlnet(noisy.latents, noisy.times, context, edges, return_dict=False)
            predicted = models.unet(
                noisy.latents,
                noisy.times,
                context,
                down_block_additional_residuals=residuals[0],
                mid_block_additional_residual=residuals[1],
                return_dict=False,
            )[0]
        loss = functional.mse_loss(predicted.float(), noisy.velocity)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0, foreach=True)
        optimizer.step()
        losses.append(loss.item())
        if step % 100 == 99:
            mean = sum(losses[-100:]) / 100
            click.echo(f"step {step + 1} loss {mean:.4f} {progress:.0%}")
        if time.monotonic() - saved > _SAVED_SECONDS:
            saved = time.monotonic()
            controlnet.save_pretrained(work / "controlnet")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sdtui.pocket.train.controlnet")
    parser.add_argument("--work", type=Path, default=Path(".pocket"), help="assets, latents")
    parser.add_argument(
        "--to", type=Path, default=CONTROLNETS_FOLDER / "pocket-edges", help="the finished folder"
    )
    parser.add_argument("--weights", type=Path, help="of a ControlNet that is trained on")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--pictures", type=int, default=12_000, help="compositions to train on")
    arguments = parser.parse_args()
    work: Path = arguments.work
    work.mkdir(parents=True, exist_ok=True)
    models, vae = load_pocket()
    pictures = load_pictures(fetch_assets(work), THINGS)
    examples = make_steered(work / "steered.pt", arguments.pictures, vae, pictures)
    weights: Path | None = arguments.weights
    if weights is None:
        controlnet = new_controlnet(models.unet)
    else:
        controlnet = ControlNetModel.from_pretrained(weights, dtype=torch.float32)
        controlnet.to(memory_format=torch.channels_last)
    train(controlnet, models, examples, arguments.minutes * 60, work)
    controlnet.to(torch.float16).save_pretrained(arguments.to)
    without_keys(arguments.to, "_name_or_path")


if __name__ == "__main__":
    main()
