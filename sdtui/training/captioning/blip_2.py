"""BLIP-2: captions that go on with a prompt, or answers to a question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sdtui.core.cancellation import Cancellation
from sdtui.training.captioning.captioner import CaptionModel

if TYPE_CHECKING:
    from PIL.Image import Image

_MOST_TOKENS = 75
"""Of which CLIP sees all."""


class Blip2:
    """Captions of a BLIP-2 model. The prompt, such as "Question: what is this? Answer:", is not a
    part of them."""

    def __init__(self, model: CaptionModel, prompt: str) -> None:
        self._model = model
        self._prompt = prompt

    def describe(self, images: Sequence[Image], cancellation: Cancellation) -> list[str]:
        texts = [self._prompt] * len(images) if self._prompt else None
        inputs = self._model.processor(images=list(images), text=texts, return_tensors="pt")
        tokens = self._model.generate(inputs, cancellation, max_new_tokens=_MOST_TOKENS)
        if texts and not self._model.is_encoder_decoder:
            tokens = tokens[:, inputs["input_ids"].shape[1] :]
        return self._model.texts(tokens)
