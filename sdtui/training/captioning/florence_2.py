"""Florence-2: captions of three lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import UnsupportedModelError
from sdtui.core.text import shortened
from sdtui.training.captioning.captioner import CaptionModel

if TYPE_CHECKING:
    from PIL.Image import Image

_TASKS = ("<DETAILED_CAPTION>", "<CAPTION>", "<MORE_DETAILED_CAPTION>")
"""The first is the usual one."""
_MOST_TOKENS = 256
_BEAMS = 3


class Florence2:
    """Captions of a Florence-2 model. The prompt is a task: how long they are."""

    def __init__(self, model: CaptionModel, prompt: str) -> None:
        """Raises UnsupportedModelError for a prompt that is no task for captions."""
        self._model = model
        self._task = f"<{prompt.strip('<> ').upper()}>" if prompt else _TASKS[0]
        if self._task not in _TASKS:
            raise UnsupportedModelError(
                f'Florence-2 has no prompt "{shortened(prompt)}" for captions',
                f"It has {', '.join(task.strip('<>').lower() for task in _TASKS)}",
            )

    def describe(self, images: Sequence[Image], cancellation: Cancellation) -> list[str]:
        inputs = self._model.processor(
            images=list(images), text=[self._task] * len(images), return_tensors="pt"
        )
        tokens = self._model.generate(
            inputs, cancellation, max_new_tokens=_MOST_TOKENS, num_beams=_BEAMS
        )
        return self._model.texts(tokens)
