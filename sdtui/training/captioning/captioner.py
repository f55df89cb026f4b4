"""What a captioner is, and the models of transformers that they use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import torch
from transformers import StoppingCriteria

from sdtui.core.cancellation import Cancellation

if TYPE_CHECKING:
    from PIL.Image import Image


class Captioner(Protocol):
    """A model that says what is in pictures."""

    def describe(self, images: Sequence[Image], cancellation: Cancellation) -> list[str]:
        """Return a caption of each RGB picture; of no use if it was cancelled meanwhile. May run
        out of memory."""
        ...


class CaptionModel:
    """A model of transformers and its processor, which makes its inputs."""

    def __init__(self, model: Any, processor: Any) -> None:
        self.processor = processor
        self._model = model

    @property
    def is_encoder_decoder(self) -> bool:
        """False if what is generated begins with the prompt."""
        return bool(self._model.config.get_text_config().is_encoder_decoder)

    def generate(
        self, inputs: Mapping[str, Any], cancellation: Cancellation, **options: Any
    ) -> torch.Tensor:
        """Return the tokens of captions, shape (pictures, tokens)."""
        model = self._model
        moved = {
            name: value.to(model.device, model.dtype if value.is_floating_point() else None)
            for name, value in inputs.items()
        }
        with torch.inference_mode():
            tokens: torch.Tensor = model.generate(
                **moved,
                **options,
                do_sample=False,
                stopping_criteria=[_StopIfCancelled(cancellation)],
            )
        return tokens

    def texts(self, tokens: torch.Tensor) -> list[str]:
        """Return what tokens say, without special ones."""
        texts: list[str] = self.processor.batch_decode(tokens, skip_special_tokens=True)
        return texts


class _StopIfCancelled(StoppingCriteria):
    """Ends all sequences after the next token."""

    def __init__(self, cancellation: Cancellation) -> None:
        self._cancellation = cancellation

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        is_over = self._cancellation.is_requested
        return torch.full((input_ids.shape[0],), is_over, device=input_ids.device)
