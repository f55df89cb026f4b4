"""Passes: a run denoises its pictures one or more times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from PIL import Image

from sdtui.engine.embeddings import Embeddings
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.noise import BatchNoise
from sdtui.engine.resolved_request import ResolvedRequest


class Start(Protocol):
    """What a pass starts from, if not from noise alone. Instances compare by value: latents are
    reused as long as the passes that made them stay equal."""

    def latents(
        self,
        model: LoadedModel,
        request: ResolvedRequest,
        before: torch.Tensor | None,
        generators: Sequence[torch.Generator],
    ) -> torch.Tensor:
        """Return the latents that noise is added to, N x C x h x w for `request`'s size, in the
        denoiser's dtype, on the device that the pipeline computes on. N is the number of
        generators, one per picture. `before` = the result of the previous pass, N x C x h x w on
        the CPU; None in the first pass."""
        ...

    def image(self, request: ResolvedRequest) -> Image.Image | None:
        """Return the picture to start from, of `request`'s size, for families whose pipelines
        encode it themselves, or None."""
        ...


@dataclass(frozen=True)
class Pass:
    """One denoising of a run's pictures."""

    request: ResolvedRequest
    start: Start | None = None
    """None = from noise alone."""
    strength: float = 1.0
    """The share of the steps that are run from `start`, 0 to 1."""
    prompts: int = 1
    """Parts of the prompt that are denoised apart."""

    @property
    def expected_steps(self) -> int:
        """Return the number of steps, as far as it is known before the scheduler is created."""
        steps = self.request.num_inference_steps
        return steps if self.start is None else int(steps * self.strength)


@dataclass(frozen=True)
class Batch:
    """Pictures that a pass denoises together."""

    pass_: Pass
    seeds: tuple[int, ...]
    embeddings: Embeddings
    """Of one picture."""
    variation_seeds: tuple[int | None, ...] = ()
    """Of each picture, None without variation; may be shorter than `seeds`."""
    before: torch.Tensor | None = None
    """The latents of the previous pass, N x C x h x w on the CPU; None in the first pass."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Additional arguments of the pipeline's call, from the features."""

    def noise(self) -> BatchNoise:
        """Return the noise of the pictures, drawn from the start."""
        return BatchNoise(self.pass_.request.noise, self.seeds, self.variation_seeds)


class PassResults:
    """The latents of each pass for each picture, until the picture is finished."""

    def __init__(self) -> None:
        self._results: dict[int, list[tuple[Pass, torch.Tensor]]] = {}

    def add(self, index: int, pass_: Pass, latents: torch.Tensor) -> None:
        """Add the latents of the next pass for picture `index`, 1 x C x h x w on the CPU."""
        self._results.setdefault(index, []).append((pass_, latents))

    def passes_done(self, index: int) -> int:
        """Return the number of completed passes of a picture."""
        return len(self._results.get(index, ()))

    def begun(self) -> set[int]:
        """Return the pictures with at least one completed pass."""
        return {index for index, results in self._results.items() if results}

    def latest(self, indices: Iterable[int]) -> torch.Tensor | None:
        """Return the latest latents of pictures with the same number of completed passes, N x C x h
        x w, or None if that number is 0.

        They are stored as batches of one and joined by cat, which preserves their memory format:
        kernels round differently for another one.
        """
        last = [self._results[index][-1][1] for index in indices if self.passes_done(index)]
        return torch.cat(last) if last else None

    def keep_only(self, passes: Sequence[Pass]) -> None:
        """Drop the latents of passes that are no longer in `passes`, and everything derived from
        them."""
        for results in self._results.values():
            valid = 0
            for (producer, _), pass_ in zip(results, passes, strict=False):
                if producer != pass_:
                    break
                valid += 1
            del results[valid:]

    def drop(self, index: int) -> None:
        """Drop all latents of a finished picture."""
        self._results.pop(index, None)
