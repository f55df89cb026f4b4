"""The UNet, trained on latents of compositions under a text encoder that no longer changes."""

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
from sdtui.pocket.train.text import WIDTH, Models, Unet
from sdtui.pocket.train.vae import LATENT_CHANNELS

Scheduler: TypeAlias = Any
"""A DDIMScheduler. Its class has no types that tell what it has."""
BATCH = 16
LEARNING_RATE = 1e-3
_AVERAGE = 0.998
_TOGETHER = 8
"""Steps after which several processes take the mean of their weights."""
_PLACES = 0.3
"""Weight of the error of places beside that of the velocity."""
_WARM_UP = 200
"""Steps over which the learning rate rises."""


def new_unet() -> Unet:
    """Three levels (16x16, 8x8, 4x4 latents at the native size).

    The whole caption also goes into the time embedding, so that it steers every block, even at
    the finest level, which has no attention; attention below it places two objects.
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
    """The noise of the first diffusion models, whose last step is all but pure noise.

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


class Training:
    """A run that can stop and go on: weights, their moving average, optimizer, time used."""

    def __init__(self, models: Models, path: Path) -> None:
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
        show: Callable[[Models, int], None],
    ) -> None:
        """Train until `seconds` are used up in all; the learning rate then is zero.

        Every eight minutes a checkpoint is written and `show` gets the averaged models.
        """
        rank = dist.get_rank() if dist.is_initialized() else 0
        torch.manual_seed(self.step + rank)
        rng = random.Random(self.step + rank)
        noise_schedule = new_scheduler().alphas_cumprod
        saved = self.seconds
        losses = off = 0.0
        for latents, captions in examples.batches(BATCH, rng):
            began = time.monotonic()
            progress = self.seconds / seconds
            if progress >= 1 and self.step % _TOGETHER == 0:
                break
            warm = min(1.0, (self.step + 1) / _WARM_UP)
            for group in self.optimizer.param_groups:
                group["lr"] = LEARNING_RATE * warm * (1 + math.cos(math.pi * min(1, progress))) / 2
            # One draw from each of BATCH equal parts: less chance in the loss than free draws. More
            # noisy times at first, where the picture must come from the caption.
            evenly = (torch.randperm(BATCH) + torch.rand(BATCH)) / BATCH
            times = (1000 * evenly ** (0.5 + 0.5 * min(1, progress))).long().clamp(max=999)
            signal = noise_schedule[times].sqrt().view(-1, 1, 1, 1)
            spread = (1 - noise_schedule[times]).sqrt().view(-1, 1, 1, 1)
            noise = torch.randn_like(latents)
            loss = self._loss(
                (signal * latents + spread * noise).contiguous(memory_format=torch.channels_last),
                times,
                captions,
                signal * noise - spread * latents,
            )
            misplaced = self.places.loss()
            self.optimizer.zero_grad(set_to_none=True)
            (loss + _PLACES * misplaced).backward()
            nn.utils.clip_grad_norm_(self.weights, 1.0, foreach=True)
            self.optimizer.step()
            self._follow()
            self.step += 1
            losses += loss.item()
            off += misplaced.item()
            self.seconds += time.monotonic() - began
            if dist.is_initialized() and self.step % _TOGETHER == 0:
                self._meet()
            if self.step % 100 == 0 and rank == 0:
                means = f"loss {losses / 100:.4f} places {off / 100:.4f}"
                report(f"step {self.step} {means} {self.seconds / 60:.1f} min")
                losses = off = 0.0
            if self.seconds - saved > 420 and rank == 0:
                saved = self.seconds
                self.save()
                show(self.averaged(), self.step)
        if rank == 0:
            self.save()

    @torch.no_grad()
    def _meet(self) -> None:
        """Give all processes the mean of their weights, and the first one's clock.

        On cores that others use as well, processes of one thread that meet now and then lose less
        than threads that wait for each other within every operation.
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
        """Squared error of the velocity; noisy and velocity are (n, 8, 16, 16)."""
        with autocast():
            with torch.no_grad():
                context = self.models.read(captions)
            made = self.models.unet(noisy, times, context, return_dict=False)[0]
        return functional.mse_loss(made.float(), velocity)

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the average towards the weights, faster while the run is young."""
        weight = 1 - min(_AVERAGE, (self.step + 1) / (self.step + 10))
        torch._foreach_lerp_(self.average, self.weights, weight)

    @torch.no_grad()
    def averaged(self) -> Models:
        """The models, with a copy of the UNet that has the averaged weights."""
        unet = copy.deepcopy(self.models.unet).eval()
        torch._foreach_copy_([w.data for w in unet.parameters()], self.average)
        return Models(self.models.tokenizer, self.models.text_encoder, unet)

    def save(self) -> None:
        """Write the checkpoint whole: first beside it, then over it."""
        state = {
            "unet": self.models.unet.state_dict(),
            "places": self.places.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        beside = self.path.with_suffix(".part")
        torch.save(state, beside)
        beside.replace(self.path)

    def _load(self) -> None:
        state: dict[str, Any] = torch.load(self.path, weights_only=True)
        self.models.unet.load_state_dict(state["unet"])
        self.places.load_state_dict(state["places"])
        self.average = state["average"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        self.seconds = state["seconds"]
