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


def place_codes(side: int, of: int | None = None) -> Tensor:
    """Row and column of each cell in binary, bits as -1 and 1: (1, 2 log2(of), side, side).

    They are those of a picture with `of` cells a side (a power of two; default: `side`) that is
    scaled to `side`.
    """
    of = of or side
    bits = of.bit_length() - 1
    numbers = torch.arange(side) * of // side
    code = torch.stack([((numbers >> bit) & 1) * 2.0 - 1 for bit in range(bits)])
    rows = code[:, :, None].expand(-1, side, side)
    return torch.cat([rows, rows.transpose(1, 2)])[None]


class Places(nn.Module):
    """Predicts rows and columns from layers of a UNet; `loss` is the error."""

    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.heads = nn.ModuleList()
        self._outputs = LayerOutputs(unet, _LAYERS)
        self._sides: list[int] = []
        self._known: dict[tuple[int, int], Tensor] = {}
        for level in _LAYERS.values():
            channels = unet.config.block_out_channels[level]
            side = unet.config.sample_size >> level
            self._sides.append(side)
            codes = place_codes(side).shape[1]
            self.heads.append(
                nn.Sequential(nn.GroupNorm(1, channels), nn.Conv2d(channels, codes, 1))
            )

    def loss(self) -> Tensor:
        """The mean squared error of the codes in the latest pass, over all layers."""
        errors = []
        outputs = self._outputs.take()
        for name, head, side in zip(_LAYERS, self.heads, self._sides, strict=True):
            predicted = head(outputs[name].float())
            codes = self._codes(predicted.shape[-1], side, predicted.device)
            errors.append(functional.mse_loss(predicted, codes.expand_as(predicted)))
        return torch.stack(errors).mean()

    def _codes(self, side: int, of: int, device: torch.device) -> Tensor:
        """`place_codes` on a device, which are computed once."""
        key = (side, of)
        if key not in self._known:
            self._known[key] = place_codes(side, of).to(device)
        return self._known[key]
