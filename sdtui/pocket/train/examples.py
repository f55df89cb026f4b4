"""Training examples from the files that `prepare` writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import CLIPTokenizer

_EMPTY_CAPTIONS = 0.1
"""Share of empty captions, needed for classifier-free guidance."""


def token_ids(tokenizer: CLIPTokenizer, captions: list[str]) -> Tensor:
    """Captions → (n, 77), padded as in StableDiffusionPipeline."""
    ids: Tensor = tokenizer(
        captions, padding="max_length", truncation=True, return_tensors="pt"
    ).input_ids
    return ids


@dataclass
class Examples:
    """All pictures of one folder, on one device, grouped by size."""

    folder: Path
    tokenizer: CLIPTokenizer
    device: str = "cpu"
    read: set[Path] = field(default_factory=set)
    latents: dict[int, Tensor] = field(default_factory=dict)
    """Side of the picture in pixels → (n, 8, side / 8, side / 8), float16, of unit variance."""
    ids: dict[int, Tensor] = field(default_factory=dict)
    """Side → (n, captions, 77), int16."""
    labels: dict[int, Tensor] = field(default_factory=dict)
    """Side → (n, labels), see labels.py."""

    def refresh(self) -> None:
        """Read the files that are new since the last call."""
        for path in sorted(set(self.folder.glob("*.pt")) - self.read):
            self.read.add(path)
            side = int(path.stem.split("-")[0])
            content: dict[str, Any] = torch.load(path, weights_only=True)
            texts = [text for texts in content["captions"] for text in texts]
            ids = token_ids(self.tokenizer, texts).to(torch.int16)
            ids = ids.view(len(content["captions"]), -1, ids.shape[1])
            for parts, new in (
                (self.latents, content["latents"]),
                (self.ids, ids),
                (self.labels, content["labels"]),
            ):
                known = [parts[side]] if side in parts else []
                parts[side] = torch.cat([*known, new.to(self.device)])

    def choose(self, side: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """`count` random latents (float32), one caption of each (n, 77) and the labels."""
        latents, ids = self.latents[side], self.ids[side]
        rows = torch.randint(len(latents), (count,), device=self.device)
        texts = torch.randint(ids.shape[1], (count,), device=self.device)
        return latents[rows].float(), ids[rows, texts].long(), self.labels[side][rows]

    def batches(self, shares: dict[int, float], cells: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Endless batches of `cells` latent cells with token ids, one in ten for no caption.

        `shares` are those of the steps by side in pixels; sizes without pictures are left out.
        """
        empty = token_ids(self.tokenizer, [""]).to(self.device)
        while True:
            sides = [side for side in shares if side in self.latents]
            weights = torch.tensor([shares[side] for side in sides])
            side = sides[int(torch.multinomial(weights, 1))]
            latents, ids, _ = self.choose(side, cells // (side // 8) ** 2)
            without = torch.rand(len(ids), 1, device=self.device) < _EMPTY_CAPTIONS
            yield latents, torch.where(without, empty, ids)
