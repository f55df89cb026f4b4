"""An auxiliary loss that teaches the UNet which object each latent cell shows.

From the error of a picture alone, a small UNet learns late which word of a caption belongs where:
two objects side by side come out as mixtures of both. Here each of its layers with cross-attention
has to tell, at every cell, the object or the background there and its colour, and what the latents
there are without noise. TokenCompose (Wang et al., 2024) does the same with attention maps.
"""

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from sdtui.pocket.train.examples import Batch
from sdtui.pocket.train.labels import BACKGROUND_LABEL, CLASSES, COLOUR_LABELS, OBJECT_LABELS
from sdtui.pocket.train.layers import LayerOutputs
from sdtui.pocket.train.vae import LATENT_CHANNELS

_LAYERS = {
    "down_blocks.0.attentions.0": 0,
    "down_blocks.1.attentions.0": 1,
    "down_blocks.2.attentions.0": 2,
    "mid_block.attentions.0": 2,
    "up_blocks.0.attentions.1": 2,
    "up_blocks.1.attentions.1": 1,
    "up_blocks.2.attentions.0": 0,
}
"""The layers that the loss reads, and their levels: a cell of level 1 is 2 x 2 latent cells."""
_CONTENTS = CLASSES[OBJECT_LABELS[0]] + CLASSES[BACKGROUND_LABEL]
"""What a cell may show: an object (1 and on), or a background after all objects."""
_COLOURS = CLASSES[COLOUR_LABELS[0]]
_COVERED = 0.35
"""Share of a cell from which on it shows an object."""
_CONTENT, _COLOUR, _CLEAN = 0.05, 0.03, 0.2
"""Weights of the cross-entropies and of the squared error relative to the velocity loss."""
_MOST = 4.0
"""What a cell of an object weighs more than one of the background, at most."""
UNCOLOURED = -100
"""What `cross_entropy` leaves out."""


def cell_owners(owners: Image.Image) -> Tensor:
    """The owner of each pixel (0 for none, 1 or 2) → that of each 8 x 8 cell, uint8."""
    pixels = torch.from_numpy(np.array(owners))
    return _owners(pixels[None], 8)[0].to(torch.uint8)


def _owners(owners: Tensor, side: int) -> Tensor:
    """Owners (n, h, w) → those of cells of `side` x `side` (n, h / side, w / side)."""
    shares = torch.stack([(owners == number).float() for number in (1, 2)], dim=1)
    share, owner = functional.avg_pool2d(shares, side).max(dim=1)
    return torch.where(share > _COVERED, owner + 1, 0)


def cell_weights(owners: Tensor) -> Tensor:
    """Weights of cells (n, h, w) from their owners, of mean 1: an object counts like half a picture
    more than the background would there, however small it is; but no cell over five times."""
    weights = torch.ones_like(owners, dtype=torch.float32)
    half = owners.shape[1] * owners.shape[2] / 2
    for number in (1, 2):
        shown = owners == number
        area = shown.sum(dim=(1, 2), keepdim=True).clamp(min=1)
        weights += shown * (half / area).clamp(max=_MOST)
    return weights / weights.mean()


class Layout(nn.Module):
    """Predicts from layers of a UNet what its cells show; `loss` is the weighted error."""

    def __init__(self, unet: Any) -> None:
        super().__init__()
        self._outputs = LayerOutputs(unet, _LAYERS)
        self.heads = nn.ModuleList()
        for level in _LAYERS.values():
            channels = unet.config.block_out_channels[level]
            values = _CONTENTS + _COLOURS + LATENT_CHANNELS * 4**level
            self.heads.append(
                nn.Sequential(nn.GroupNorm(1, channels), nn.Conv2d(channels, values, 1))
            )

    def loss(self, batch: Batch, weights: Tensor) -> Tensor:
        """The error of the latest pass, in which the UNet saw `batch` with noise. `weights` are
        those of its latent cells, (n, h, w)."""
        outputs = self._outputs.take()
        errors = []
        for (name, level), head in zip(_LAYERS.items(), self.heads, strict=True):
            content, colour, clean = head(outputs[name].float()).split(
                [_CONTENTS, _COLOURS, LATENT_CHANNELS * 4**level], dim=1
            )
            side = 2**level
            pooled = functional.avg_pool2d(weights, side)
            contents, colours = cell_labels(_owners(batch.owners, side), batch.labels)
            unlike = functional.cross_entropy(content, contents, reduction="none")
            target = functional.pixel_unshuffle(batch.latents, side)
            errors.append(
                _CONTENT * (pooled * unlike).mean()
                + _COLOUR * _mean_of_known(colour, colours)
                + _CLEAN * (pooled * (clean - target).square().mean(dim=1)).mean()
            )
        return torch.stack(errors).mean()


def _mean_of_known(predicted: Tensor, colours: Tensor) -> Tensor:
    """The cross-entropy of the cells that have a colour, 0 if none has."""
    sum_of_known = functional.cross_entropy(
        predicted, colours, ignore_index=UNCOLOURED, reduction="sum"
    )
    return sum_of_known / (colours != UNCOLOURED).sum().clamp(min=1)


def cell_labels(owners: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Owners (n, h, w) and labels (n, 7) → what each cell shows and its colour, both (n, h, w)."""
    behind = CLASSES[OBJECT_LABELS[0]] + labels[:, BACKGROUND_LABEL]
    nothing = torch.full_like(behind, UNCOLOURED)
    index = owners.flatten(1)
    contents = torch.stack([behind, *(labels[:, each] for each in OBJECT_LABELS)], dim=1)
    colours = torch.stack([nothing, *(labels[:, each] for each in COLOUR_LABELS)], dim=1)
    return (
        contents.gather(1, index).view_as(owners),
        colours.gather(1, index).view_as(owners),
    )
