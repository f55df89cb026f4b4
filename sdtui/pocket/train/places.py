"""An auxiliary loss that teaches the UNet the position of each latent cell.

Convolutions see the same everywhere except near the edges, and upsampling copies a cell into four
identical ones. A UNet can infer positions level by level from the zero padding, but a small one has
not begun to after 100,000 samples: without positions it draws objects as blobs of their colours.
With this loss it knows positions after 2,000.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from sdtui.pocket.train.layers import LayerOutputs

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
"""The layers that the loss reads, and the level that each has the channels of."""


def place_codes(height: int, width: int, of: int) -> Tensor:
    """Row and column of each cell in binary, bits as -1 and 1: (1, 2 log2(of), height, width).

    They are those of a square with `of` cells a side (a power of two) that is scaled to the shorter
    side and lies in the middle; what is beside it has the numbers of the square's edges.
    """
    short = min(height, width)

    def code(count: int) -> Tensor:
        places = (torch.arange(count) - (count - short) / 2) * of / short
        numbers = places.floor().long().clamp(0, of - 1)
        bits = range(of.bit_length() - 1)
        return torch.stack([((numbers >> bit) & 1) * 2.0 - 1 for bit in bits])

    rows = code(height)[:, :, None].expand(-1, -1, width)
    columns = code(width)[:, None].expand(-1, height, -1)
    return torch.cat([rows, columns])[None]


class Places(nn.Module):
    """Predicts rows and columns from layers of a UNet; `loss` is the error."""

    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.heads = nn.ModuleList()
        self._outputs = LayerOutputs(unet, _LAYERS)
        self._sides: list[int] = []
        self._known: dict[tuple[int, int, int], Tensor] = {}
        for level in _LAYERS.values():
            channels = unet.config.block_out_channels[level]
            side = unet.config.sample_size >> level
            self._sides.append(side)
            codes = place_codes(side, side, side).shape[1]
            self.heads.append(
                nn.Sequential(nn.GroupNorm(1, channels), nn.Conv2d(channels, codes, 1))
            )

    def loss(self) -> Tensor:
        """The mean squared error of the codes in the latest pass, over all layers."""
        errors = []
        outputs = self._outputs.take()
        for name, head, side in zip(_LAYERS, self.heads, self._sides, strict=True):
            predicted = head(outputs[name].float())
            height, width = predicted.shape[2:]
            codes = self._codes(height, width, side, predicted.device)
            errors.append(functional.mse_loss(predicted, codes.expand_as(predicted)))
        return torch.stack(errors).mean()

    def _codes(self, height: int, width: int, of: int, device: torch.device) -> Tensor:
        """`place_codes` on a device, which are computed once."""
        key = (height, width, of)
        if key not in self._known:
            self._known[key] = place_codes(height, width, of).to(device)
        return self._known[key]
