"""The change of one layer's weight by each kind of adapter.

The formulas are those of the tools that train them, kohya-ss/sd-scripts and LyCORIS, and of A1111's
Lora extension. Weights are taken as matrices, out x in for linear layers and out x (in * height *
width) for convolutions. All is computed in fp32.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch

_SMALLEST_NORM = torch.finfo(torch.float32).tiny


class Delta(Protocol):
    """A change of a weight or bias."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the matrix."""
        ...

    def change(self, original: torch.Tensor) -> torch.Tensor:
        """Return a new matrix to add to `original`, the unchanged weight as an fp32 matrix; on the
        device of the original."""
        ...


@dataclass(frozen=True)
class LowRank:
    """LoRA and LoCon: `up @ down`; with `mid` (r x r x h x w) LoCon in Tucker's form."""

    up: torch.Tensor
    """out x r, with dimensions of 1 behind."""
    down: torch.Tensor
    """r x in x …"""
    mid: torch.Tensor | None = None
    scale: float = 1.0
    """alpha / r."""

    @property
    def shape(self) -> tuple[int, int]:
        kernel = self.mid[0, 0].numel() if self.mid is not None else 1
        return self.up.shape[0], self.down[0].numel() * kernel

    def change(self, original: torch.Tensor) -> torch.Tensor:
        up, down = _matrix(self.up, original), _matrix(self.down, original)
        if self.mid is None:
            return (up @ down).mul_(self.scale)
        mid = _moved(self.mid, original)
        whole = torch.einsum("rskl,or,si->oikl", mid, up, down)
        return whole.flatten(1).mul_(self.scale)

    def limited(self, rank: int) -> LowRank:
        """Return the delta with its first ranks only."""
        return replace(
            self,
            up=self.up[:, :rank],
            down=self.down[:rank],
            mid=None if self.mid is None else self.mid[:rank],
        )


@dataclass(frozen=True)
class Hadamard:
    """LoHa: `(w1_a @ w1_b) * (w2_a @ w2_b)`, each in Tucker's form if it has a `t`
    (r x r x h x w)."""

    w1_a: torch.Tensor
    w1_b: torch.Tensor
    w2_a: torch.Tensor
    w2_b: torch.Tensor
    t1: torch.Tensor | None = None
    t2: torch.Tensor | None = None
    scale: float = 1.0

    @property
    def shape(self) -> tuple[int, int]:
        if self.t1 is None:
            return self.w1_a.shape[0], self.w1_b[0].numel()
        return self.w1_a.shape[1], self.w1_b.shape[1] * self.t1[0, 0].numel()

    def change(self, original: torch.Tensor) -> torch.Tensor:
        first = _product(self.w1_a, self.w1_b, self.t1, original)
        second = _product(self.w2_a, self.w2_b, self.t2, original)
        return (first * second).flatten(1).mul_(self.scale)


@dataclass(frozen=True)
class Kronecker:
    """LoKr: `kron(w1, w2)`; either may be a product of two matrices, `w2` in Tucker's form too."""

    w1: tuple[torch.Tensor, ...]
    """The matrix, or the two that it is the product of."""
    w2: tuple[torch.Tensor, ...]
    t2: torch.Tensor | None = None
    scale: float = 1.0

    @property
    def shape(self) -> tuple[int, int]:
        rows, columns = self.w1[0].shape[0], self.w1[-1].shape[1]
        if self.t2 is not None:
            kernel = self.t2[0, 0].numel()
            return rows * self.w2[0].shape[1], columns * self.w2[1].shape[1] * kernel
        return rows * self.w2[0].shape[0], columns * self.w2[-1][0].numel()

    def change(self, original: torch.Tensor) -> torch.Tensor:
        first = _factor(self.w1, None, original)
        second = _factor(self.w2, self.t2, original)
        return torch.kron(first, second.contiguous()).mul_(self.scale)


@dataclass(frozen=True)
class Full:
    """A change that is stored as it is: full fine-tuning, norms and biases."""

    whole: torch.Tensor
    scale: float = 1.0

    @property
    def shape(self) -> tuple[int, int]:
        return self.whole.shape[0], self.whole.numel() // self.whole.shape[0]

    def change(self, original: torch.Tensor) -> torch.Tensor:
        return _matrix(self.whole, original) * self.scale


@dataclass(frozen=True)
class Decomposed:
    """DoRA: `W' = (W + ΔW) * magnitude / norm(W + ΔW)`; the change is `W' - W`."""

    direction: Delta
    magnitude: torch.Tensor
    """One value a row (out x 1 …), or one an input channel (1 x in …)."""

    @property
    def shape(self) -> tuple[int, int]:
        return self.direction.shape

    def change(self, original: torch.Tensor) -> torch.Tensor:
        changed = original + self.direction.change(original)
        magnitude = _moved(self.magnitude, original)
        if self.is_by_row:
            scale = magnitude.reshape(-1, 1) / _norm(changed, 1).reshape(-1, 1)
            return changed.mul_(scale).sub_(original)
        channels = changed.reshape(len(changed), magnitude.numel(), -1)
        scale = magnitude.reshape(1, -1, 1) / _norm(channels, (0, 2)).reshape(1, -1, 1)
        return (channels * scale).reshape(original.shape).sub_(original)

    @property
    def is_by_row(self) -> bool:
        return self.magnitude.numel() == self.shape[0] and self.magnitude.shape[0] != 1


@dataclass(frozen=True)
class Rows:
    """Some rows of another delta: query, key or value of a LoRA for all three."""

    whole: Delta
    start: int
    count: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.count, self.whole.shape[1]

    def change(self, original: torch.Tensor) -> torch.Tensor:
        if isinstance(self.whole, LowRank) and self.whole.mid is None:
            up = self.whole.up[self.start : self.start + self.count]
            return replace(self.whole, up=up).change(original)
        rows, columns = self.whole.shape
        padded = original.new_zeros(rows, columns)
        padded[self.start : self.start + self.count] = original
        return self.whole.change(padded)[self.start : self.start + self.count]


def _product(
    a: torch.Tensor, b: torch.Tensor, tucker: torch.Tensor | None, like: torch.Tensor
) -> torch.Tensor:
    if tucker is None:
        return _moved(a, like) @ _matrix(b, like)
    return torch.einsum("ijkl,ip,jr->prkl", _moved(tucker, like), _moved(a, like), _moved(b, like))


def _factor(
    parts: tuple[torch.Tensor, ...], tucker: torch.Tensor | None, like: torch.Tensor
) -> torch.Tensor:
    """Return a factor of a Kronecker product as a matrix."""
    if len(parts) == 1:
        return _matrix(parts[0], like)
    a, b = parts
    return _product(a, b, tucker, like).flatten(1)


def _norm(values: torch.Tensor, dimensions: int | tuple[int, ...]) -> torch.Tensor:
    norm: torch.Tensor = torch.linalg.vector_norm(values, dim=dimensions)
    return norm.clamp_min_(_SMALLEST_NORM)


def _matrix(tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    moved = _moved(tensor, like)
    return moved.reshape(moved.shape[0], -1)


def _moved(tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return tensor.to(like.device, torch.float32)
