"""What the U-Net gets besides the noisy latents: the captions' embeddings, and SDXL's sizes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from sdtui.engine.loaded import LoadedModel
from sdtui.training.buckets import Crop
from sdtui.training.tensor_files import TensorFiles, read_tensors

_HIDDEN, _POOLED = "hidden", "pooled"


class Embedding(NamedTuple):
    """A caption as the text encoders see it."""

    hidden: torch.Tensor
    """tokens x width."""
    pooled: torch.Tensor | None = None
    """width; of SDXL alone."""


class CaptionEncoder:
    """Encodes captions with a pipeline's text encoders."""

    def __init__(self, model: LoadedModel, folder: Path | None, *, is_trained: bool) -> None:
        """What is encoded is kept in files in `folder`; None for captions or text encoders that
        change. With `is_trained`, gradients reach the text encoders."""
        self._pipeline = model.pipeline
        self._device = model.execution_device
        self._files = TensorFiles(folder, model) if folder else None
        self._is_trained = is_trained

    @property
    def is_ahead(self) -> bool:
        """True if `prepare` makes the text encoders needless."""
        return self._files is not None

    def prepare(self, caption: str) -> None:
        """Encode a caption ahead. Raises OSError."""
        assert self._files is not None
        self._files.fill(self._files.file(caption), lambda: self._tensors(caption))

    def encode(self, captions: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the captions' hidden states (n x tokens x width) and pooled ones (n x width, None
        for models that take none), on the device."""
        found = [self._encoded(each) for each in captions]
        hidden = torch.stack([each.hidden.to(self._device) for each in found])
        pooled = [each.pooled.to(self._device) for each in found if each.pooled is not None]
        return hidden, torch.stack(pooled) if pooled else None

    def _encoded(self, caption: str) -> Embedding:
        if self._files is None:
            return self._embedding(caption)
        file = self._files.file(caption)
        self._files.fill(file, lambda: self._tensors(caption))
        tensors = read_tensors(file)
        return Embedding(tensors[_HIDDEN], tensors.get(_POOLED))

    def _tensors(self, caption: str) -> dict[str, torch.Tensor]:
        embedding = self._embedding(caption)
        tensors = {_HIDDEN: embedding.hidden, _POOLED: embedding.pooled}
        return {name: each for name, each in tensors.items() if each is not None}

    def _embedding(self, caption: str) -> Embedding:
        with torch.set_grad_enabled(self._is_trained):
            made = self._pipeline.encode_prompt(
                caption,
                device=self._device,
                num_images_per_prompt=1,
                do_classifier_free_guidance=False,
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
