"""Compare ways to leave out steps of a transformer: the step cache, diffusers' caches and fewer
steps, by how far latents are from those of all steps.

    python -m tests.benchmarks.step_caches [--seconds 400] [--steps 28] [--guidance 3.5]

Random weights have no trajectory worth following, so a small Flux transformer is trained first, by
flow matching, on latents of drawn shapes. It says how the ways compare, not how far real models'
pictures differ.
"""

from __future__ import annotations

import argparse
import itertools
import math
import random
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from diffusers import (
    AutoencoderTiny,
    FirstBlockCacheConfig,
    FluxTransformer2DModel,
    TaylorSeerCacheConfig,
)
from PIL import Image, ImageDraw
from torch import Tensor, nn
from torch.nn import functional

from sdtui.engine.speed.step_cache import StepCache
from sdtui.pocket import MODEL_FOLDER

_SIDE, _TOKENS, _WIDTH, _KINDS = 8, 64, 32, 5
_CONDITIONS = 3
_SHIFT = math.exp(1.15)
"""Of the schedule, as Flux has it for a megapixel."""


def _picture(rng: random.Random) -> tuple[Image.Image, list[int]]:
    """Draw a shape; return the picture and the numbers of shape, colour and background."""
    kinds = [rng.randrange(_KINDS) for _ in range(_CONDITIONS)]
    colours = ["#dc2828", "#28b43c", "#3250dc", "#f0c828", "#963cb4"]
    grounds = ["#14141e", "#c8dcf0", "#78a06e", "#f0e6d2", "#5a3c32"]
    image = Image.new("RGB", (128, 128), grounds[kinds[2]])
    draw = ImageDraw.Draw(image)
    for _ in range(14):
        x, y, size = rng.randrange(128), rng.randrange(128), rng.randrange(1, 4)
        draw.ellipse((x - size, y - size, x + size, y + size), fill=(rng.randrange(60, 255),) * 3)
    x, y, size = rng.randrange(32, 96), rng.randrange(32, 96), rng.randrange(20, 34)
    sides = (32, 4, 3, 6, 5)[kinds[0]]
    draw.regular_polygon((x, y, size), sides, rotation=rng.randrange(90), fill=colours[kinds[1]])
    return image, kinds


def _data(count: int) -> tuple[Tensor, Tensor]:
    """Return packed latents, N x tokens x channels, and the numbers of what they show."""
    vae: Any = AutoencoderTiny.from_pretrained(MODEL_FOLDER / "vae").eval()
    rng, latents, kinds = random.Random(0), [], []
    for _ in range(count // 128):
        drawn = [_picture(rng) for _ in range(128)]
        pixels = [torch.tensor(list(image.tobytes())).view(128, 128, 3) for image, _ in drawn]
        with torch.no_grad():
            batch = torch.stack(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
            latents.append(vae.encode(batch).latents)
        kinds += [each for _, each in drawn]
    found = torch.cat(latents)
    packed = functional.pixel_unshuffle(found / found.std(), 2).flatten(2).transpose(1, 2)
    return packed, torch.tensor(kinds)


class _Model(nn.Module):
    """A Flux transformer and the embeddings of its conditions; -1 stands for none."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conditions = nn.Embedding(_CONDITIONS * _KINDS + 1, 64)
        self.transformer: Any = FluxTransformer2DModel(
            patch_size=1,
            in_channels=_WIDTH,
            num_layers=3,
            num_single_layers=6,
            attention_head_dim=32,
            num_attention_heads=4,
            joint_attention_dim=64,
            pooled_projection_dim=64,
            axes_dims_rope=(8, 12, 12),
        )

    def forward(self, latents: Tensor, times: Tensor, kinds: Tensor) -> Tensor:
        numbers = kinds + _KINDS * torch.arange(_CONDITIONS)
        texts = self.conditions(numbers.where(kinds >= 0, _CONDITIONS * _KINDS))
        places = torch.cartesian_prod(torch.zeros(1), *[torch.arange(float(_SIDE))] * 2)
        predicted: Tensor = self.transformer(
            hidden_states=latents,
            timestep=times,
            encoder_hidden_states=texts,
            pooled_projections=texts.mean(1),
            txt_ids=torch.zeros(_CONDITIONS, 3),
            img_ids=places,
            return_dict=False,
        )[0]
        return predicted


def _train(model: _Model, seconds: float) -> int:
    """Train for some seconds; return the number of steps."""
    latents, kinds = _data(2048)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.99))
    began, count = time.perf_counter(), 0
    while (done := (time.perf_counter() - began) / seconds) < 1:
        optimizer.param_groups[0]["lr"] = 1e-3 * min(1, count / 50) * (1 - 0.98 * done)
        chosen = torch.randint(len(latents), (32,))
        x, noise, times = latents[chosen], torch.randn(32, _TOKENS, _WIDTH), torch.rand(32)
        shown = kinds[chosen].where(torch.rand(32, 1) > 0.1, -1)
        noised = torch.lerp(x, noise, times[:, None, None])
        loss = functional.mse_loss(model(noised, times, shown), noise - x)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        count += 1
    return count


class _Sampler:
    """Makes the same eight pictures in different ways."""

    def __init__(self, model: _Model, guidance: float) -> None:
        generator = torch.Generator().manual_seed(5)
        self._model, self._guidance = model, guidance
        self._kinds = torch.randint(_KINDS, (8, _CONDITIONS), generator=generator)
        self._noise = torch.randn(8, _TOKENS, _WIDTH, generator=generator)
        self.computed = 0
        block = model.transformer.single_transformer_blocks[-1].attn.to_q
        block.register_forward_hook(self._count)

    def _count(self, *_: object) -> None:
        self.computed += 1

    @torch.no_grad()
    def run(self, steps: int, in_step: Callable[[], AbstractContextManager[Any]]) -> Tensor:
        """Return the latents after some steps of Euler's method."""
        self.computed = 0
        times = torch.linspace(1, 1 / steps, steps)
        times = torch.cat([_SHIFT * times / (1 + (_SHIFT - 1) * times), torch.zeros(1)])
        kinds, z = torch.cat([self._kinds, torch.full_like(self._kinds, -1)]), self._noise
        for now, after in itertools.pairwise(times):
            with in_step():
                both = self._model(torch.cat([z, z]), now.expand(len(kinds)), kinds)
            shown, hidden = both.chunk(2)
            z = z + (after - now) * (hidden + self._guidance * (shown - hidden))
        return z


def main() -> None:
    """Print a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=400)
    parser.add_argument("--steps", type=int, default=28)
    parser.add_argument("--guidance", type=float, default=3.5)
    options = parser.parse_args()
    model = _Model()
    sys.stdout.write(f"trained in {_train(model, options.seconds)} steps\n")
    sampler, transformer = _Sampler(model.eval(), options.guidance), model.transformer
    whole = sampler.run(options.steps, nullcontext)

    def show(name: str, latents: Tensor) -> None:
        error = (latents - whole).square().mean().sqrt()
        sys.stdout.write(f"{name:24} {sampler.computed:3} computed, off by {error:.4f}\n")

    for steps in (20, 16, 12, 10):
        show(f"{steps} steps", sampler.run(steps, nullcontext))
    for config in (
        *(FirstBlockCacheConfig(threshold=each) for each in (0.05, 0.08, 0.12)),
        *(TaylorSeerCacheConfig(cache_interval=each) for each in (2, 3)),
    ):
        transformer.enable_cache(config)
        latents = sampler.run(options.steps, lambda: transformer.cache_context("all"))
        number = getattr(config, "threshold", None) or getattr(config, "cache_interval", "")
        show(f"{type(config).__name__.removesuffix('Config')} {number}", latents)
        transformer.disable_cache()
    original = transformer.forward
    for threshold in (0.05, 0.08):
        cache = StepCache(threshold)
        cache.begin()
        transformer.forward = cache.wrapped(0, original)

        def step(cache: StepCache = cache) -> AbstractContextManager[Any]:
            cache.after_step()
            return nullcontext()

        show(cache.name, sampler.run(options.steps, step))


if __name__ == "__main__":
    main()
