"""Train the text encoder to recognise the content of captions, before the UNet."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from sdtui.pocket.train.examples import Examples, token_ids
from sdtui.pocket.train.labels import CLASSES
from sdtui.pocket.train.precision import autocast
from sdtui.pocket.train.sizes import NATIVE
from sdtui.pocket.train.tokenizer import MAX_TOKENS

Unet: TypeAlias = Any
"""A UNet2DConditionModel. Its class has no type hints for its attributes."""
WIDTH = 192
_BATCH = 64
_LEARNING_RATE = 2e-3
_CODE = 192
"""Number of principal components in the code of a picture."""
_SAMPLE = 6000
"""Pictures that the principal components are computed from."""


@dataclass
class TextModels:
    """The tokenizer, the text encoder and the UNet."""

    tokenizer: CLIPTokenizer
    text_encoder: CLIPTextModel
    unet: Unet

    def encode(self, captions: list[str]) -> Tensor:
        """Captions → (n, 77, 192), padded to 77 tokens as in StableDiffusionPipeline."""
        states: Tensor = self.text_encoder(token_ids(self.tokenizer, captions))[0]
        return states


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


def extended_text_encoder(
    encoder: CLIPTextModel, known: CLIPTokenizer, tokenizer: CLIPTokenizer
) -> CLIPTextModel:
    """A copy of `encoder` for `tokenizer`, which has the tokens of `known` and others."""
    extended = new_text_encoder(tokenizer)
    state = encoder.state_dict()
    (name,) = [name for name in state if name.endswith("token_embedding.weight")]
    rows = state[name]
    new = rows.std() * torch.randn(len(tokenizer) - len(known), rows.shape[1])
    state[name] = torch.cat([rows[:-2], new, rows[-2:]])  # start and end of the text stay last
    extended.load_state_dict(state)
    return extended


def train_text(
    models: TextModels,
    examples: Examples,
    seconds: float,
    report: Callable[[str], None],
    added: int | None = None,
) -> None:
    """Train the text encoder and the UNet's pooling layer to recognise the content of captions.

    From the pooled caption, linear heads predict every label, and one more the principal components
    of the picture's latents. With an untrained text encoder a UNet learns backgrounds first and
    objects very late; and what it learns about one object helps with others only if similar
    pictures have similar codes. If `added` tokens are new to a trained model, only their embeddings
    are trained: a UNet forgets what it drew when the states of known captions change.
    """
    torch.manual_seed(2)
    device = examples.device
    pool = models.unet.add_embedding
    codes = Codes(examples.parts[NATIVE]["latents"])
    width = models.unet.config.time_embedding_dim
    heads = nn.ModuleList(nn.Linear(width, size) for size in (*CLASSES, _CODE)).to(device)
    embeddings: Any = models.text_encoder.get_input_embeddings()
    rows: Tensor = embeddings.weight
    former = rows.detach().clone()
    trained = [*models.text_encoder.parameters(), *pool.parameters()]
    if added:
        for weight in trained:
            weight.requires_grad_(weight is rows)
        trained = [rows]
    weights = [*trained, *heads.parameters()]
    optimizer = torch.optim.AdamW(
        weights, lr=_LEARNING_RATE, betas=(0.9, 0.99), weight_decay=0.0, fused=True
    )
    start, step = time.monotonic(), 0
    while (progress := (time.monotonic() - start) / seconds) < 1:
        step += 1
        for group in optimizer.param_groups:
            group["lr"] = _LEARNING_RATE * min(1, step / 50) * (1 + cos(pi * progress)) / 2
        batch = examples.choose(NATIVE, _BATCH)
        with autocast(device):
            pooled = pool(models.text_encoder(batch.ids)[0])
            *classes, predicted = [head(pooled).float() for head in heads]
        parts = [functional.cross_entropy(n, batch.labels[:, i]) for i, n in enumerate(classes)]
        parts.append(functional.mse_loss(predicted, codes.of(batch.latents)))
        optimizer.zero_grad(set_to_none=True)
        torch.stack(parts).sum().backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        if added:
            restore_known(rows.data, former, added)
        if step % 50 == 0:
            values = " ".join(f"{part.item():.3f}" for part in parts)
            report(f"text step {step} losses {values} done {progress:.0%}")


def restore_known(rows: Tensor, former: Tensor, added: int) -> None:
    """Give all embeddings but the `added` ones before the last two their former values."""
    rows[: -added - 2] = former[: -added - 2]
    rows[-2:] = former[-2:]


class Codes:
    """Principal components of latents with evened out variances."""

    def __init__(self, latents: Tensor) -> None:
        """`latents` is (n, 8, h, w)."""
        values = latents[:_SAMPLE].flatten(1).float()
        self.mean = values.mean(dim=0)
        _, spread, self.directions = torch.svd_lowrank(values - self.mean, q=_CODE, niter=3)
        deviation = spread / len(values) ** 0.5
        # Each component keeps the square root of its deviation, so that shape counts beside colour.
        self.scale = deviation.sqrt() * deviation.square().mean() ** 0.25

    def of(self, latents: Tensor) -> Tensor:
        """Latents (n, 8, h, w) → codes (n, 192)."""
        codes: Tensor = (latents.flatten(1) - self.mean) @ self.directions / self.scale
        return codes
