"""The interface between the stages and a model family."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from PIL import Image

from sdtui.engine.embeddings import Embeddings, Encoding
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.passes import Batch, Pass, Start, StartContext
from sdtui.engine.preview import X0Watcher
from sdtui.engine.resolved_request import ResolvedRequest
from sdtui.models import ModelDescription
from sdtui.requests.record import Stage


@dataclass(frozen=True)
class StepState:
    """The state of a pass after a step."""

    step: int
    """Number of the step, from 1."""
    total: int
    latents: torch.Tensor
    """After the step, in the pipeline's own layout (N x C x h x w for Stable Diffusion), on the
    device."""
    scheduler: Any
    x0: torch.Tensor | None = None
    """The predicted final latents of the first picture, C x h x w, if previews are on."""
    start: torch.Tensor | None = None
    """The latents that the pass started from, N x C x h x w; None if it started from noise
    alone."""
    noise: torch.Tensor | None = None
    """The noise that was added to `start`, of the same shape."""

    def with_latents(self, latents: torch.Tensor) -> StepState:
        """Return a copy with other latents."""
        return replace(self, latents=latents)


OnStep = Callable[[StepState], torch.Tensor | None]
"""Called after every step. May return latents to continue with; raises to stop the run."""


def step_callback(
    on_step: OnStep, watcher: X0Watcher | None = None
) -> Callable[[Any, int, Any, dict[str, Any]], dict[str, Any]]:
    """Return the `callback_on_step_end` of a diffusers pipeline that calls `on_step`. `watcher`
    estimates x0, if it is watched."""

    def after_step(
        pipeline: Any, index: int, _: Any, tensors: dict[str, Any]
    ) -> dict[str, torch.Tensor]:
        changed = on_step(
            StepState(
                step=index + 1,
                total=pipeline.num_timesteps,
                latents=tensors["latents"],
                scheduler=pipeline.scheduler,
                x0=watcher.x0 if watcher else None,
                start=getattr(pipeline, "start", None),
                noise=getattr(pipeline, "noise", None),
            )
        )
        return {} if changed is None else {"latents": changed}

    return after_step


class Family(Protocol):
    """Runs the pipelines of one or more model families. Stateless."""

    batches_prompts: bool
    """True if prompts are encoded for the pictures of a batch, False if for one picture."""

    def components(self, description: ModelDescription, stage: Stage = Stage.LOAD) -> list[str]:
        """Return the names of the components that a stage needs, those without weights included;
        for the load stage those that any stage needs.

        The others may be without weights during the stage (on the meta device), if the pipeline's
        class is one of `seams.computing_on`.
        """
        ...

    def can_start(self, description: ModelDescription) -> bool:
        """Return whether passes may start from pictures."""
        ...

    def can_inpaint(self, description: ModelDescription) -> bool:
        """Return whether passes may have a mask."""
        ...

    def pictures_in_prompt(self, model: LoadedModel, pass_: Pass) -> tuple[Image.Image, ...]:
        """Return the pictures that the prompts of a pass are encoded together with.

        Raises UnsupportedModelError if a previous pass has to make them.
        """
        ...

    def encode(self, model: LoadedModel, encoding: Encoding, pass_: Pass) -> Embeddings:
        """Encode the prompt of a pass and, with guidance, the negative one."""
        ...

    def not_accepted(self, model: LoadedModel, batch: Batch) -> list[str]:
        """Return the request fields that the pipeline doesn't accept."""
        ...

    def start_latents(self, context: StartContext, start: Start) -> torch.Tensor | None:
        """Return the latents that a pass starts from, N x C x h x w; None if the pipeline's call
        encodes pictures itself."""
        ...

    def prepare(self, model: LoadedModel, batch: Batch) -> None:
        """Encode the pictures that a batch starts from into `batch.encoded`, if the pipeline's call
        encodes them. Called in the prepare stage, behind `start_latents`."""
        ...

    def denoise(
        self, model: LoadedModel, batch: Batch, on_step: OnStep, *, watch: bool
    ) -> torch.Tensor | list[Image.Image]:
        """Return the latents of a batch, N x C x h x w on the CPU, in the form that `decode` takes
        (N x C x 1 x h x w for the VAEs of videos); finished pictures if the pipeline decodes by
        other means than a VAE.

        `watch` turns on the estimate of x0 for previews, if the family supports it.
        """
        ...

    def decode(
        self, model: LoadedModel, vae: Any, latents: torch.Tensor, request: ResolvedRequest
    ) -> torch.Tensor:
        """Decode latents with `vae`, the model's own or a copy of it in another precision, to
        pixels: N x 3 x H x W on the CPU, about -1 to 1. They may contain NaN."""
        ...
