"""Training examples from the files that `prepare` writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import CLIPTokenizer

from sdtui.pocket.train.difficulty import Difficulty
from sdtui.pocket.train.sizes import Size, cells_of, size_of_name

_EMPTY_CAPTIONS = 0.1
"""Share of empty captions, needed for classifier-free guidance."""


def token_ids(tokenizer: CLIPTokenizer, captions: list[str]) -> Tensor:
    """Captions → (n, 77), padded as in StableDiffusionPipeline."""
    ids: Tensor = tokenizer(
        captions, padding="max_length", truncation=True, return_tensors="pt"
    ).input_ids
    return ids


@dataclass(frozen=True)
class Batch:
    """Some pictures of one size."""

    latents: Tensor
    """(n, 8, h, w), float32, of unit variance."""
    ids: Tensor
    """(n, 77): one caption of each."""
    labels: Tensor
    """(n, 7), see labels.py."""
    owners: Tensor
    """(n, h, w): which object a cell shows, 0 for none (see layout.py)."""


@dataclass
class Examples:
    """All pictures of one folder, on one device, grouped by size."""

    folder: Path
    tokenizer: CLIPTokenizer
    device: str = "cpu"
    practised: Sequence[str] = ()
    """Names of objects that are chosen more often."""
    read: set[Path] = field(default_factory=set)
    parts: dict[Size, dict[str, Tensor]] = field(default_factory=dict)
    """Size of the pictures → the tensors of a `Batch` for all pictures, in small dtypes;
    `ids` is (n, captions, 77)."""

    def __post_init__(self) -> None:
        self.difficulty = Difficulty(self.device, self.practised)

    def refresh(self) -> None:
        """Read the files that are new since the last call."""
        new: dict[Size, list[dict[str, Tensor]]] = {}
        for path in sorted(set(self.folder.glob("*.pt")) - self.read):
            self.read.add(path)
            content: dict[str, Any] = torch.load(path, weights_only=True)
            captions = content.pop("captions")
            ids = token_ids(self.tokenizer, [text for texts in captions for text in texts])
            content["ids"] = ids.to(torch.int16).view(len(captions), -1, ids.shape[1])
            new.setdefault(size_of_name(path.stem), []).append(content)
        for size, contents in new.items():
            all_parts = [self.parts[size], *contents] if size in self.parts else contents
            self.parts[size] = {
                name: torch.cat([parts[name].to(self.device) for parts in all_parts])
                for name in all_parts[0]
            }

    def choose(self, size: Size, count: int) -> Batch:
        """`count` random pictures with one of their captions each, more of difficult objects."""
        parts = self.parts[size]
        ids = parts["ids"]
        weights = self.difficulty.weights(parts["labels"])
        rows = torch.multinomial(weights, count, replacement=True)
        texts = torch.randint(ids.shape[1], (count,), device=self.device)
        return Batch(
            parts["latents"][rows].float(),
            ids[rows, texts].long(),
            parts["labels"][rows],
            parts["owners"][rows],
        )

    def batches(self, shares: dict[Size, float], cells: int) -> Iterator[Batch]:
        """Endless batches of `cells` latent cells, one picture in ten without its caption.

        `shares` are those of the steps by size; sizes without pictures are left out.
        """
        empty = token_ids(self.tokenizer, [""]).to(self.device)
        while True:
            sizes = [size for size in shares if size in self.parts]
            weights = torch.tensor([shares[size] for size in sizes])
            size = sizes[int(torch.multinomial(weights, 1))]
            batch = self.choose(size, cells // cells_of(size))
            without = torch.rand(len(batch.ids), 1, device=self.device) < _EMPTY_CAPTIONS
            yield replace(batch, ids=torch.where(without, empty, batch.ids))
