"""Download and unpack the npm package with the pictures, and crop them."""

import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from sdtui.pocket.train.objects import Thing

PACKAGE = "@lobehub/fluent-emoji-3d@1.1.0"


def fetch_assets(work: Path) -> Path:
    """The folder of 256 px WebP pictures below `work`; npm downloads it the first time."""
    assets = work / "fluent-emoji" / "package" / "assets"
    if not assets.is_dir():
        work.mkdir(parents=True, exist_ok=True)
        packed = subprocess.run(
            ["npm", "pack", "--silent", PACKAGE],
            cwd=work,
            check=True,
            capture_output=True,
            text=True,
        )
        with tarfile.open(work / packed.stdout.split()[-1]) as archive:
            archive.extractall(work / "fluent-emoji", filter="data")
    return assets


def load_pictures(assets: Path, things: Sequence[Thing]) -> dict[str, Image.Image]:
    """Name → RGBA picture, cropped to its opaque part."""
    pictures = {}
    for thing in things:
        with Image.open(assets / f"{thing.code}.webp") as file:
            picture = file.convert("RGBA")
        pictures[thing.name] = picture.crop(picture.getchannel("A").getbbox())
    return pictures
