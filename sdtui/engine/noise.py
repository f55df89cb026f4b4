"""The noise of a batch's pictures: its source, variation seeds and seed resize.

Noise is standard normal, in float32, drawn on the CPU, one stream for each picture: a seed gives
the same picture on every machine and in every batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch.overrides import TorchFunctionMode

from sdtui.core.enums import Rng
from sdtui.engine.philox import Philox
from sdtui.requests.sections.noise import Noise

_PARALLEL = 0.9995
"""The mean cosine from which on A1111 doesn't follow the arc between two tensors."""


class BatchNoise:
    """Draws the noise of the pictures of one batch. Drawing continues the streams."""

    def __init__(
        self, settings: Noise, seeds: Sequence[int], variation_seeds: Sequence[int | None] = ()
    ) -> None:
        """`seeds` and `variation_seeds` are those of each picture; without `variation_seeds`
        nothing is mixed in."""
        self._settings = settings
        self._seeds = seeds
        self._variations = [
            None if seed is None else _stream(settings.rng, seed) for seed in variation_seeds
        ] or [None] * len(seeds)
        self.generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        """One a picture, for what the libraries draw; see `drawn_by_libraries`."""
        self._streams: list[_Stream] = (
            [_TorchStream(each) for each in self.generators]
            if settings.rng is Rng.CPU
            else [_stream(settings.rng, seed) for seed in seeds]
        )

    def initial(self, shape: Sequence[int], size: tuple[int, int]) -> torch.Tensor:
        """Return the noise that pictures start from, N x `shape` (C x h x w), for pictures of
        `size`, width and height in pixels."""
        drawn = [self._first(number, shape, size) for number in range(len(self._seeds))]
        return torch.stack(drawn)

    def _first(self, number: int, shape: Sequence[int], size: tuple[int, int]) -> torch.Tensor:
        stream, variation = self._streams[number], self._variations[number]
        original = self._original(shape, size)
        if original == tuple(shape):
            base = stream.randn(shape)
        else:
            base = _stream(self._settings.rng, self._seeds[number]).randn(original)
        if variation is not None:
            strength = self._settings.variation_strength
            base = slerp(strength, base, variation.randn(original))
        return base if original == tuple(shape) else pasted_centred(base, stream.randn(shape))

    def _original(self, shape: Sequence[int], size: tuple[int, int]) -> tuple[int, ...]:
        """Return the shape that noise is drawn in, which seed resize changes."""
        if not self._settings.is_resized:
            return tuple(shape)
        width, height = self._settings.original_size(*size)
        factor = size[0] // shape[-1]
        return shape[0], height // factor, width // factor

    @contextmanager
    def drawn_by_libraries(self, *, varied: bool = False) -> Iterator[None]:
        """Let torch.randn with one of `generators` continue its picture's stream instead, as
        diffusers calls it for the noise of ancestral samplers; `varied`, with the noise of the
        variation seed mixed into all that is drawn."""
        mixed = varied and any(self._variations)
        if self._settings.rng is Rng.CPU and not mixed:
            yield
            return
        streams = {
            generator: _Mixed(stream, variation, self._settings.variation_strength)
            if variation is not None and varied
            else stream
            for generator, stream, variation in zip(
                self.generators, self._streams, self._variations, strict=True
            )
        }
        with _DrawnFrom(streams):
            yield


def slerp(share: float, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    """Return what is `share` of the way from `low` to `high`, both C x H x W, on the arc between
    them: column by column over H. The ends are exact.

    As in modules/rng.py of A1111, which swaps the two where they are nearly parallel.
    """
    cosine = (_unit(low) * _unit(high)).sum(-2, keepdim=True)
    if cosine.mean() > _PARALLEL:
        return low * share + high * (1 - share)
    angle = torch.acos(cosine)
    sine = torch.sin(angle)
    return torch.sin((1 - share) * angle) / sine * low + torch.sin(share * angle) / sine * high


def _unit(tensor: torch.Tensor) -> torch.Tensor:
    unit: torch.Tensor = tensor / torch.norm(tensor, dim=-2, keepdim=True)
    return unit


def pasted_centred(noise: torch.Tensor, into: torch.Tensor) -> torch.Tensor:
    """Return `into`, C x h x w, with `noise` of another size in its middle, cropped where it is
    larger."""
    result = into.clone()
    source, target = [slice(None)], [slice(None)]
    for have, want in zip(noise.shape[1:], into.shape[1:], strict=True):
        before = (want - have) // 2
        length = have if before >= 0 else have + 2 * before
        source.append(slice(max(-before, 0), max(-before, 0) + length))
        target.append(slice(max(before, 0), max(before, 0) + length))
    result[tuple(target)] = noise[tuple(source)]
    return result


class _Stream(Protocol):
    def randn(self, shape: Sequence[int]) -> torch.Tensor:
        """Return the next numbers, in float32 on the CPU."""
        ...


class _TorchStream:
    def __init__(self, generator: torch.Generator) -> None:
        self._generator = generator

    def randn(self, shape: Sequence[int]) -> torch.Tensor:
        return torch.randn(tuple(shape), generator=self._generator, dtype=torch.float32)


class _PhiloxStream:
    def __init__(self, seed: int) -> None:
        self._philox = Philox(seed)

    def randn(self, shape: Sequence[int]) -> torch.Tensor:
        return torch.from_numpy(self._philox.randn(shape))


class _Mixed:
    """Two streams, mixed in all that is drawn."""

    def __init__(self, base: _Stream, variation: _Stream, strength: float) -> None:
        self._base, self._variation, self._strength = base, variation, strength

    def randn(self, shape: Sequence[int]) -> torch.Tensor:
        return slerp(self._strength, self._base.randn(shape), self._variation.randn(shape))


def _stream(rng: Rng, seed: int) -> _Stream:
    if rng is Rng.NV:
        return _PhiloxStream(seed)
    return _TorchStream(torch.Generator("cpu").manual_seed(seed))


class _DrawnFrom(TorchFunctionMode):
    """Draws from streams where torch.randn is called with the generator that stands for one."""

    def __init__(self, streams: Mapping[torch.Generator, _Stream]) -> None:
        super().__init__()
        self._streams = streams

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        options = kwargs or {}
        generator = options.get("generator") if func is torch.randn else None
        if generator is None or generator not in self._streams:
            return func(*args, **options)
        drawn = self._streams[generator].randn(args[0])
        return drawn.to(options.get("device"), options.get("dtype"))
