"""BLIP: captions that go on with a prompt, such as "a photo of"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sdtui.core.cancellation import Cancellation
from sdtui.training.captioning.captioner import CaptionModel

if TYPE_CHECKING:
    from PIL.Image import Image

_MOST_TOKENS = 75
"""Of which CLIP sees all."""
_BEAMS = 3


class Blip:
    """Captions of a BLIP model (BlipForConditionalGeneration). The prompt is a part of them."""

    def __init__(self, model: CaptionModel, prompt: str) -> None:
        self._model = model
        self._prompt = prompt

    def describe(self, images: Sequence[Image], cancellation: Cancellation) -> list[str]:
        texts = [self._prompt] * len(images) if self._prompt else None
        inputs = self._model.processor(images=list(images), text=texts, return_tensors="pt")
        tokens = self._model.generate(
            inputs, cancellation, max_new_tokens=_MOST_TOKENS, num_beams=_BEAMS
        )
        return self._model.texts(tokens)
