"""The colours of ADE20K's 150 classes, in which ControlNets for segmentation see a picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# The dataset's palette as in mmsegmentation 1.2.2 (Apache 2.0), mmseg/datasets/ade.py: six
# hexadecimal digits for each class.
_PALETTE = (
    "787878b4787806e6e650323204c8037878508c8c8ccc05ffe6e6e604fa07e005ffebff0796053d787846"
    "08ff33ff06528fff8cccff04ff3307cc46030066c83de6faff06330b66ffff0747ff09e00907e6dcdcdc"
    "ff095c7009ff08ffd607ffe0ffb8060aff47ff290a07ffffe0ff086608ffff3d06ffc207ff7a0800ff14"
    "ff0829ff05990633ffeb0cffa0961400a3ff8c8c8cfa0a0f14ff001fff00ff1f00ffe00099ff000000ff"
    "ff470000ebff00adff1f00ff0bc8c8ff520000fff5003dff00ff7000ff85ff0000ffa300ff6600c2ff00"
    "008fff33ff000052ff00ff2900ffad0a00ffadff0000ff99ff5c00ff00ffff00f5ff0066ffad00ff0014"
    "ffb8b8001fff00ff3d0047ffff00cc00ffc200ff52000aff0070ff3300ff00c2ff007aff00ffa3ff9900"
    "00ff0aff70008fff005200ffa3ff00ffeb0008b8aa8500ff00ff5cb800ffff001f00b8ff00d6ffff0070"
    "5cff0000e0ff70e0ff46b8a0a300ff9900ff47ff00ff00a3ffcc00ff008f00ffeb85ff00ff00ebf500ff"
    "ff007afff5000abed4d6ff0000ccff1400ffffff000099ff0029ff00ffcc2900ff29ff00ad00ff00f5ff"
    "4700ff7a00ff00ffb8005cffb8ff000085ffffd60019c2c266ff005c00ff"
)
CLASSES = len(_PALETTE) // 6


def coloured_classes(classes: NDArray[np.integer]) -> Image.Image:
    """Return the picture of a map of classes, H x W, 0 to 149."""
    colours = np.frombuffer(bytes.fromhex(_PALETTE), np.uint8).reshape(CLASSES, 3)
    return Image.fromarray(colours[classes])
