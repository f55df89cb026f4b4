"""The normal random numbers that torch draws on NVIDIA's GPUs, computed with numpy.

Philox 4x32 with 10 rounds (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") and
the transform of Box and Muller, as in curand_normal4 of CUDA and modules/rng_philox.py of A1111.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy
from numpy.typing import NDArray

_ROUNDS = 10
_MULTIPLIERS = (numpy.uint64(0xD2511F53), numpy.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_LOW = numpy.uint64(0xFFFFFFFF)
_HALF = numpy.uint64(32)
_WORDS = 2.0**32

_Words = NDArray[numpy.uint32]


class Philox:
    """A stream of normal random numbers. Each call of `randn` continues it like a call of
    torch.randn on the GPU."""

    def __init__(self, seed: int) -> None:
        """`seed` is from 0 to 2^64 - 1; all of its bits count."""
        self._key = (seed & 0xFFFFFFFF, seed >> 32)
        self._calls = 0

    def randn(self, shape: Sequence[int]) -> NDArray[numpy.float32]:
        """Return standard normal numbers of a shape with at most 2^32 of them."""
        count = math.prod(shape)
        zeros = numpy.zeros(count, numpy.uint32)
        index = numpy.arange(count, dtype=numpy.uint32)
        words = (zeros + numpy.uint32(self._calls), zeros, index, zeros)
        self._calls += 1
        first, second, _, _ = _mixed(words, self._key)
        return _normal(first, second).reshape(shape)


def _mixed(words: tuple[_Words, ...], key: tuple[int, int]) -> tuple[_Words, ...]:
    """Return four random words for each counter of four words."""
    low, high = key
    for _ in range(_ROUNDS):
        one = words[0].astype(numpy.uint64) * _MULTIPLIERS[0]
        two = words[2].astype(numpy.uint64) * _MULTIPLIERS[1]
        words = (
            _high(two) ^ words[1] ^ numpy.uint32(low),
            _low(two),
            _high(one) ^ words[3] ^ numpy.uint32(high),
            _low(one),
        )
        low, high = (low + _WEYL[0]) & 0xFFFFFFFF, (high + _WEYL[1]) & 0xFFFFFFFF
    return words


def _high(product: NDArray[numpy.uint64]) -> _Words:
    return (product >> _HALF).astype(numpy.uint32)


def _low(product: NDArray[numpy.uint64]) -> _Words:
    return (product & _LOW).astype(numpy.uint32)


def _normal(first: _Words, second: _Words) -> NDArray[numpy.float32]:
    """Return one of the two numbers that Box and Muller's transform makes of two words."""
    uniform = (first + 0.5) / _WORDS
    angle = (second + 0.5) * (2 * math.pi / _WORDS)
    radius = numpy.sqrt(-2 * numpy.log(uniform))
    normal: NDArray[numpy.float32] = (radius * numpy.sin(angle)).astype(numpy.float32)
    return normal
