"""Where on the picture a cell lies: taught to the UNet, which is never told.

Convolutions see the same everywhere but near the picture's edges, and copying a cell into four
leaves no trace of which of the four is which. A UNet can work both out, level by level, from the
zeros around the picture; left to itself, a small one has not begun to after a hundred thousand
samples, and what it can't tell apart it can't draw apart: objects come out as blobs of their
colours. Asked for it directly, it knows after two thousand.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

_LAYERS = {
    "down_blocks.1.resnets.0": 1,
    "down_blocks.2.resnets.0": 2,
    "mid_block.resnets.1": 2,
    "up_blocks.0.resnets.1": 2,
    "up_blocks.1.resnets.0.conv1": 1,
    "up_blocks.1.resnets.0": 1,
    "up_blocks.1.resnets.1": 1,
    "up_blocks.1.attentions.1": 1,
    "up_blocks.2.resnets.0.conv1": 0,
    "up_blocks.2.resnets.0": 0,
    "up_blocks.2.resnets.1.conv1": 0,
}
"""The layers that are asked, and the level whose number of channels each has."""


def place_codes(side: int) -> Tensor:
    """Row and column of each cell in binary, bits as -1 and 1: (1, 2 log2(side), side, side)."""
    bits = side.bit_length() - 1
    numbers = torch.arange(side)
    code = torch.stack([((numbers >> bit) & 1) * 2.0 - 1 for bit in range(bits)])
    rows = code[:, :, None].expand(-1, side, side)
    return torch.cat([rows, rows.transpose(1, 2)])[None]


class Places(nn.Module):
    """Reads rows and columns out of a UNet's layers; `loss` tells how far off they are."""

    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.heads = nn.ModuleList()
        self._features: dict[str, Tensor] = {}
        for name, level in _LAYERS.items():
            channels = unet.config.block_out_channels[level]
            side = unet.config.sample_size >> level
            codes = place_codes(side).shape[1]
            self.heads.append(
                nn.Sequential(nn.GroupNorm(1, channels), nn.Conv2d(channels, codes, 1))
            )
            unet.get_submodule(name).register_forward_hook(_keep(self._features, name))

    def loss(self) -> Tensor:
        """Squared error of the codes in the UNet's latest pass, the mean of all layers."""
        errors = []
        for name, head in zip(_LAYERS, self.heads, strict=True):
            read = head(self._features[name])
            errors.append(functional.mse_loss(read, place_codes(read.shape[-1]).expand_as(read)))
        self._features.clear()
        return torch.stack(errors).mean()


def _keep(features: dict[str, Tensor], name: str) -> Callable[[Any, Any, Any], None]:
    def keep(_layer: Any, _given: Any, made: Any) -> None:
        features[name] = made[0] if isinstance(made, tuple) else made

    return keep
