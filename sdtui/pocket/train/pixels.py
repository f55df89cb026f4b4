"""Pictures as tensors."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def pixels(pictures: list[Image.Image]) -> Tensor:
    """RGB pictures of one size → (n, 3, height, width) in -1…1."""
    array = np.stack([np.asarray(picture) for picture in pictures])
    return torch.from_numpy(array).permute(0, 3, 1, 2).float() / 127.5 - 1
