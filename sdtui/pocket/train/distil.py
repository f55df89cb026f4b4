"""Distil the pocket model to four steps without guidance, as a LoRA.

`python -m sdtui.pocket.train.distil` trains it by latent consistency distillation (Luo et al. 2023,
arXiv:2310.04378, and arXiv:2311.05556 for LoRAs): from neighbouring times of one way from noise to
a picture, as the guided model goes it, the LoRA has to predict the same picture. Draw with it by
the sampler LCM in four steps with guidance 1.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import click
import torch
from diffusers import StableDiffusionPipeline
from peft import LoraConfig, get_peft_model_state_dict
from torch import Tensor, nn

from sdtui.pocket import MODEL_FOLDER
from sdtui.pocket.sheet import GUIDANCE
from sdtui.pocket.train.compositions import SIZE
from sdtui.pocket.train.controlnet import load_pocket
from sdtui.pocket.train.examples import Examples, token_ids
from sdtui.pocket.train.precision import autocast
from sdtui.pocket.train.text import TextModels
from sdtui.pocket.train.unet import BATCH, add_noise, new_scheduler

_RANK = 8
_LAYERS = (
    *("conv1", "conv2", "time_emb_proj", "proj_in", "proj_out"),
    *("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2"),
)
_STRIDE = 20
"""Times between neighbours: diffusers' sampler LCM takes its steps from the same fifty."""
_DATA_DEVIATION, _TIME_SCALE = 0.5, 10.0
"""sigma_data and timestep_scaling of diffusers' LCMScheduler."""
_HUBER = 1e-3
_LEARNING_RATE = 1e-3
_WARM_UP = 50


def picture_of(noisy: Tensor, velocity: Tensor, times: Tensor, schedule: Tensor) -> Tensor:
    """The latents (n, c, h, w) without noise that a velocity means."""
    signal, spread = _shares(times, schedule)
    return signal * noisy - spread * velocity


def step_of(
    noisy: Tensor, velocity: Tensor, times: Tensor, following: Tensor, schedule: Tensor
) -> Tensor:
    """A step of DDIM from `times` to the times `following`."""
    signal, spread = _shares(times, schedule)
    next_signal, next_spread = _shares(following, schedule)
    noise = signal * velocity + spread * noisy
    return next_signal * picture_of(noisy, velocity, times, schedule) + next_spread * noise


def consistent(noisy: Tensor, picture: Tensor, times: Tensor) -> Tensor:
    """The consistency function: at time zero it is the picture that it got (its boundary)."""
    scaled = (times.float() * _TIME_SCALE).view(-1, 1, 1, 1)
    squared = scaled.square() + _DATA_DEVIATION**2
    return noisy * _DATA_DEVIATION**2 / squared + picture * scaled / squared.sqrt()


def _shares(times: Tensor, schedule: Tensor) -> tuple[Tensor, Tensor]:
    """The shares of picture and noise at these times."""
    signal = schedule[times].sqrt().view(-1, 1, 1, 1)
    return signal, (1 - schedule[times]).sqrt().view(-1, 1, 1, 1)


class Distillation:
    """The model with a LoRA, which is the student; without it, it is the teacher."""

    def __init__(self, models: TextModels, device: str) -> None:
        self.models = models
        self.device = device
        self.schedule = new_scheduler().alphas_cumprod.to(device)
        for module in (models.text_encoder, models.unet):
            nn.Module.to(module, device)
        if device == "cpu":
            models.unet.set_default_attn_processor()
        models.unet.add_adapter(LoraConfig(r=_RANK, lora_alpha=_RANK, target_modules=list(_LAYERS)))
        self.weights = [each for each in models.unet.parameters() if each.requires_grad]
        empty = token_ids(models.tokenizer, [""]).to(device)
        with torch.no_grad():
            self.without: Tensor = models.text_encoder(empty)[0]

    def loss(self, latents: Tensor, ids: Tensor) -> Tensor:
        """How far the student's pictures from neighbouring times are apart (pseudo-Huber loss)."""
        unet: Any = self.models.unet
        count = len(latents)
        times = _STRIDE * torch.randint(1, 1000 // _STRIDE + 1, (count,), device=self.device) - 1
        following = (times - _STRIDE).clamp(min=0)
        noisy, _ = add_noise(latents, times, self.schedule)
        with autocast(self.device):
            with torch.no_grad():
                context = self.models.text_encoder(ids)[0]
                both = torch.cat([context, self.without.expand_as(context)])
                unet.disable_adapters()
                named, unnamed = unet(
                    noisy.repeat(2, 1, 1, 1), times.repeat(2), both, return_dict=False
                )[0].chunk(2)
                unet.enable_adapters()
                guided = (unnamed + GUIDANCE * (named - unnamed)).float()
                nearer = step_of(noisy, guided, times, following, self.schedule)
                target = self._picture(nearer, following, context)
            drawn = self._picture(noisy, times, context)
        return ((drawn - target).square() + _HUBER**2).sqrt().mean() - _HUBER

    def _picture(self, noisy: Tensor, times: Tensor, context: Tensor) -> Tensor:
        velocity = self.models.unet(noisy, times, context, return_dict=False)[0].float()
        picture = picture_of(noisy, velocity, times, self.schedule)
        return consistent(noisy, picture, times)

    def save(self, folder: Path) -> None:
        """Write the LoRA in float16, as a file that diffusers and sdtui load."""
        layers = {
            name: weight.detach().to("cpu", torch.float16)
            for name, weight in get_peft_model_state_dict(self.models.unet).items()
        }
        StableDiffusionPipeline.save_lora_weights(
            folder, unet_lora_layers=layers, weight_name="pocket-fast.safetensors"
        )


def train(distillation: Distillation, examples: Examples, seconds: float) -> None:
    """Train for `seconds`, in which the learning rate falls to zero."""
    torch.manual_seed(8)
    optimizer = torch.optim.AdamW(distillation.weights, lr=_LEARNING_RATE, weight_decay=0.0)
    cells = BATCH[distillation.device] * (SIZE // 8) ** 2
    started = time.monotonic()
    losses: list[Tensor] = []
    for step, (latents, ids) in enumerate(examples.batches({SIZE: 1.0}, cells)):
        progress = (time.monotonic() - started) / seconds
        if progress >= 1:
            break
        warm = min(1.0, (step + 1) / _WARM_UP)
        for group in optimizer.param_groups:
            group["lr"] = _LEARNING_RATE * warm * (1 + math.cos(math.pi * progress)) / 2
        loss = distillation.loss(latents, ids)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(distillation.weights, 1.0)
        optimizer.step()
        losses.append(loss.detach())
        if step % 50 == 49:
            mean = torch.stack(losses[-50:]).mean().item()
            click.echo(f"step {step + 1} loss {mean:.4f} {progress:.0%}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sdtui.pocket.train.distil")
    parser.add_argument("--work", type=Path, default=Path(".pocket"), help="latents of `prepare`")
    parser.add_argument("--model", type=Path, default=MODEL_FOLDER)
    parser.add_argument("--to", type=Path, required=True, help="the LoRA's folder")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--device", choices=tuple(BATCH), default="cpu")
    arguments = parser.parse_args()
    models, _ = load_pocket(arguments.model)
    examples = Examples(arguments.work / "latents", models.tokenizer, arguments.device)
    examples.refresh()
    distillation = Distillation(models, arguments.device)
    train(distillation, examples, arguments.minutes * 60)
    distillation.save(arguments.to)


if __name__ == "__main__":
    main()
