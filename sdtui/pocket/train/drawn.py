"""Latents that a model draws, each with the picture that would have been right.

A decoder that has only seen latents of pictures shows every error in those that a UNet draws, as
spots and as frayed edges. One that has seen such latents beside the right pictures leaves out what
is more likely an error than a detail.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import cycle

import torch
from PIL import Image
from torch import Tensor

from sdtui.pocket.sheet import GUIDANCE, STEPS, Pipeline
from sdtui.pocket.train.captions import draw_caption
from sdtui.pocket.train.compositions import SIZE, draw_composition
from sdtui.pocket.train.pixels import pixels
from sdtui.pocket.train.precision import autocast
from sdtui.pocket.train.rendering import render

_CHUNK = 32
_STEPS = (4, 4, 4, STEPS)
"""Steps of the chunks in turn: few take a fifth of the time."""


@dataclass(frozen=True)
class Drawn:
    latents: Tensor
    """(n, 8, 16, 16), as the decoder takes them, float32."""
    pictures: Tensor
    """(n, 3, 128, 128), in -1 to 1."""

    def choose(self, count: int) -> tuple[Tensor, Tensor]:
        """`count` random latents and their pictures."""
        rows = torch.randint(len(self.latents), (count,))
        return self.latents[rows], self.pictures[rows]


@torch.no_grad()
def draw_latents(
    pipeline: Pipeline, pictures: Mapping[str, Image.Image], count: int, seed: int
) -> Drawn:
    """Draw `count` random compositions that are not held out, in few steps or in many."""
    rng = random.Random(seed)
    latents, right = [], []
    for start, steps in zip(range(0, count, _CHUNK), cycle(_STEPS), strict=False):
        compositions = [draw_composition(rng) for _ in range(min(_CHUNK, count - start))]
        captions = [draw_caption(each, rng) for each in compositions]
        with autocast():
            drawn: Tensor = pipeline(
                captions,
                width=SIZE,
                height=SIZE,
                num_inference_steps=steps,
                guidance_scale=GUIDANCE,
                generator=torch.Generator().manual_seed(rng.randrange(2**32)),
                output_type="latent",
            ).images
        latents.append(drawn.float() / pipeline.vae.config.scaling_factor)
        right.append(pixels([render(each, pictures).picture for each in compositions]))
    return Drawn(torch.cat(latents), torch.cat(right))
