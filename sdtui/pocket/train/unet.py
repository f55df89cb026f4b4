"""The text encoder and the UNet, trained together on latents of compositions."""

import copy
import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from sdtui.pocket.train.captions import draw_caption
from sdtui.pocket.train.compositions import SIZE, Composition
from sdtui.pocket.train.tokenizer import MAX_TOKENS
from sdtui.pocket.train.vae import LATENT_CHANNELS

TEXT_WIDTH = 192
BATCH = 16
LEARNING_RATE = 1e-3
_UNNAMED = 0.1
"""Share of empty captions, which guidance needs."""
_AVERAGE = 0.999
_WARM_UP = 200
"""Steps over which the learning rate rises."""


def new_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Two layers, 192 wide, 0.9 M parameters."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=TEXT_WIDTH,
            intermediate_size=512,
            projection_dim=TEXT_WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=MAX_TOKENS,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def new_unet() -> UNet2DConditionModel:
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
        cross_attention_dim=TEXT_WIDTH,
        use_linear_projection=True,
        norm_num_groups=16,
        time_embedding_dim=512,
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
        resnet_time_scale_shift="scale_shift",
    )


def new_scheduler() -> DDIMScheduler:
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
        steps_offset=0,
    )


@dataclass
class Models:
    """What is trained together, and the tokenizer that it starts from."""

    tokenizer: CLIPTokenizer
    text_encoder: CLIPTextModel
    unet: UNet2DConditionModel

    def weights(self) -> list[nn.Parameter]:
        return [*self.text_encoder.parameters(), *self.unet.parameters()]

    def tokens(self, captions: list[str]) -> Tensor:
        """Captions → (n, 77) token ids, padded as StableDiffusionPipeline pads them."""
        ids: Tensor = self.tokenizer(
            captions, padding="max_length", truncation=True, return_tensors="pt"
        ).input_ids
        return ids


@dataclass(frozen=True)
class Examples:
    """Compositions and their latents: (n, 8, 16, 16), float16, scaled to unit variance."""

    compositions: list[Composition]
    latents: Tensor

    def batches(self, rng: random.Random) -> Iterator[tuple[Tensor, list[str]]]:
        """Endless batches of latents and freshly drawn captions."""
        order = list(range(len(self.compositions)))
        while True:
            rng.shuffle(order)
            for start in range(0, len(order) - BATCH + 1, BATCH):
                chosen = order[start : start + BATCH]
                captions = [
                    "" if rng.random() < _UNNAMED else draw_caption(self.compositions[i], rng)
                    for i in chosen
                ]
                yield self.latents[chosen].float(), captions


class Training:
    """A run that can stop and go on: weights, their moving average, optimizer, time used."""

    def __init__(self, models: Models, path: Path) -> None:
        self.models = models
        self.path = path
        self.average = [weight.detach().clone() for weight in models.weights()]
        self.optimizer = torch.optim.AdamW(
            models.weights(), lr=LEARNING_RATE, betas=(0.9, 0.99), weight_decay=0.01, fused=True
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
        torch.manual_seed(self.step)
        rng = random.Random(self.step)
        noise_schedule = new_scheduler().alphas_cumprod
        saved = self.seconds
        losses = 0.0
        for latents, captions in examples.batches(rng):
            began = time.monotonic()
            progress = self.seconds / seconds
            if progress >= 1:
                break
            warm = min(1.0, (self.step + 1) / _WARM_UP)
            for group in self.optimizer.param_groups:
                group["lr"] = LEARNING_RATE * warm * (1 + math.cos(math.pi * progress)) / 2
            # One time from each of BATCH equal parts: less chance in the loss than free draws.
            times = ((torch.randperm(BATCH) + torch.rand(BATCH)) * 1000 / BATCH).long()
            signal = noise_schedule[times].sqrt().view(-1, 1, 1, 1)
            spread = (1 - noise_schedule[times]).sqrt().view(-1, 1, 1, 1)
            noise = torch.randn_like(latents)
            loss = self._loss(
                (signal * latents + spread * noise).contiguous(memory_format=torch.channels_last),
                times,
                self.models.tokens(captions),
                signal * noise - spread * latents,
            )
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.models.weights(), 1.0, foreach=True)
            self.optimizer.step()
            self._follow()
            self.step += 1
            losses += loss.item()
            self.seconds += time.monotonic() - began
            if self.step % 100 == 0:
                report(f"step {self.step} loss {losses / 100:.4f} {self.seconds / 60:.1f} min")
                losses = 0.0
            if self.seconds - saved > 480:
                saved = self.seconds
                self.save()
                show(self.averaged(), self.step)
        self.save()

    def _loss(self, noisy: Tensor, times: Tensor, tokens: Tensor, velocity: Tensor) -> Tensor:
        """Squared error of the velocity; noisy and velocity (n, 8, h, w), tokens (n, 77)."""
        with torch.autocast("cpu", torch.bfloat16):
            context = self.models.text_encoder(tokens)[0]
            made = self.models.unet(noisy, times, context, return_dict=False)[0]
        return functional.mse_loss(made.float(), velocity)

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the average towards the weights, faster while the run is young."""
        weight = 1 - min(_AVERAGE, (self.step + 1) / (self.step + 10))
        torch._foreach_lerp_(self.average, self.models.weights(), weight)

    @torch.no_grad()
    def averaged(self) -> Models:
        """A copy of the models with the averaged weights."""
        models = copy.deepcopy(self.models)
        torch._foreach_copy_(models.weights(), self.average)
        models.text_encoder.eval()
        models.unet.eval()
        return models

    def save(self) -> None:
        """Write the checkpoint whole: first beside it, then over it."""
        state = {
            "text_encoder": self.models.text_encoder.state_dict(),
            "unet": self.models.unet.state_dict(),
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
        self.models.text_encoder.load_state_dict(state["text_encoder"])
        self.models.unet.load_state_dict(state["unet"])
        self.average = state["average"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        self.seconds = state["seconds"]
