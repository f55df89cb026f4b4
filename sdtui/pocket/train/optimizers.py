"""The optimizers of the UNet and the text encoder: Muon for most of their weights, else AdamW.

Muon (Jordan et al., 2024) is momentum that updates a matrix in all directions alike. Gradients are
large in the few directions that most pictures share, and tiny in those that tell a dragon from a
snake; with all singular values of an update near one, both are learned at one pace.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from sdtui.pocket.train.text import TextModels

_TEXT_SHARE = 0.3
"""Learning rate of the text encoder relative to that of the UNet."""
_ENDS = ("conv_in", "conv_out", "embedding.weight")
"""Parts of names of the layers at the models' ends."""
_MOMENTUM, _WEIGHT_DECAY = 0.95, 0.01
_ITERATIONS = 4
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic Newton-Schulz iteration, as published."""
_UPDATE = 0.2
"""Root mean square of an update relative to the learning rate: that of AdamW, so that both can
have the same rate (Liu et al., 2025)."""


def orthogonal(matrices: Tensor) -> Tensor:
    """Matrices (k, m, n), m <= n → nearly the closest ones with orthonormal rows, in bfloat16."""
    own, gram_share, square_share = _COEFFICIENTS
    result = matrices.bfloat16()
    result = result / (result.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(_ITERATIONS):
        gram = result @ result.mT
        mixed = torch.baddbmm(gram, gram, gram, beta=gram_share, alpha=square_share)
        result = torch.baddbmm(result, mixed, result, beta=own)
    return result


class Muon(torch.optim.Optimizer):
    """For the weights of linear layers and convolutions, which count as matrices of one row for
    each output. torch's own Muon takes no convolutions."""

    def __init__(self, params: Iterable[dict[str, Any]], lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Update the weights that have gradients. A closure would be ignored."""
        for group in self.param_groups:
            shapes: dict[tuple[int, int], list[Tensor]] = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is not None:
                    shapes[len(weight), weight[0].numel()].append(weight)
            for shape, weights in shapes.items():
                self._update(weights, shape, group["lr"])

    def _update(self, weights: list[Tensor], shape: tuple[int, int], rate: float) -> None:
        """Update matrices of one shape together."""
        grads = [weight.grad for weight in weights if weight.grad is not None]
        for weight in weights:
            if not self.state[weight]:
                self.state[weight]["momentum"] = torch.zeros_like(weight)
        momenta = [self.state[weight]["momentum"] for weight in weights]
        torch._foreach_lerp_(momenta, grads, 1 - _MOMENTUM)
        ahead = torch._foreach_lerp(grads, momenta, _MOMENTUM)
        stacked = torch.stack([each.reshape(shape) for each in ahead])
        rows, columns = shape
        updates = orthogonal(stacked.mT).mT if rows > columns else orthogonal(stacked)
        torch._foreach_mul_(weights, 1 - rate * _WEIGHT_DECAY)
        scale = rate * _UPDATE * max(shape) ** 0.5
        for weight, update in zip(weights, updates, strict=True):
            weight.add_(update.reshape(weight.shape), alpha=-scale)


def new_optimizers(
    models: TextModels, heads: list[nn.Parameter], rate: float
) -> list[torch.optim.Optimizer]:
    """Muon for the matrices within the models, AdamW for everything else: what is at their ends,
    vectors, and the heads of the auxiliary losses."""
    matrices: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = [{"params": heads, "share": 1.0}]
    for model, share in ((models.unet, 1.0), (models.text_encoder, _TEXT_SHARE)):
        within: list[nn.Parameter] = []
        rest: list[nn.Parameter] = []
        for name, weight in model.named_parameters():
            is_matrix = weight.ndim > 1 and not any(end in name for end in _ENDS)
            (within if is_matrix else rest).append(weight)
        matrices.append({"params": within, "share": share})
        others.append({"params": rest, "share": share})
    adamw = torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    return [Muon(matrices, lr=rate), adamw]


def set_learning_rate(optimizers: Iterable[torch.optim.Optimizer], rate: float) -> None:
    """Set that of the UNet; the text encoder's is a share of it."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate * group["share"]
