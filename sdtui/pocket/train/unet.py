"""Train the UNet on latents of compositions, with a fixed text encoder."""

import copy
import math
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import torch
import torch.distributed as dist
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional

from sdtui.pocket.train.compositions import SIZE
from sdtui.pocket.train.examples import Examples
from sdtui.pocket.train.places import Places
from sdtui.pocket.train.precision import autocast
from sdtui.pocket.train.text import WIDTH, TextModels, Unet
from sdtui.pocket.train.vae import LATENT_CHANNELS

Scheduler: TypeAlias = Any
"""A DDIMScheduler. Its class has no type hints for its attributes."""
BATCH = 16
LEARNING_RATE = 1e-3
_AVERAGE = 0.998
_SYNC_STEPS = 8
"""Steps between averaging the weights of several processes."""
PLACES_WEIGHT = 0.3
"""Weight of the position loss relative to the velocity loss."""
_WARM_UP = 200
"""Steps over which the learning rate rises."""


def new_unet() -> Unet:
    """An untrained UNet with three levels (16x16, 8x8 and 4x4 latents at the native size).

    The pooled caption is added to the time embedding, so that it reaches every block, even at the
    finest level, which has no attention; attention at the other levels places two objects.
    """
    return UNet2DConditionModel(
        sample_size=SIZE // 8,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=(80, 192, 224),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        attention_head_dim=4,
        cross_attention_dim=WIDTH,
        use_linear_projection=True,
        norm_num_groups=16,
        time_embedding_dim=512,
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
        resnet_time_scale_shift="scale_shift",
    )


def new_scheduler() -> Scheduler:
    """The linear schedule of DDPM, whose last step is almost pure noise.

    It ends at a signal-to-noise ratio of 4e-5, so that every sampler can start from plain noise
    without a special case for a ratio of zero.
    """
    return DDIMScheduler(
        beta_schedule="linear",
        beta_start=1e-4,
        beta_end=0.02,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,
    )


def evenly(count: int) -> Tensor:
    """`count` numbers from 0 to 1, one from each of as many equal intervals, in random order: less
    variance in the loss than with independent ones."""
    return (torch.randperm(count) + torch.rand(count)) / count


def add_noise(latents: Tensor, times: Tensor, schedule: Tensor) -> tuple[Tensor, Tensor]:
    """Noisy latents (n, c, h, w) at times from 0 to 999 and their velocity, which is to be
    predicted. `schedule` is the scheduler's `alphas_cumprod`."""
    signal = schedule[times].sqrt().view(-1, 1, 1, 1)
    spread = (1 - schedule[times]).sqrt().view(-1, 1, 1, 1)
    noise = torch.randn_like(latents)
    noisy = (signal * latents + spread * noise).contiguous(memory_format=torch.channels_last)
    return noisy, signal * noise - spread * latents


class Training:
    """A resumable training: weights, their moving average, optimizer, elapsed time."""

    def __init__(self, models: TextModels, path: Path) -> None:
        self.models = models
        self.path = path
        self.weights: list[Tensor] = list(models.unet.parameters())
        self.average = [weight.detach().clone() for weight in self.weights]
        self.places = Places(models.unet)
        self.trained = [*self.weights, *self.places.parameters()]
        self.optimizer = torch.optim.AdamW(
            self.trained, lr=LEARNING_RATE, betas=(0.9, 0.99), weight_decay=0.01, fused=True
        )
        self.step = 0
        self.seconds = 0.0
        if path.exists():
            self._load()

    def run(
        self,
        examples: Examples,
        seconds: float,
        report: Callable[[str], None],
        show: Callable[[TextModels, int], None],
    ) -> None:
        """Train until `seconds` have passed in all runs; the learning rate falls to zero by then.

        Every eight minutes a checkpoint is written and `show` gets the averaged models.
        """
        rank = dist.get_rank() if dist.is_initialized() else 0
        torch.manual_seed(self.step + rank)
        rng = random.Random(self.step + rank)
        noise_schedule = new_scheduler().alphas_cumprod
        saved = self.seconds
        losses = place_losses = 0.0
        for latents, captions in examples.batches(BATCH, rng):
            began = time.monotonic()
            progress = self.seconds / seconds
            if progress >= 1 and self.step % _SYNC_STEPS == 0:
                break
            warm = min(1.0, (self.step + 1) / _WARM_UP)
            for group in self.optimizer.param_groups:
                group["lr"] = LEARNING_RATE * warm * (1 + math.cos(math.pi * min(1, progress))) / 2
            # At first more noisy times, where the picture has to come from the caption.
            exponent = 0.5 + 0.5 * min(1, progress)
            times = (1000 * evenly(BATCH) ** exponent).long().clamp(max=999)
            noisy, velocity = add_noise(latents, times, noise_schedule)
            loss = self._loss(noisy, times, captions, velocity)
            place_loss = self.places.loss()
            self.optimizer.zero_grad(set_to_none=True)
            (loss + PLACES_WEIGHT * place_loss).backward()
            nn.utils.clip_grad_norm_(self.weights, 1.0, foreach=True)
            self.optimizer.step()
            self._update_average()
            self.step += 1
            losses += loss.item()
            place_losses += place_loss.item()
            self.seconds += time.monotonic() - began
            if dist.is_initialized() and self.step % _SYNC_STEPS == 0:
                self._synchronise()
            if self.step % 100 == 0 and rank == 0:
                means = f"loss {losses / 100:.4f} places {place_losses / 100:.4f}"
                report(f"step {self.step} {means} {self.seconds / 60:.1f} min")
                losses = place_losses = 0.0
            if self.seconds - saved > 420 and rank == 0:
                saved = self.seconds
                self.save()
                show(self.averaged(), self.step)
        if rank == 0:
            self.save()

    @torch.no_grad()
    def _synchronise(self) -> None:
        """Give all processes the mean of their weights, and the clock of the first one.

        On busy cores, single-threaded processes that synchronise now and then wait less than
        threads that synchronise in every operation.
        """
        flat = torch.cat([weight.flatten() for weight in self.trained])
        dist.all_reduce(flat)
        flat /= dist.get_world_size()
        parts = flat.split([weight.numel() for weight in self.trained])
        for weight, part in zip(self.trained, parts, strict=True):
            weight.copy_(part.view_as(weight))
        clock = torch.tensor(self.seconds)
        dist.broadcast(clock, 0)
        self.seconds = clock.item()

    def _loss(self, noisy: Tensor, times: Tensor, captions: list[str], velocity: Tensor) -> Tensor:
        """The mean squared error of the velocity; noisy and velocity are (n, 8, 16, 16)."""
        with autocast():
            with torch.no_grad():
                context = self.models.encode(captions)
            predicted = self.models.unet(noisy, times, context, return_dict=False)[0]
        return functional.mse_loss(predicted.float(), velocity)

    @torch.no_grad()
    def _update_average(self) -> None:
        """Move the average towards the weights, faster at the start."""
        weight = 1 - min(_AVERAGE, (self.step + 1) / (self.step + 10))
        torch._foreach_lerp_(self.average, self.weights, weight)

    @torch.no_grad()
    def averaged(self) -> TextModels:
        """The models with a copy of the UNet that has the averaged weights."""
        unet = copy.deepcopy(self.models.unet).eval()
        torch._foreach_copy_([w.data for w in unet.parameters()], self.average)
        return TextModels(self.models.tokenizer, self.models.text_encoder, unet)

    def save(self) -> None:
        """Write the checkpoint atomically."""
        state = {
            "unet": self.models.unet.state_dict(),
            "places": self.places.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        temporary = self.path.with_suffix(".part")
        torch.save(state, temporary)
        temporary.replace(self.path)

    def _load(self) -> None:
        state: dict[str, Any] = torch.load(self.path, weights_only=True)
        self.models.unet.load_state_dict(state["unet"])
        self.places.load_state_dict(state["places"])
        self.average = state["average"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        self.seconds = state["seconds"]
