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
from typing import Any

import torch
from diffusers import AutoPipelineForImage2Image
from PIL import Image
from PIL.Image import Resampling
from torch import Tensor

from sdtui.pocket.sheet import GUIDANCE, STEPS, Pipeline, draw
from sdtui.pocket.train.captions import draw_caption
from sdtui.pocket.train.compositions import SIZE, draw_composition
from sdtui.pocket.train.pixels import pixels
from sdtui.pocket.train.precision import autocast
from sdtui.pocket.train.rendering import render

_CHUNK = 32
_FEW = 4
_STEPS = (_FEW, _FEW, _FEW, STEPS)
"""Steps of the chunks in turn: few take a fifth of the time."""
_REDRAWN_CHUNK = 8
_STRENGTHS = (0.05, 0.15, 0.3)
"""Of the chunks that are redrawn at twice the size, in turn."""
_REDRAWN_STEPS = 20


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


def joined(parts: list[Drawn]) -> Drawn:
    """All of them as one."""
    return Drawn(
        torch.cat([part.latents for part in parts]), torch.cat([part.pictures for part in parts])
    )


def draw_latents(
    pipeline: Pipeline, pictures: Mapping[str, Image.Image], count: int, seed: int
) -> Drawn:
    """Draw `count` random compositions that are not held out, in few steps or in many."""
    rng = random.Random(seed)
    parts = []
    for start, steps in zip(range(0, count, _CHUNK), cycle(_STEPS), strict=False):
        compositions = [draw_composition(rng) for _ in range(min(_CHUNK, count - start))]
        right = pixels([render(each, pictures).picture for each in compositions])
        captions = [draw_caption(each, rng) for each in compositions]
        parts.append(Drawn(_draw_latents(pipeline, captions, rng, steps), right))
    return joined(parts)


def redraw_latents(
    pipeline: Pipeline, pictures: Mapping[str, Image.Image], count: int, seed: int
) -> Drawn:
    """Draw `count` random compositions and redraw them at twice the size, as hires fix does. Each
    gives the four quarters of its latents."""
    rng = random.Random(seed)
    again = AutoPipelineForImage2Image.from_pipe(pipeline)
    again.set_progress_bar_config(disable=True)
    parts = []
    for start, strength in zip(range(0, count, _REDRAWN_CHUNK), cycle(_STRENGTHS), strict=False):
        compositions = [draw_composition(rng) for _ in range(min(_REDRAWN_CHUNK, count - start))]
        right = pixels([render(each, pictures, None, 2 * SIZE).picture for each in compositions])
        captions = [draw_caption(each, rng) for each in compositions]
        with autocast():
            small = draw(pipeline, captions, [rng.randrange(2**32) for _ in captions], _FEW)
        enlarged = [each.resize((2 * SIZE, 2 * SIZE), Resampling.LANCZOS) for each in small]
        latents = _draw_latents(
            again, captions, rng, _REDRAWN_STEPS, image=enlarged, strength=strength
        )
        parts.append(Drawn(_quarters(latents), _quarters(right)))
    return joined(parts)


def _draw_latents(
    pipeline: Pipeline, captions: list[str], rng: random.Random, steps: int, **options: Any
) -> Tensor:
    """Latents as the decoder takes them."""
    with autocast():
        scaled: Tensor = pipeline(
            captions,
            num_inference_steps=steps,
            guidance_scale=GUIDANCE,
            generator=torch.Generator().manual_seed(rng.randrange(2**32)),
            output_type="latent",
            **options,
        ).images
    latents: Tensor = scaled.float() / pipeline.vae.config.scaling_factor
    return latents


def _quarters(squares: Tensor) -> Tensor:
    """(n, c, 2a, 2a) → (4n, c, a, a)."""
    return torch.cat([part for row in squares.chunk(2, 2) for part in row.chunk(2, 3)])
