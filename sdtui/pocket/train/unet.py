"""Train the UNet on latents of compositions, together with the text encoder."""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import torch
import torch.distributed as dist
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn

from sdtui.pocket.train.compositions import SIZE
from sdtui.pocket.train.examples import Examples
from sdtui.pocket.train.layout import Layout, cell_weights
from sdtui.pocket.train.noise import (
    HIGH_NOISE,
    LOW_NOISE,
    Noisy,
    enlarged_latents,
    joined,
    noisy_enlarged,
    noisy_guesses,
    noisy_pictures,
)
from sdtui.pocket.train.optimizers import new_optimizers, set_learning_rate
from sdtui.pocket.train.places import Places
from sdtui.pocket.train.precision import autocast
from sdtui.pocket.train.sizes import NATIVE, SHARES, cells_of, size_of_latents
from sdtui.pocket.train.text import WIDTH, TextModels, Unet
from sdtui.pocket.train.vae import LATENT_CHANNELS, Autoencoder

Scheduler: TypeAlias = Any
"""A DDIMScheduler. Its class has no type hints for its attributes."""


@dataclass(frozen=True)
class Pace:
    """How to train on a kind of device."""

    batch: int
    """Pictures of the native size in a step; of larger ones as many as have as many cells."""
    learning_rate: float
    saved_seconds: float
    """Between checkpoints."""


PACES = {"cpu": Pace(64, 5e-4, 900), "cuda": Pace(512, 1e-3, 120)}
_AVERAGE = 0.995
_AVERAGE_STEPS = 4
_SYNC_STEPS = 8
"""Steps between averaging the weights of several processes."""
PLACES_WEIGHT = 0.3
"""Weight of the position loss relative to the velocity loss."""
_WARM_UP = 100
"""Steps over which the learning rate rises."""
_OWN_GUESSES = 0.75
"""Share of pictures that are replaced by the UNet's own guess of them."""
_ENLARGED = 0.34
"""Share of larger pictures that are replaced by the UNet's own at the native size, enlarged."""
_LARGER = 1.3
"""Times the cells of the native size from which on a picture is larger."""
_COMPILED_SHARE = 0.1
"""The UNet is compiled for sizes with this share of the steps: it takes a minute for each."""


def new_unet() -> Unet:
    """An untrained UNet with three levels (16x16, 8x8 and 4x4 latents at the native size).

    The pooled caption is added to the time embedding, so that it reaches every block; attention
    places two objects. At the finest level cells attend to the caption only, not to each other:
    they are many.
    """
    return UNet2DConditionModel(
        sample_size=SIZE // 8,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=(80, 192, 224),
        down_block_types=("CrossAttnDownBlock2D",) * 3,
        up_block_types=("CrossAttnUpBlock2D",) * 3,
        only_cross_attention=[True, False, False],
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


def noisy_latents(
    predict: Unet, vae: Autoencoder, latents: Tensor, context: Tensor, schedule: Tensor
) -> Noisy:
    """Latents with noise: mostly of own guesses, else of pictures. Pictures that are larger than
    the native size are redrawn and not drawn: one in three is a small drawing, enlarged, and none
    is a guess from pure noise, with which the UNet would learn to distrust what it sees."""
    count = len(latents)
    larger = cells_of(size_of_latents(latents)) > _LARGER * cells_of(NATIVE)
    own = round(count * (_ENLARGED if larger else _OWN_GUESSES))

    def guess(noise: Tensor, times: Tensor) -> Tensor:
        predicted: Tensor = predict(noise, times, context[:own], return_dict=False)[0]
        return predicted

    if larger:
        enlarge = partial(enlarged_latents, vae, side=latents.shape[-1])
        first = noisy_enlarged(guess, enlarge, latents[:own], schedule, SIZE // 8)
        return joined([first, noisy_pictures(latents[own:], schedule, LOW_NOISE)])
    first = noisy_guesses(guess, latents[:own], schedule, HIGH_NOISE)
    return joined([first, noisy_pictures(latents[own:], schedule, HIGH_NOISE)])


def rank() -> int:
    """The number of this process among those that train together."""
    return dist.get_rank() if dist.is_initialized() else 0


class Training:
    """A resumable training of the UNet and the text encoder, with moving averages of both."""

    def __init__(
        self, models: TextModels, vae: Autoencoder, path: Path, device: str = "cpu"
    ) -> None:
        self.models = models
        self.vae = vae
        self.path = path
        self.device = device
        self.pace = PACES[device]
        self.places = Places(models.unet)
        self.layout = Layout(models.unet)
        if device == "cpu":  # with so few cells, a fused attention is slower: 13 % of a step
            models.unet.set_default_attn_processor()
        models.unet.train().requires_grad_(requires_grad=True)
        models.text_encoder.train().requires_grad_(requires_grad=True)
        modules: list[nn.Module] = [models.unet, models.text_encoder, self.places, self.layout]
        for module in modules:
            module.to(device)
        self.weights: list[Tensor] = [
            *models.unet.parameters(),
            *models.text_encoder.parameters(),
        ]
        self.average = [weight.detach().clone() for weight in self.weights]
        heads = [*self.places.parameters(), *self.layout.parameters()]
        self.trained = [*self.weights, *heads]
        self.optimizers = new_optimizers(models, heads, self.pace.learning_rate)
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

        Now and then a checkpoint is written, new examples are read and `show` gets the averaged
        models.
        """
        torch.manual_seed(self.step + rank())
        schedule = new_scheduler().alphas_cumprod.to(self.device)
        unet, vae = self.models.unet, copy.deepcopy(self.vae).to(self.device)
        compiled = torch.compile(unet, dynamic=False)
        cells = self.pace.batch * (SIZE // 8) ** 2
        saved = self.seconds
        losses: list[Tensor] = []
        for batch in examples.batches(SHARES, cells):
            began = time.monotonic()
            progress = self.seconds / seconds
            if progress >= 1 and self.step % _SYNC_STEPS == 0:
                break
            self._set_learning_rate(progress)
            frequent = SHARES[size_of_latents(batch.latents)] >= _COMPILED_SHARE
            predict = compiled if frequent else unet
            with autocast(self.device):
                context = self.models.text_encoder(batch.ids)[0]
                noisy = noisy_latents(predict, vae, batch.latents, context.detach(), schedule)
                predicted = predict(noisy.latents, noisy.times, context, return_dict=False)[0]
            errors = noisy.weights * (predicted.float() - noisy.velocity).square().mean(dim=1)
            examples.difficulty.update(batch.latents, batch.owners, batch.labels, errors.detach())
            weights = cell_weights(batch.owners)
            loss = (weights * errors).mean()
            layout = self.layout.loss(batch, weights)
            for optimizer in self.optimizers:
                optimizer.zero_grad(set_to_none=True)
            (loss + PLACES_WEIGHT * self.places.loss() + layout).backward()
            nn.utils.clip_grad_norm_(self.weights, 1.0, foreach=True)
            for optimizer in self.optimizers:
                optimizer.step()
            self.step += 1
            self._update_average()
            losses.append(torch.stack([loss.detach(), layout.detach()]))
            self.seconds += time.monotonic() - began
            if dist.is_initialized() and self.step % _SYNC_STEPS == 0:
                self._synchronise()
            if self.step % 100 == 0 and rank() == 0:
                loss, layout = torch.stack(losses).mean(dim=0)
                minutes = self.seconds / 60
                report(f"step {self.step} loss {loss:.4f} layout {layout:.4f} {minutes:.1f} min")
                losses.clear()
            if self.seconds - saved > self.pace.saved_seconds:
                saved = self.seconds
                examples.refresh()
                if rank() == 0:
                    self.save()
                    show(self.averaged(), self.step)
        if rank() == 0:
            self.save()

    def _set_learning_rate(self, progress: float) -> None:
        """Rise at first, stay for a fifth, then fall to zero: while it stays, the loss does."""
        factor = min(1.0, (self.step + 1) / _WARM_UP, max(0.0, 1.25 * (1 - progress)))
        set_learning_rate(self.optimizers, self.pace.learning_rate * factor)

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

    @torch.no_grad()
    def _update_average(self) -> None:
        """Move the average towards the weights, faster at the start; not at every step, as the
        weights are many."""
        if self.step % _AVERAGE_STEPS == 0:
            weight = 1 - min(_AVERAGE, (self.step + 1) / (self.step + 10)) ** _AVERAGE_STEPS
            torch._foreach_lerp_(self.average, self.weights, weight)

    @torch.no_grad()
    def averaged(self) -> TextModels:
        """The models with copies of the UNet and the text encoder that have averaged weights."""
        unet, text = (copy.deepcopy(m).eval() for m in (self.models.unet, self.models.text_encoder))
        targets = [weight.data for weight in (*unet.parameters(), *text.parameters())]
        torch._foreach_copy_(targets, self.average)
        return TextModels(self.models.tokenizer, text.cpu(), unet.cpu())

    def save(self) -> None:
        """Write the checkpoint atomically."""
        state = {
            "unet": self.models.unet.state_dict(),
            "text": self.models.text_encoder.state_dict(),
            "places": self.places.state_dict(),
            "layout": self.layout.state_dict(),
            "average": self.average,
            "optimizers": [each.state_dict() for each in self.optimizers],
            "step": self.step,
            "seconds": self.seconds,
        }
        temporary = self.path.with_suffix(".part")
        torch.save(state, temporary)
        temporary.replace(self.path)

    def _load(self) -> None:
        state: dict[str, Any] = torch.load(self.path, map_location=self.device, weights_only=True)
        self.models.unet.load_state_dict(state["unet"])
        self.models.text_encoder.load_state_dict(state["text"])
        self.places.load_state_dict(state["places"])
        self.layout.load_state_dict(state["layout"])
        self.average = state["average"]
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step = state["step"]
        self.seconds = state["seconds"]
