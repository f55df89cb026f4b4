"""Models that answer questions about pictures in a chat, such as LLaVA and Qwen-VL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sdtui.core.cancellation import Cancellation
from sdtui.training.captioning.captioner import CaptionModel

if TYPE_CHECKING:
    from PIL.Image import Image

_USUAL_PROMPT = "Describe this picture in one sentence."
_MOST_TOKENS = 200


class Chat:
    """Answers of a model with a chat template."""

    def __init__(self, model: CaptionModel, prompt: str) -> None:
        self._model = model
        self._prompt = prompt or _USUAL_PROMPT
        model.processor.tokenizer.padding_side = "left"  # answers begin where prompts end

    def describe(self, images: Sequence[Image], cancellation: Cancellation) -> list[str]:
        inputs = self._model.processor.apply_chat_template(
            [self._question(image) for image in images],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            padding=True,
        )
        tokens = self._model.generate(inputs, cancellation, max_new_tokens=_MOST_TOKENS)
        return self._model.texts(tokens[:, inputs["input_ids"].shape[1] :])

    def _question(self, image: Image) -> list[dict[str, Any]]:
        content = [{"type": "image", "image": image}, {"type": "text", "text": self._prompt}]
        return [{"role": "user", "content": content}]
