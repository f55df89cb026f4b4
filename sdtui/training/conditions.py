"""What the U-Net gets besides the noisy latents: the captions' embeddings, and SDXL's sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from sdtui.training.buckets import Crop


class Embedding(NamedTuple):
    """A caption as the text encoders see it."""

    hidden: torch.Tensor
    """tokens x width."""
    pooled: torch.Tensor | None = None
    """width; of SDXL alone."""


class CaptionEncoder:
    """Encodes captions with a pipeline's text encoders; what isn't trained is encoded once."""

    def __init__(self, pipeline: Any, device: torch.device, *, is_trained: bool) -> None:
        self._pipeline = pipeline
        self._device = device
        self._is_trained = is_trained
        self._known: dict[str, Embedding] = {}

    def prepare(self, captions: Sequence[str]) -> None:
        """Encode captions ahead, so that the text encoders needn't stay in memory."""
        for caption in captions:
            self._encoded(caption)

    def encode(self, captions: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the captions' hidden states (n x tokens x width) and pooled ones (n x width, None
        for models that take none), on the device."""
        found = [self._encoded(each) for each in captions]
        hidden = torch.stack([each.hidden.to(self._device) for each in found])
        pooled = [each.pooled.to(self._device) for each in found if each.pooled is not None]
        return hidden, torch.stack(pooled) if pooled else None

    def _encoded(self, caption: str) -> Embedding:
        if self._is_trained:
            return self._embedding(caption)
        if caption not in self._known:
            with torch.no_grad():
                made = self._embedding(caption)
            pooled = None if made.pooled is None else made.pooled.cpu()
            self._known[caption] = Embedding(made.hidden.cpu(), pooled)
        return self._known[caption]

    def _embedding(self, caption: str) -> Embedding:
        made = self._pipeline.encode_prompt(
            caption, device=self._device, num_images_per_prompt=1, do_classifier_free_guidance=False
        )
        return Embedding(made[0][0], made[2][0] if len(made) > 2 else None)


def size_conditions(
    pictures: Sequence[tuple[tuple[int, int], Crop]], device: torch.device, dtype: torch.dtype
) -> torch.Tensor:
    """Return SDXL's `time_ids`, n x 6, of pictures with an original size (width, height): height
    and width of the original, top and left of the crop, height and width of the bucket."""
    rows = [
        (original[1], original[0], crop.top, crop.left, crop.bucket[1], crop.bucket[0])
        for original, crop in pictures
    ]
    return torch.tensor(rows, device=device, dtype=dtype)
