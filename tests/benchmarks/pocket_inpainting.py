"""Put a strawberry where an apple is, with the pocket model, and save a sheet to look at.

    python -m tests.benchmarks.pocket_inpainting OUT.png [--side 128] [--strength 0.75] ...

Ten apples, each on another background, are masked by a circle and repainted. On the sheet each
apple stands above its strawberry.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops, ImageDraw

from sdtui.core.settings import Settings
from sdtui.engine.generator import generate
from sdtui.engine.library_setup import quiet_libraries
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.pocket.sheet import sheet
from sdtui.requests.request import GenerationRequest

BACKGROUNDS = (
    *("blue", "green", "yellow", "purple", "white"),
    *("orange", "grey", "cyan", "pink", "black"),
)
_MARGIN = 1.15
"""The circle's radius by that of the apple."""


def circle_around(picture: Image.Image) -> Image.Image:
    """Return the mask of a circle around what differs from the colour of the corner."""
    background = Image.new("RGB", picture.size, picture.getpixel((2, 2)))
    red, green, blue = ImageChops.difference(picture, background).split()
    differs = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    box = differs.point(lambda value: 255 if value > 60 else 0).getbbox() or (0, 0, *picture.size)
    left, top, right, bottom = box
    radius = max(right - left, bottom - top) / 2 * _MARGIN
    x, y = (left + right) / 2, (top + bottom) / 2
    mask = Image.new("L", picture.size)
    ImageDraw.Draw(mask).ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return mask


def repainted(
    engine: StableDiffusionEngine,
    folder: Path,
    number: int,
    background: str,
    side: int,
    **values: Any,
) -> tuple[Image.Image, Image.Image]:
    """Return an apple, and the picture with a strawberry in its place."""
    apple = _generated(
        engine,
        prompt=f"a red apple on a {background} background",
        seed=number,
    ).resize((side, side), Image.Resampling.LANCZOS)
    apple.save(folder / "apple.png")
    circle_around(apple).save(folder / "mask.png")
    strawberry = _generated(
        engine,
        prompt=f"a strawberry on a {background} background",
        seed=100 + number,
        init_image=folder / "apple.png",
        mask_image=folder / "mask.png",
        **values,
    )
    return apple, strawberry


def _generated(engine: StableDiffusionEngine, **values: Any) -> Image.Image:
    result = generate(engine, GenerationRequest.parse(values))
    if result.error is not None:
        raise result.error
    return result.images[0]


def main() -> None:
    """Make the pictures and save the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("out", type=Path)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--strength", type=float)
    parser.add_argument("--fill", dest="inpaint_fill")
    parser.add_argument("--blur", type=int, dest="mask_blur")
    parser.add_argument("--only-masked", action="store_true", default=None)
    parser.add_argument("--soft", action="store_true", default=None, dest="soft_inpainting")
    values = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    out, side = values.pop("out"), values.pop("side")
    quiet_libraries()
    with (
        StableDiffusionEngine(Settings(device="cpu")) as engine,
        tempfile.TemporaryDirectory() as folder,
    ):
        pairs = [
            repainted(engine, Path(folder), number, background, side, **values)
            for number, background in enumerate(BACKGROUNDS)
        ]
    half = len(pairs) // 2
    rows = [
        pair[place] for part in (pairs[:half], pairs[half:]) for place in (0, 1) for pair in part
    ]
    sheet(rows, columns=half).save(out)


if __name__ == "__main__":
    main()
