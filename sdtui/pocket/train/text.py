"""Train the text encoder to recognise the content of captions, before the UNet."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from sdtui.pocket.train.captions import draw_caption
from sdtui.pocket.train.compositions import BACKGROUNDS, Placing
from sdtui.pocket.train.examples import Examples
from sdtui.pocket.train.objects import THINGS
from sdtui.pocket.train.precision import autocast
from sdtui.pocket.train.tokenizer import MAX_TOKENS

Unet: TypeAlias = Any
"""A UNet2DConditionModel. Its class has no type hints for its attributes."""
WIDTH = 192
_BATCH = 64
_LEARNING_RATE = 2e-3
_CODE = 192
"""Number of principal components in the code of a picture."""


def new_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """An untrained encoder: two layers, 192 channels, 1.0 M parameters."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=512,
            projection_dim=WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=MAX_TOKENS,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


@dataclass
class TextModels:
    """The tokenizer, the text encoder and the UNet."""

    tokenizer: CLIPTokenizer
    text_encoder: CLIPTextModel
    unet: Unet

    def encode(self, captions: list[str]) -> Tensor:
        """Captions → (n, 77, 192), padded to 77 tokens as in StableDiffusionPipeline."""
        ids = self.tokenizer(
            captions, padding="max_length", truncation=True, return_tensors="pt"
        ).input_ids
        states: Tensor = self.text_encoder(ids)[0]
        return states


def train_text(
    models: TextModels, examples: Examples, seconds: float, report: Callable[[str], None]
) -> None:
    """Train the text encoder and the UNet's pooling layer to recognise the content of captions.

    From the pooled caption, four linear heads predict both objects, the background and the
    placing, and a fifth predicts the principal components of the picture's latents. With an
    untrained text encoder a UNet learns backgrounds first and objects very late; and what it
    learns about one object helps with others only if similar pictures have similar codes.
    """
    torch.manual_seed(2)
    rng = random.Random(2)
    pool = models.unet.add_embedding
    width = models.unet.config.time_embedding_dim
    objects = {thing: number for number, thing in enumerate(THINGS)}
    backgrounds = (None, *BACKGROUNDS)
    codes = _codes(examples.latents)
    sizes = (len(objects), len(objects) + 1, len(backgrounds), len(Placing), _CODE)
    heads = nn.ModuleList(nn.Linear(width, size) for size in sizes)
    weights = [
        weight for module in (models.text_encoder, pool, heads) for weight in module.parameters()
    ]
    optimizer = torch.optim.AdamW(weights, lr=_LEARNING_RATE, betas=(0.9, 0.99), fused=True)
    start, step, losses = time.monotonic(), 0, [0.0] * len(sizes)
    while (progress := (time.monotonic() - start) / seconds) < 1:
        step += 1
        for group in optimizer.param_groups:
            group["lr"] = _LEARNING_RATE * min(1, step / 50) * (1 + cos(pi * progress)) / 2
        chosen = rng.sample(range(len(examples.compositions)), _BATCH)
        compositions = [examples.compositions[number] for number in chosen]
        targets = torch.tensor(
            [
                (
                    objects[composition.things[0]],
                    objects[composition.things[1]] if composition.things[1:] else len(objects),
                    backgrounds.index(composition.background),
                    list(Placing).index(composition.placing),
                )
                for composition in compositions
            ]
        )
        with autocast():
            pooled = pool(
                models.encode([draw_caption(composition, rng) for composition in compositions])
            )
            outputs = [head(pooled).float() for head in heads]
        *classes, predicted_codes = outputs
        parts = [functional.cross_entropy(n, targets[:, i]) for i, n in enumerate(classes)]
        parts.append(functional.mse_loss(predicted_codes, codes[chosen]))
        optimizer.zero_grad(set_to_none=True)
        torch.stack(parts).sum().backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        losses = [total + part.item() for total, part in zip(losses, parts, strict=True)]
        if step % 50 == 0:
            means = " ".join(f"{total / 50:.3f}" for total in losses)
            report(f"text step {step} losses {means} done {progress:.0%}")
            losses = [0.0] * len(sizes)


def _codes(latents: Tensor) -> Tensor:
    """Latents (n, 8, 16, 16) → principal components (n, _CODE) with evened out variances."""
    values = latents.flatten(1).float()
    values = values - values.mean(dim=0)
    _, spread, directions = torch.svd_lowrank(values[:6000], q=_CODE, niter=3)
    codes = values @ directions
    deviation = spread / 6000**0.5
    # Each component keeps the square root of its deviation, so that shape counts beside colour.
    codes /= deviation.sqrt() * deviation.square().mean() ** 0.25
    return codes
