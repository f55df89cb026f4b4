"""A step cache: steps whose prediction can be told from those before aren't computed.

It looks at what goes into a denoiser and what comes out, so it needs to know nothing of its blocks,
and a step that is left out takes no time, and no transfer of weights where they are offloaded.
diffusers' caches (first-block cache, TaylorSeer, MagCache) hook blocks, whose arguments they must
know, and pipelines must name their calls for them: both are true of a few families only.
tests/benchmarks/step_caches.py compares them.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from sdtui.engine.speed.reuse import Reuse

_LATENTS = ("hidden_states", "x", "sample")
"""What denoisers call the latents."""
_TIMES = ("timestep", "timesteps", "t")
"""What they call the timestep."""
_MOST_IN_A_ROW = 2
"""Steps that may be left out between two that are computed."""
_POINTS = 2
"""Predictions that an extrapolation needs."""


class StepCache(Reuse):
    """Leaves out calls of a pipeline's denoisers while predictions change little.

    Criterion: the change of the prediction is estimated as the way of the latents times the rate at
    which the prediction changed with them between the last two steps that were computed (EasyCache,
    Zhou et al. 2025). A step is left out while the sum of these, relative to the prediction, is
    less than `threshold`.

    What is left out is extrapolated in the timestep to the first order, as TaylorSeer (Liu et al.
    2025) does with features of blocks.
    """

    kind = "step cache"

    def __init__(self, threshold: float) -> None:
        super().__init__(f"step cache {threshold:g}")
        self._threshold = threshold
        self._branches: dict[tuple[int, int], _Branch] = {}
        self.restart()

    @property
    def reuses(self) -> bool:
        return self._skips

    def restart(self) -> None:
        self._branches.clear()
        self._calls = self._in_a_row = 0
        self._skips = False

    def after_step(self) -> None:
        super().after_step()
        self._in_a_row = self._in_a_row + 1 if self._skips else 0
        self._calls, self._skips = 0, False

    def wrapped(self, number: int, forward: Callable[..., Any]) -> Callable[..., Any]:
        """Return a replacement for the `forward` of the denoiser with this number. The calls of a
        step, such as those with and without the prompt, are kept apart."""
        names = list(inspect.signature(forward).parameters)

        def cached_forward(*args: Any, **kwargs: Any) -> Any:
            given = {**dict(zip(names, args, strict=False)), **kwargs}
            latents, time = _first(given, _LATENTS), _first(given, _TIMES)
            if latents is None or time is None:
                return forward(*args, **kwargs)
            place = number, self._calls
            shapes = [each.shape for each in _tensors(given)]
            branch = self._branches.get(place)
            if branch is None or branch.shapes != shapes:
                branch = self._branches[place] = _Branch(shapes)
            at = _Point(_time(time), _copy(latents))
            self._calls += 1
            if self._calls == 1:
                self._skips = branch.change(at) < self._threshold
                self._skips &= self._in_a_row < _MOST_IN_A_ROW
            if self._skips and len(branch.computed) == _POINTS:
                return branch.extrapolated(at.time)
            output = forward(*args, **kwargs)
            branch.add(at, output)
            return output

        return cached_forward


def can_follow(denoiser: nn.Module) -> bool:
    """Return whether the latents and the timestep are known among a denoiser's arguments."""
    names = inspect.signature(denoiser.forward).parameters.keys()
    return all(not names.isdisjoint(known) for known in (_LATENTS, _TIMES))


@dataclass(frozen=True)
class _Point:
    """A call of a denoiser."""

    time: float
    latents: Any
    output: Any = None


@dataclass
class _Branch:
    """One of the calls that each step makes."""

    shapes: list[torch.Size]
    """Of all tensors among the arguments: another size is another branch."""
    computed: list[_Point] = field(default_factory=list)
    """The last ones, in order."""
    latents: Any = None
    """Those of the last call."""
    rate: float = math.inf
    """The change of the prediction for a change of the latents, relative to the prediction."""
    way: float = 0.0
    """How far the latents have moved since the last call that was computed."""

    def change(self, at: _Point) -> float:
        """Return by how much the prediction will have changed, relatively; infinite or NaN if
        nobody knows."""
        if self.latents is not None:
            self.way += _distance(at.latents, self.latents)
        self.latents = at.latents
        return self.rate * self.way

    def add(self, at: _Point, output: Any) -> None:
        """Add a call that was computed."""
        point = _Point(at.time, at.latents, _copy(output))
        if self.computed:
            before = self.computed[-1]
            moved = _distance(point.latents, before.latents) * _size(point.output)
            changed = _distance(point.output, before.output)
            self.rate = changed / moved if moved else math.inf if changed else 0.0
        self.computed = [*self.computed, point][-_POINTS:]
        self.latents, self.way = at.latents, 0.0

    def extrapolated(self, time: float) -> Any:
        """Return the prediction at a timestep, on the line through the last two."""
        before, last = self.computed
        gone = last.time - before.time
        share = (time - last.time) / gone if gone else 0.0

        def on_line(new: Tensor, old: Tensor) -> Tensor:
            if not new.is_floating_point():
                return new
            return torch.lerp(new.float(), old.float(), -share).to(new.dtype)

        return _mapped(on_line, last.output, before.output)


def _first(given: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((given[name] for name in names if given.get(name) is not None), None)


def _time(value: Any) -> float:
    return float(value.flatten()[0]) if isinstance(value, Tensor) else float(value)


def _tensors(value: Any) -> list[Tensor]:
    """Return the tensors in a value, in order."""
    found: list[Tensor] = []
    _mapped(found.append, value)
    return found


def _copy(value: Any) -> Any:
    """Return a value with copies of its tensors: pipelines may change them in place."""
    return _mapped(lambda each: each.detach().clone(), value)


def _mapped(change: Callable[..., Any], value: Any, *others: Any) -> Any:
    """Return a value whose tensors are changed; `others` are of the same structure, and their
    tensors are further arguments."""
    if isinstance(value, Tensor):
        return change(value, *others)
    if isinstance(value, Mapping):  # outputs of diffusers are mappings, too
        items = {name: _mapped(change, value[name], *(x[name] for x in others)) for name in value}
        return type(value)(**items)
    if isinstance(value, list | tuple):
        return type(value)([_mapped(change, *each) for each in zip(value, *others, strict=True)])
    return value


def _distance(value: Any, other: Any) -> float:
    """Return the mean difference of two values of the same structure."""
    differences = [
        float((one.float() - two.float()).abs().mean())
        for one, two in zip(_tensors(value), _tensors(other), strict=True)
    ]
    return sum(differences) / max(len(differences), 1)


def _size(value: Any) -> float:
    """Return the mean of the magnitudes of a value."""
    sizes = [float(each.float().abs().mean()) for each in _tensors(value)]
    return sum(sizes) / max(len(sizes), 1)
