"""What the stages need of a model family."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from PIL import Image

from sdtui.engine.embeddings import Embeddings
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.passes import Batch


@dataclass(frozen=True)
class StepState:
    """Where a pass stands after a step."""

    step: int
    """1 for the first."""
    total: int
    latents: torch.Tensor
    """After the step, in the pipeline's own layout (N x C x h x w for Stable Diffusion), on the
    device."""
    scheduler: Any
    x0: torch.Tensor | None = None
    """The expected result of the first picture, C x h x w, if it is watched."""
    start: torch.Tensor | None = None
    """What the pass began from, N x C x h x w, where that wasn't noise alone."""
    noise: torch.Tensor | None = None
    """What was added to `start`, of the same shape."""

    def with_latents(self, latents: torch.Tensor) -> StepState:
        """The same with other latents."""
        return replace(self, latents=latents)


OnStep = Callable[[StepState], torch.Tensor | None]
"""Called after every step; may return latents to go on with, and may raise to stop the run."""


class Family(Protocol):
    """Runs the pipelines of one or more model families. Has no state of its own."""

    def components(self, names: list[str]) -> list[str]:
        """Those of a model's components that are loaded."""
        ...

    def size_multiple(self, model: LoadedModel) -> int:
        """Width and height must be multiples of this, in pixels."""
        ...

    def encode(
        self, model: LoadedModel, prompt: str, negative_prompt: str, *, guidance: bool
    ) -> Embeddings:
        """Encode a prompt; `guidance` = whether the negative one is needed. Empty if the
        pipeline's call does it."""
        ...

    def not_accepted(self, model: LoadedModel, batch: Batch) -> list[str]:
        """The fields of a request that the pipeline has no place for.

        Raises UnsupportedModelError if the model can't begin from what the pass begins from.
        """
        ...

    def denoise(
        self, model: LoadedModel, batch: Batch, on_step: OnStep, *, watch: bool
    ) -> torch.Tensor | list[Image.Image]:
        """Make the latents of a batch, N x C x h x w on the CPU, as the decode stage takes them;
        finished pictures where the pipeline gives no such latents.

        `watch` = whether to estimate x0 for previews, if the family can.
        """
        ...
