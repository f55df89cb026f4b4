"""Reading pictures for the screen. For other threads than the app's: a large PNG takes a while."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sdtui.core.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image

_GAP = 4


def read_picture(path: Path, largest: int = 2048) -> Image:
    """Return a picture from disk, with no side longer than `largest`. Raises ImageError."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        problem = f"{path} can't be shown: {error}"
        raise ImageError(problem, "The file may be damaged, moved or in the trash") from error
    image.thumbnail((largest, largest))
    return image


def read_sheet(paths: Sequence[Path], largest: int = 2048) -> Image:
    """Return all pictures of a job on one contact sheet, or the only one as it is. Raises
    ImageError."""
    if len(paths) == 1:
        return read_picture(paths[0], largest)
    from PIL import Image

    columns = math.ceil(math.sqrt(len(paths)))
    images = [read_picture(path, max(64, largest // columns)) for path in paths]
    width = max(image.width for image in images) + _GAP
    height = max(image.height for image in images) + _GAP
    rows = math.ceil(len(images) / columns)
    sheet = Image.new("RGB", (columns * width - _GAP, rows * height - _GAP), (24, 24, 30))
    for index, image in enumerate(images):
        sheet.paste(image, (index % columns * width, index // columns * height))
    return sheet
