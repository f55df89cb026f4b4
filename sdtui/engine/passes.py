"""Passes: a run denoises its pictures once or several times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from PIL import Image

from sdtui.engine.embeddings import Embeddings
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.resolved_request import ResolvedRequest


class Start(Protocol):
    """What a pass begins from, where that isn't noise alone. Instances compare by value: latents
    are kept as long as the passes that made them stay equal."""

    def latents(
        self,
        model: LoadedModel,
        request: ResolvedRequest,
        before: torch.Tensor | None,
        generators: Sequence[torch.Generator],
    ) -> torch.Tensor:
        """The latents that the pass adds its noise to, N x C x h x w for `request`'s size, in the
        denoiser's dtype and on the device that the pipeline computes on. N is the number of
        generators, one a picture. `before` = what the pass before gave, N x C x h x w on the CPU;
        None for the first pass."""
        ...

    def image(self, request: ResolvedRequest) -> Image.Image | None:
        """The picture to begin from, of `request`'s size, for families whose pipelines encode it
        themselves; None if there is none."""
        ...


@dataclass(frozen=True)
class Pass:
    """One denoising of a run's pictures."""

    request: ResolvedRequest
    start: Start | None = None
    """None = from noise alone."""
    strength: float = 1.0
    """The share of the steps that are made from `start`, 0 to 1."""

    @property
    def expected_steps(self) -> int:
        """The number of steps, as far as it is known before the scheduler is made."""
        steps = self.request.num_inference_steps
        return steps if self.start is None else int(steps * self.strength)


@dataclass(frozen=True)
class Batch:
    """Pictures that a pass makes at once."""

    pass_: Pass
    seeds: tuple[int, ...]
    embeddings: Embeddings
    """Of one picture."""
    before: torch.Tensor | None = None
    """Latents that the pass before gave, N x C x h x w on the CPU; None in the first pass."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """More arguments of the pipeline's call, from the features."""

    def generators(self) -> list[torch.Generator]:
        """A new generator for each picture, from its seed."""
        return [torch.Generator("cpu").manual_seed(seed) for seed in self.seeds]


class PassResults:
    """The latents that each pass gave for each picture, until the picture is finished."""

    def __init__(self) -> None:
        self._results: dict[int, list[tuple[Pass, torch.Tensor]]] = {}

    def add(self, index: int, pass_: Pass, latents: torch.Tensor) -> None:
        """Keep what the next pass of picture `index` gave: 1 x C x h x w, on the CPU."""
        self._results.setdefault(index, []).append((pass_, latents))

    def passes_done(self, index: int) -> int:
        """How many passes of a picture are done."""
        return len(self._results.get(index, ()))

    def begun(self) -> set[int]:
        """The pictures that have at least one pass behind them."""
        return {index for index, results in self._results.items() if results}

    def latest(self, indices: Iterable[int]) -> torch.Tensor | None:
        """What the last pass gave for some pictures that have the same number of passes behind
        them, N x C x h x w; None if that number is 0.

        They are kept as batches of one and joined by cat, so that their memory format stays:
        kernels round differently for another one.
        """
        last = [self._results[index][-1][1] for index in indices if self.passes_done(index)]
        return torch.cat(last) if last else None

    def keep_only(self, passes: Sequence[Pass]) -> None:
        """Drop what passes gave that are no longer among `passes`, and all that was made of it."""
        for results in self._results.values():
            valid = 0
            for (made_by, _), pass_ in zip(results, passes, strict=False):
                if made_by != pass_:
                    break
                valid += 1
            del results[valid:]

    def drop(self, index: int) -> None:
        """Drop everything of a finished picture."""
        self._results.pop(index, None)
